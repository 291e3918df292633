/**
 * Examples of what the shown series counted, in one list by time. Must never ask for anything, nor say more of an
 * example than the server did.
 */
import type { Exemplars } from "../api/types";
import { formatValue } from "../format/units";
import type { Labels } from "../state/selector";
import { defaults, toUrl } from "../state/url";

export interface Shown {
  atS: number;
  value: string;
  labels: Labels;
  series: Labels;
}

/** More are not drawn: they would lie on each other. */
export const SHOWN_MAX = 200;

/** The unit in which a series of this name counts, by the custom of names. */
function unitOf(metric: string): string {
  const base = metric.replace(/_(bucket|count|sum|total)$/, "");
  if (base.endsWith("_seconds")) return "s";
  return base.endsWith("_bytes") ? "bytes" : "";
}

/** The newest that lie in the span, oldest first, and how many there are. One that several series have counts once. */
export function flatten(
  all: readonly Exemplars[],
  fromS: number,
  toS: number,
): { shown: Shown[]; total: number } {
  const seen = new Map<string, Shown>();
  for (const { seriesLabels, exemplars } of all) {
    const unit = unitOf(seriesLabels.__name__ ?? "");
    for (const e of exemplars) {
      if (e.timestamp < fromS || e.timestamp > toS) continue;
      const key = JSON.stringify([e.timestamp, e.value, e.labels]);
      if (seen.has(key)) continue;
      const value = Number(e.value);
      seen.set(key, {
        atS: e.timestamp,
        value: Number.isFinite(value) ? formatValue(value, unit, 4) : e.value,
        labels: e.labels,
        series: seriesLabels,
      });
    }
  }
  const list = [...seen.values()].sort((a, b) => a.atS - b.atS);
  return { shown: list.slice(-SHOWN_MAX), total: list.length };
}

/** The name under which an example leads to a trace, if it has one. */
export function traceLabel(labels: Labels): string | undefined {
  return Object.keys(labels).find((name) => /^trace_?id$/i.test(name));
}

/** Where the trace of an example is shown, at its span if that is known. */
export function traceUrl(trace: string, labels: Labels): string {
  const span = Object.keys(labels).find((name) => /^span_?id$/i.test(name));
  const id = trace.replaceAll("-", "").toLowerCase();
  return toUrl({ ...defaults("traces"), own: span ? { trace: id, span: labels[span]! } : { trace: id } });
}

/** Which example a key leads to. */
export function step(key: string, at: number, count: number): number | null {
  switch (key) {
    case "ArrowRight":
      return Math.min(at + 1, count - 1);
    case "ArrowLeft":
      return Math.max(at - 1, 0);
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return null;
  }
}
