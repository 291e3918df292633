/**
 * Asks for what the large chart shows, and again as time goes on. Must never show an answer to another question than
 * the present one.
 */
import { effect, signal } from "@preact/signals";
import { ApiError, api, isAbort, serverNow } from "../api/client";
import type { Chart, SeriesFacts } from "../api/types";
import { live, tick, view } from "../state/app";
import { resolve, type Span } from "../state/range";
import type { Under } from "../state/url";
import type { Answer } from "./data";
import { flatten } from "./exemplars";

export interface Shown {
  key: string;
  answers: Answer[];
  /** Selectors that brought nothing, with the reason. */
  failures: { selector: string; error: unknown }[];
  span: Span;
}

export const shown = signal<Shown | null>(null);
export const facts = signal<SeriesFacts | null>(null);
/** As of when the facts are, milliseconds: a sample that came later is none of their business. */
export const factsAsOf = signal(0);
/** Examples of what the shown series counted. */
export const exemplars = signal<ReturnType<typeof flatten>>({ shown: [], total: 0 });
export const chartError = signal<unknown>(null);

export const OFFSETS: Record<Under, number> = { h: 3600, y: 86400, w: 604800 };
const POINTS = 600;
const COMPARED_MAX = 20;
const FACTS_MS = 10_000;
/** Of so many series examples are asked for: more would be too many diamonds. */
const EXEMPLARS_OF_MAX = 5;

async function loadChart(signal_: AbortSignal): Promise<void> {
  const v = view.peek();
  const span = resolve(v.range, serverNow(), POINTS);
  const mode = v.raw ? "raw" : "auto";
  const offsets = v.under.map((u) => OFFSETS[u]);
  const asked = v.open.slice(0, COMPARED_MAX);
  const settled = await Promise.allSettled(
    asked.map(
      (match): Promise<Chart> =>
        api.chart({ match, from: span.from, to: span.to, points: POINTS, mode, offsets }, signal_),
    ),
  );
  if (signal_.aborted) return;
  const answers: Answer[] = [];
  const failures: Shown["failures"] = [];
  settled.forEach((s, i) => {
    if (s.status === "fulfilled") answers.push({ selector: asked[i]!, chart: s.value });
    else if (!isAbort(s.reason)) failures.push({ selector: asked[i]!, error: s.reason });
  });
  if (answers.length === 0 && failures.length > 0) {
    chartError.value = failures[0]!.error;
    return;
  }
  chartError.value = null;
  shown.value = { key: asked.join("\n"), answers, failures, span };
}

async function loadFacts(signal_: AbortSignal): Promise<void> {
  const v = view.peek();
  const match = v.open[0];
  if (match === undefined) return;
  const span = resolve(v.range, serverNow(), POINTS);
  const asked = serverNow();
  try {
    const f = await api.series(match, span.from, span.to, signal_);
    if (!signal_.aborted) {
      facts.value = f;
      factsAsOf.value = asked;
    }
  } catch (e) {
    // When nobody answers, what was known stays: only an answer says that nothing is known.
    if (e instanceof ApiError && e.kind === "refused") facts.value = null;
  }
}

/** Examples are an addition: where they cannot be had, there are none. */
async function loadExemplars(signal_: AbortSignal): Promise<void> {
  const v = view.peek();
  const span = resolve(v.range, serverNow(), POINTS);
  const asked = v.open.slice(0, EXEMPLARS_OF_MAX);
  const all = await Promise.allSettled(asked.map((m) => api.exemplars(m, span.from, span.to, signal_)));
  if (signal_.aborted) return;
  const found = all.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
  exemplars.value = flatten(found, span.from / 1000, span.to / 1000);
}

/** Loads while the panel is open; returns how to stop. */
export function startLoading(): () => void {
  let stop = new AbortController();
  let busy = false;
  let before = "";
  let openBefore = "";
  let factsAt = 0;
  const run = async (fresh: boolean): Promise<void> => {
    if (fresh) {
      stop.abort();
      stop = new AbortController();
    } else if (busy) return;
    const own = stop;
    busy = true;
    const wantFacts = fresh || performance.now() - factsAt > FACTS_MS;
    if (wantFacts) factsAt = performance.now();
    await Promise.all([
      loadChart(own.signal),
      wantFacts ? loadFacts(own.signal) : null,
      wantFacts ? loadExemplars(own.signal) : null,
    ]);
    if (stop === own) busy = false;
  };
  const end = effect(() => {
    const v = view.value;
    const key = JSON.stringify([v.open, v.range, v.raw, v.under]);
    tick.value;
    if (v.open.length === 0) return;
    const open = v.open.join("\n");
    if (open !== openBefore) {
      openBefore = open;
      facts.value = null;
      chartError.value = null;
    }
    if (key !== before) {
      before = key;
      void run(true);
    } else if (live.peek()) void run(false);
  });
  return () => {
    end();
    stop.abort();
    shown.value = null;
    facts.value = null;
    exemplars.value = { shown: [], total: 0 };
  };
}
