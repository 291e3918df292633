/**
 * Moments and spans as people read them, in a given time zone. Must never read the clock: "now" is an argument.
 */

const two = (n: number): string => (n < 10 ? `0${n}` : String(n));
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The zone of a moment as an offset: "UTC", "UTC+1", "UTC+5:30". */
export function zoneOf(ms: number): string {
  const minutes = -new Date(ms).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const a = Math.abs(minutes);
  const rest = a % 60 ? `:${two(a % 60)}` : "";
  return `UTC${minutes > 0 ? "+" : "−"}${Math.floor(a / 60)}${rest}`;
}

/** "14:03:20", with milliseconds when the span shown is very short. */
export function clockTime(ms: number, withMillis = false): string {
  const d = new Date(ms);
  const text = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return withMillis ? `${text}.${String(d.getMilliseconds()).padStart(3, "0")}` : text;
}

/** "21 Nov", with the year when it is not that of `nowMs`. */
export function dayText(ms: number, nowMs: number): string {
  const d = new Date(ms);
  const text = `${d.getDate()} ${MONTHS[d.getMonth()]}`;
  return d.getFullYear() === new Date(nowMs).getFullYear() ? text : `${text} ${d.getFullYear()}`;
}

/** A moment: the clock alone for today, with the day otherwise. */
export function momentText(ms: number, nowMs: number): string {
  const same = new Date(ms).toDateString() === new Date(nowMs).toDateString();
  return same ? clockTime(ms) : `${dayText(ms, nowMs)} ${clockTime(ms)}`;
}

/** ISO 8601 in UTC, without needless milliseconds: for hover texts, links and copying. */
export function isoText(ms: number): string {
  if (!Number.isFinite(ms) || Math.abs(ms) > 8.64e15) return "";
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

/** "a few seconds ago" without vagueness: "12 s ago", "4 min ago", "3 d ago". */
export function agoText(ms: number, nowMs: number): string {
  const s = Math.round((nowMs - ms) / 1000);
  if (s < -1) return `in ${spanText(-s)}`;
  return s < 1 ? "now" : `${spanText(s)} ago`;
}

/** A span in its largest one or two units: 5400 -> "1 h 30 min". */
export function spanText(seconds: number): string {
  const units: [number, string][] = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  for (let i = 0; i < units.length; i++) {
    const [size, name] = units[i]!;
    if (seconds < size) continue;
    const whole = Math.floor(seconds / size);
    const next = units[i + 1];
    const rest = next ? Math.floor((seconds - whole * size) / next[0]) : 0;
    // Beyond ten of a unit the smaller one only distracts.
    return rest > 0 && whole < 10 && next ? `${whole} ${name} ${rest} ${next[1]}` : `${whole} ${name}`;
  }
  return "0 s";
}

/** The same span as short as it can be typed: 5400 -> "90m", 604800 -> "7d". */
export function spanCode(seconds: number): string {
  for (const [size, name] of [
    [86400, "d"],
    [3600, "h"],
    [60, "m"],
  ] as const) {
    if (seconds % size === 0 && seconds >= size) return `${seconds / size}${name}`;
  }
  return `${seconds}s`;
}

const TICK_STEPS_S = [
  0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800,
  21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000,
];

/** The distances between time ticks that a clock face makes natural, seconds. */
export function timeTickSteps(): number[] {
  return TICK_STEPS_S.slice();
}

/** Texts for time ticks `stepS` apart: a new day names itself. */
export function formatTimeTicks(seconds: readonly number[], stepS: number): string[] {
  let lastDay = "";
  return seconds.map((s, i) => {
    const d = new Date(s * 1000);
    const day = `${d.getDate()} ${MONTHS[d.getMonth()]}`;
    const newDay = i > 0 && day !== lastDay;
    lastDay = day;
    if (stepS >= 86400) return day;
    if (newDay || (d.getHours() === 0 && d.getMinutes() === 0 && d.getSeconds() === 0)) return day;
    if (stepS < 1)
      return `${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, "0")}`;
    const hm = `${two(d.getHours())}:${two(d.getMinutes())}`;
    return stepS < 60 ? `${hm}:${two(d.getSeconds())}` : hm;
  });
}
