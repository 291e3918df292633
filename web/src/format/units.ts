/**
 * Numbers as people read them: a value and its unit become a short text, scaled, never more than four
 * significant digits. Must never touch the DOM, the clock or the locale: the same input gives the same text.
 */

interface Step {
  /** The smallest magnitude that this step is used for. */
  from: number;
  suffix: string;
}

interface Scale {
  steps: readonly Step[];
  /** Between number and suffix. */
  space: boolean;
  /** Multiplies the value first (a ratio becomes percent). */
  factor?: number;
  /** Appended after the step's suffix. */
  tail?: string;
}

const SI: readonly Step[] = [
  { from: 1e12, suffix: "T" },
  { from: 1e9, suffix: "G" },
  { from: 1e6, suffix: "M" },
  { from: 1e3, suffix: "k" },
  { from: 1, suffix: "" },
];

const IEC: readonly Step[] = [
  { from: 2 ** 60, suffix: "EiB" },
  { from: 2 ** 50, suffix: "PiB" },
  { from: 2 ** 40, suffix: "TiB" },
  { from: 2 ** 30, suffix: "GiB" },
  { from: 2 ** 20, suffix: "MiB" },
  { from: 2 ** 10, suffix: "KiB" },
  { from: 1, suffix: "B" },
];

const SECONDS: readonly Step[] = [
  { from: 86400, suffix: "d" },
  { from: 3600, suffix: "h" },
  { from: 60, suffix: "min" },
  { from: 1, suffix: "s" },
  { from: 1e-3, suffix: "ms" },
  { from: 1e-6, suffix: "µs" },
  { from: 1e-9, suffix: "ns" },
];

const ONE: readonly Step[] = [{ from: 1, suffix: "" }];

const milli = (name: string): readonly Step[] => [
  { from: 1, suffix: name },
  { from: 1e-3, suffix: `m${name}` },
];

const SCALES: Record<string, Scale> = {
  "": { steps: SI, space: false },
  "/s": { steps: SI, space: false, tail: "/s" },
  bytes: { steps: IEC, space: true },
  "bytes/s": { steps: IEC, space: true, tail: "/s" },
  s: { steps: SECONDS, space: true },
  // Seconds spent per second: the share of time, which is what CPU and disk figures are read as.
  "s/s": { steps: ONE, space: true, factor: 100, tail: "%" },
  ratio: { steps: ONE, space: true, factor: 100, tail: "%" },
  percent: { steps: ONE, space: true, tail: "%" },
  celsius: { steps: ONE, space: true, tail: "°C" },
  hertz: { steps: SI, space: true, tail: "Hz" },
  volts: { steps: milli("V"), space: true },
};

/** The scale of a unit; a unit that is not known is shown as it came. */
function scaleOf(unit: string): Scale {
  return Object.hasOwn(SCALES, unit) ? SCALES[unit]! : { steps: SI, space: false, tail: ` ${unit}` };
}

/** The step for a magnitude; zero takes the step that is 1. */
function stepFor(scale: Scale, magnitude: number): Step {
  const one = scale.steps.find((s) => s.from === 1) ?? scale.steps[0]!;
  if (magnitude === 0) return one;
  // A value that would be rounded up to the next step takes the next step (999.96 k is 1 M).
  return scale.steps.find((s) => magnitude * 1.0005 >= s.from) ?? scale.steps.at(-1)!;
}

/** At most `digits` significant digits, no needless zeros; tiny and huge numbers with an exponent. */
export function significant(v: number, digits = 3): string {
  if (v === 0) return "0";
  const a = Math.abs(v);
  let text: string;
  if (a >= 1e6 || a < 1e-4) {
    text = v
      .toExponential(digits - 1)
      .replace(/\.?0+e/, "e")
      .replace("e+", "e");
  } else if (a >= 1000) {
    text = String(Number(v.toPrecision(4)));
  } else {
    text = String(Number(v.toPrecision(digits)));
  }
  return text.replace("-", "−").replace("e−", "e-");
}

function notFinite(v: number | null | undefined): string | null {
  if (v === null || v === undefined) return "–";
  if (Number.isNaN(v)) return "NaN";
  if (v === Number.POSITIVE_INFINITY) return "∞";
  if (v === Number.NEGATIVE_INFINITY) return "−∞";
  return null;
}

function joined(text: string, scale: Scale, suffix: string): string {
  const unit = `${suffix}${scale.tail ?? ""}`;
  if (unit === "") return text;
  return scale.space ? `${text} ${unit}` : `${text}${unit}`;
}

