/**
 * The question under way and the last answer. One at a time: a new question ends the one before. Must never ask by itself except
 * when the page is opened by a link that holds a question.
 */
import { signal } from "@preact/signals";
import { ApiError, api, isAbort, serverNow } from "../api/client";
import { span, tick, view } from "../state/app";
import { type Answer, type ChartOf, chartOf, fromPromql, fromSql, LINES_MAX, unitOfPromql } from "./result";
import { asked, type Lang } from "./state";

/** Rows that a page shows at first; more are asked for with a button. */
export const ROWS_FEW = 500;
export const ROWS_MANY = 10_000;
/** Values of a line, about. */
const STEPS = 240;

export interface Shown {
  lang: Lang;
  text: string;
  answer: Answer;
  chart: ChartOf | null;
  /** Seconds of the chart's axis. */
  from: number;
  to: number;
  ms: number;
}

export const running = signal<{ stop: AbortController; since: number } | null>(null);
export const shown = signal<Shown | null>(null);
export const failure = signal<{ error: unknown; text: string } | null>(null);

/** What stands for the range in a text of SQL. */
export function filled(text: string, from: number, to: number): string {
  const moment = (ms: number): string => `TIMESTAMP '${new Date(ms).toISOString()}'`;
  return text.replace(/\$from\b/g, moment(from)).replace(/\$to\b/g, moment(to));
}

export const hasRange = (text: string): boolean => /\$(from|to)\b/.test(text);

async function askSql(
  text: string,
  rows: number,
  stop: AbortSignal,
): Promise<Omit<Shown, "lang" | "text" | "ms">> {
  const { from, to } = span.value;
  const answer = fromSql(await api.sql(filled(text, from, to), rows, stop));
  const chart = chartOf(answer);
  const all = chart?.lines.flatMap((l) => [l.points[0]![0], l.points.at(-1)![0]]) ?? [];
  return { answer, chart, from: Math.min(...all), to: Math.max(...all) };
}

async function askPromql(text: string, stop: AbortSignal): Promise<Omit<Shown, "lang" | "text" | "ms">> {
  const unit = unitOfPromql(text);
  const [from, to] = [span.value.from / 1000, span.value.to / 1000];
  const step = Math.max(1, Math.ceil((to - from) / STEPS));
  const now = fromPromql(await api.promqlNow({ query: text, time: to }, stop), unit);
  const matrix = await api.promql({ query: text, start: from, end: to, step }, stop).catch((e: unknown) => {
    // An expression that is no vector has no lines; its value is shown all the same.
    if (isAbort(e)) throw e;
    return null;
  });
  const lines = (matrix?.result ?? []).map((series) => {
    const labels = Object.entries(series.metric).filter(([k]) => k !== "__name__");
    const name = `${series.metric.__name__ ?? ""} ${labels.map(([k, v]) => `${k}=${v}`).join(" ")}`.trim();
    const points = (series.values ?? []).map(([t, v]): [number, number] => [t, Number(v)]);
    return { name: name || "value", unit, points: points.filter(([, v]) => Number.isFinite(v)) };
  });
  const drawn = lines.filter((l) => l.points.length > 0);
  const chart =
    drawn.length === 0 ? null : { lines: drawn.slice(0, LINES_MAX), more: drawn.length - LINES_MAX };
  return { answer: now, chart: chart && { ...chart, more: Math.max(0, chart.more) }, from, to };
}

/** Asks what the page holds. */
export async function run(rows = ROWS_FEW): Promise<void> {
  const { lang, text } = asked.value;
  if (text.trim() === "") return;
  running.value?.stop.abort();
  const stop = new AbortController();
  const since = performance.now();
  running.value = { stop, since };
  failure.value = null;
  if (view.value.range.kind === "last") tick.value = serverNow();
  try {
    const found = lang === "sql" ? await askSql(text, rows, stop.signal) : await askPromql(text, stop.signal);
    shown.value = { ...found, lang, text, ms: performance.now() - since };
  } catch (error) {
    if (!isAbort(error)) failure.value = { error, text };
  } finally {
    if (running.value?.stop === stop) running.value = null;
  }
}

/** Gives up the question under way. */
export function cancel(): void {
  running.value?.stop.abort();
  running.value = null;
}

/** The part of the text that an error is about, as indices; null when it is not told. Places are bytes there. */
export function place(error: unknown, text: string): { start: number; end: number } | null {
  const at = error instanceof ApiError ? error.position : null;
  if (!at) return null;
  const bytes = new TextEncoder().encode(text);
  const index = (byte: number): number => new TextDecoder().decode(bytes.slice(0, byte)).length;
  return { start: index(at.start), end: index(Math.max(at.end, at.start)) };
}
