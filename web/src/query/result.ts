/**
 * An answer as a table, and as lines of a chart where it has instants and numbers. Must never change a value, and never leave
 * something out without saying so.
 */
import type { PromqlVector, SqlAnswer } from "../api/types";

export interface Column {
  name: string;
  type: string;
  /** "" where it is not known. */
  unit: string;
}

export interface Answer {
  columns: Column[];
  rows: unknown[][];
  /** There are more rows than these. */
  truncated: boolean;
  warnings: string[];
  /** What went wrong after the first rows. */
  broken: { message: string; hint: string } | null;
}

export interface ChartLineOf {
  name: string;
  unit: string;
  /** [seconds, value], in order of time. */
  points: [number, number][];
}

export interface ChartOf {
  lines: ChartLineOf[];
  /** Lines that are not drawn. */
  more: number;
}

export const LINES_MAX = 24;

const UNITS: readonly [RegExp, string][] = [
  [/(^|_)bytes?(_total)?$/, "bytes"],
  [/(^|_)seconds?(_total)?$/, "s"],
  [/(^|_)(ratio|fraction)$/, "ratio"],
  [/(^|_)celsius$/, "°C"],
];

/** The unit that a name tells, as Prometheus's convention has it. */
export function unitOfName(name: string): string {
  return UNITS.find(([pattern]) => pattern.test(name.toLowerCase()))?.[1] ?? "";
}

/** The unit of an expression in PromQL: that of its metric, a second when it is a rate. */
export function unitOfPromql(text: string): string {
  const name = text.match(/[a-zA-Z_:][a-zA-Z0-9_:]*(?=\s*[{[])/)?.[0] ?? text.trim();
  const unit = unitOfName(name);
  if (!/\b(rate|irate|deriv)\s*\(/.test(text)) return /\bcount(_over_time)?\s*\(/.test(text) ? "" : unit;
  return unit === "bytes" ? "bytes/s" : unit === "s" ? "ratio" : "/s";
}

export function fromSql(answer: SqlAnswer): Answer {
  const columns = answer.data.columns.map((c) => ({
    ...c,
    unit: c.type === "float" || c.type === "integer" ? unitOfName(c.name) : "",
  }));
  const broken =
    answer.status === "error" ? { message: answer.error ?? "It broke off.", hint: answer.hint ?? "" } : null;
  return {
    columns,
    rows: answer.data.rows,
    truncated: answer.truncated,
    warnings: answer.warnings ?? [],
    broken,
  };
}

/** An instant answer of PromQL as rows: the labels that there are, and the value. */
export function fromPromql(answer: PromqlVector, unit: string): Answer {
  const none = { truncated: false, warnings: [], broken: null };
  if (answer.resultType === "scalar" || answer.resultType === "string") {
    const [, value] = answer.result as [number, string];
    return { ...none, columns: [{ name: "value", type: "float", unit }], rows: [[value]] };
  }
  const list = answer.result as { metric: Record<string, string>; value?: [number, string] }[];
  const names = [...new Set(list.flatMap((s) => Object.keys(s.metric)))].sort(
    (a, b) => Number(b === "__name__") - Number(a === "__name__") || a.localeCompare(b),
  );
  const labels = names.map((name) => ({
    name: name === "__name__" ? "metric" : name,
    type: "text",
    unit: "",
  }));
  return {
    ...none,
    columns: [...labels, { name: "value", type: "float", unit }],
    rows: list.map((s) => [...names.map((n) => s.metric[n] ?? null), s.value?.[1] ?? null]),
  };
}

/** A number of an answer; the three that JSON lacks are texts there. */
export function numberOf(value: unknown): number | null {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value === "") return null;
  if (value === "+Inf") return Number.POSITIVE_INFINITY;
  if (value === "-Inf") return Number.NEGATIVE_INFINITY;
  const n = Number(value);
  return value === "NaN" || !Number.isNaN(n) ? n : null;
}

/** A value as text: maps as `name=value`. */
export function cellText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(cellText).join(", ")}]`;
  return Object.entries(value)
    .map(([k, v]) => `${k}=${cellText(v)}`)
    .join(" ");
}

export const isNumber = (c: Column): boolean => ["integer", "float", "decimal"].includes(c.type);
const isInstant = (c: Column): boolean => c.type === "timestamp" || c.type === "date";

/** Lines over the first column of instants: one for each number and each combination of the other values; null where there are none. */
export function chartOf(answer: Answer): ChartOf | null {
  const x = answer.columns.findIndex(isInstant);
  const numbers = answer.columns.map((c, i) => ({ c, i })).filter(({ c, i }) => isNumber(c) && i !== x);
  const keys = answer.columns
    .map((c, i) => ({ c, i }))
    .filter(({ c, i }) => !isNumber(c) && !isInstant(c) && i !== x);
  if (x < 0 || numbers.length === 0) return null;
  const found = new Map<string, ChartLineOf>();
  for (const row of answer.rows) {
    const seconds = Date.parse(String(row[x])) / 1000;
    if (!Number.isFinite(seconds)) continue;
    const key = keys
      .map(({ i }) => cellText(row[i]))
      .filter((t) => t !== "")
      .join(" ");
    for (const { c, i } of numbers) {
      const value = numberOf(row[i]);
      if (value === null || !Number.isFinite(value)) continue;
      const name = key === "" ? c.name : numbers.length > 1 ? `${key} ${c.name}` : key;
      let line = found.get(name);
      if (!line) {
        line = { name, unit: c.unit, points: [] };
        found.set(name, line);
      }
      line.points.push([seconds, value]);
    }
  }
  const all = [...found.values()];
  for (const line of all) line.points.sort((a, b) => a[0] - b[0]);
  if (all.every((line) => line.points.length < 2)) return null;
  return { lines: all.slice(0, LINES_MAX), more: Math.max(0, all.length - LINES_MAX) };
}
