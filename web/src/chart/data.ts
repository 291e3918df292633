/**
 * Puts the answers for one or more series onto one time axis, as uPlot wants its columns, and gives out colours. Must
 * never change a value.
 */
import type { Chart, ChartLine } from "../api/types";
import { telling } from "../look/face";
import { metricOf, sameLabels } from "../state/selector";

/** What one selector brought. */
export interface Answer {
  selector: string;
  chart: Chart;
}

export interface Line {
  selector: string;
  name: string;
  unit: string;
  mode: string;
  line: ChartLine;
  /** Index of its colour; earlier periods have that of the present. */
  colour: number;
  offset: number;
}

export interface Merged {
  t: number[];
  lines: Line[];
  /** For each line: mean, least, greatest on `t`. */
  columns: { avg: (number | null)[]; min: (number | null)[]; max: (number | null)[] }[];
  units: string[];
  truncated: boolean;
  /** Up to when summaries are shown, milliseconds; null: nowhere. */
  summarisedToMs: number | null;
}

/** What a line is called among others: its metric when those differ, and the labels that tell it apart. */
export function lineName(own: Named, others: readonly Named[]): string {
  const differs = ([name, value]: [string, string]): boolean => others.some((o) => o.labels[name] !== value);
  const told = telling(own.labels, undefined).filter(differs);
  // Where it comes from is said only when nothing else tells two lines apart.
  const twin = others.some(
    (o) => o.metric === own.metric && told.every(([name, value]) => o.labels[name] === value),
  );
  const origin = twin
    ? Object.entries(own.labels).filter((e) => differs(e) && !told.some(([name]) => name === e[0]))
    : [];
  const labels = [...told, ...origin.filter(([name]) => name !== "__name__")]
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
  const alone = others.every((o) => o.metric === own.metric);
  return alone && labels !== "" ? labels : [own.metric, labels].filter(Boolean).join(" ");
}

interface Named {
  metric: string;
  labels: Record<string, string>;
}

/** The lines of an answer that the selector means: exactly those labels when there are any such, else all. */
function meant(answer: Answer, exact: Record<string, string> | undefined): ChartLine[] {
  if (!exact) return answer.chart.lines;
  const same = answer.chart.lines.filter((l) => sameLabels(l.labels, exact));
  return same.length > 0 ? same : answer.chart.lines;
}

/** All answers on one axis. `exact` gives the labels of a selector that is known to name one series. */
export function merge(
  answers: readonly Answer[],
  exact: (selector: string) => Record<string, string> | undefined,
): Merged {
  const t = [...new Set(answers.flatMap((a) => a.chart.t))].sort((a, b) => a - b);
  const at = new Map(t.map((s, i) => [s, i]));
  const lines: Line[] = [];
  const columns: Merged["columns"] = [];
  const named = (a: Answer, l: ChartLine): Named => ({
    metric: l.labels.__name__ ?? (metricOf(a.selector) || "series"),
    labels: l.labels,
  });
  const present = answers.flatMap((a) =>
    meant(a, exact(a.selector))
      .filter((l) => l.offset_s === 0)
      .map((l) => named(a, l)),
  );
  let colour = 0;
  for (const answer of answers) {
    const ofThis = meant(answer, exact(answer.selector));
    const seen: { labels: Record<string, string>; colour: number }[] = [];
    for (const line of [...ofThis].sort((a, b) => a.offset_s - b.offset_s)) {
      let own = seen.find((s) => sameLabels(s.labels, line.labels));
      if (!own) {
        own = { labels: line.labels, colour: colour++ };
        seen.push(own);
      }
      const me = named(answer, line);
      const others = present.filter((o) => o.metric !== me.metric || !sameLabels(o.labels, me.labels));
      lines.push({
        selector: answer.selector,
        name: lineName(me, others),
        unit: answer.chart.unit,
        mode: answer.chart.mode,
        line,
        colour: own.colour,
        offset: line.offset_s,
      });
      const put = (values: (number | null)[]): (number | null)[] => {
        const out: (number | null)[] = new Array(t.length).fill(null);
        answer.chart.t.forEach((s, i) => {
          const v = values[i];
          out[at.get(s)!] = v === undefined || v === null || !Number.isFinite(v) ? null : v;
        });
        return out;
      };
      columns.push({ avg: put(line.avg), min: put(line.min), max: put(line.max) });
    }
  }
  return {
    t,
    lines,
    columns,
    units: [...new Set(answers.map((a) => a.chart.unit))],
    truncated: answers.some((a) => a.chart.truncated),
    summarisedToMs: answers
      .flatMap((a) => a.chart.summaries ?? [])
      .reduce<number | null>((latest, s) => Math.max(latest ?? s.end_ms, s.end_ms), null),
  };
}

/** The gap that is still open at a moment; null when the next sample is merely due. */
export function openGap(
  facts: { last_seen_ms: number | null; interval_ms: number | null },
  untilMs: number,
): { from_ms: number; to_ms: number } | null {
  const { last_seen_ms: last, interval_ms: every } = facts;
  if (last === null || every === null || untilMs - last <= Math.max(3 * every, 5000)) return null;
  return { from_ms: last, to_ms: untilMs };
}

/** "an hour ago" for 3600. */
export function offsetText(seconds: number): string {
  if (seconds === 3600) return "an hour ago";
  if (seconds === 86400) return "yesterday";
  if (seconds === 604800) return "last week";
  return `${seconds} s ago`;
}