/** Whether a value in seconds is a moment (a boot or start time), not a duration. */
function isMoment(v: number, unit: string): boolean {
  return (unit === "s" || unit === "unix time") && v >= 1e9 && v < 4e9;
}

/** A value with its unit, for a tile or a sentence. */
export function formatValue(v: number | null | undefined, unit: string, digits = 3): string {
  const odd = notFinite(v);
  if (odd !== null) return odd;
  const value = v as number;
  // A drift of parts in a million is no percentage that anybody reads.
  if (unit === "ratio" && value !== 0 && Math.abs(value) < 5e-5) {
    return Math.abs(value) < 5e-8
      ? `${significant(value * 1e9, digits)} ppb`
      : `${significant(value * 1e6, digits)} ppm`;
  }
  if (unit === "s/s" && value !== 0 && Math.abs(value) < 5e-5) return `${formatValue(value, "s", digits)}/s`;
  if (isMoment(value, unit)) return `${new Date(value * 1000).toISOString().slice(0, 16).replace("T", " ")}Z`;
  const scale = scaleOf(unit);
  const scaled = value * (scale.factor ?? 1);
  const step = stepFor(scale, Math.abs(scaled));
  return joined(significant(scaled / step.from, digits), scale, step.suffix);
}

/**
 * Texts for the ticks of one axis: all in the same step, with as many decimals as tell them apart.
 */
export function formatTicks(values: readonly number[], unit: string): string[] {
  if (values.length === 0) return [];
  const scale = scaleOf(unit);
  const scaled = values.map((v) => v * (scale.factor ?? 1));
  const largest = Math.max(...scaled.map((v) => Math.abs(v)));
  if (isMoment(largest, unit)) return values.map((v) => formatValue(v, unit));
  const step = stepFor(scale, largest);
  let gap = Number.POSITIVE_INFINITY;
  for (let i = 1; i < scaled.length; i++) {
    const d = Math.abs(scaled[i]! - scaled[i - 1]!) / step.from;
    if (d > 0) gap = Math.min(gap, d);
  }
  if (largest / step.from >= 1e6 || (largest > 0 && largest / step.from < 1e-4)) {
    return scaled.map((v) => joined(significant(v / step.from, 3), scale, step.suffix));
  }
  let decimals = 0;
  while (decimals < 6 && Number.isFinite(gap) && Math.abs(gap - Number(gap.toFixed(decimals))) > gap * 0.01) {
    decimals++;
  }
  return scaled.map((v) => {
    const text = (v / step.from).toFixed(decimals).replace("-", "−");
    return v === 0 ? joined("0", scale, scale.space ? step.suffix : "") : joined(text, scale, step.suffix);
  });
}

const DECIMAL_STEPS = [1, 2, 2.5, 5];

/** Distances between ticks that read well for this unit, in the value's own units, rising. */
export function tickSteps(unit: string): number[] {
  const steps: number[] = [];
  if (unit === "bytes" || unit === "bytes/s") {
    for (let p = -3; p <= 62; p++) steps.push(2 ** p);
    return steps;
  }
  for (let p = -12; p <= 15; p++) {
    for (const s of DECIMAL_STEPS) steps.push(Number(`${s}e${p}`));
  }
  if (unit === "s") {
    return steps
      .filter((s) => s < 10)
      .concat([10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400])
      .concat(DECIMAL_STEPS.slice(0, 4).flatMap((s) => [2, 10, 100, 1000, 10000].map((m) => s * m * 86400)))
      .sort((a, b) => a - b);
  }
  return steps;
}

/** A count with thousands apart: 4,211. */
export function formatCount(n: number): string {
  return Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** The unit in words, for a legend: "" when there is nothing to say. */
export function unitName(unit: string): string {
  const names: Record<string, string> = {
    "": "",
    "/s": "events per second",
    bytes: "bytes",
    "bytes/s": "bytes per second",
    s: "seconds",
    "s/s": "share of time (seconds per second)",
    ratio: "ratio, as percent",
    percent: "percent",
    celsius: "degrees Celsius",
    hertz: "hertz",
    volts: "volts",
  };
  return Object.hasOwn(names, unit) ? names[unit]! : unit;
}

/** "1 change", "1,306 log records": of what takes an s. */
export const countText = (n: number, one: string): string => `${formatCount(n)} ${one}${n === 1 ? "" : "s"}`;
