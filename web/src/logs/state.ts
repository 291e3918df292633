/**
 * What the page of logs knows: records, counts, fields; asks anew when the query or the range changes. One question of a kind
 * is under way at most. Must never hold more records than its bound.
 */
import { signal } from "@preact/signals";
import { api, isAbort, serverNow } from "../api/client";
import { go, say, span, view } from "../state/app";
import type { LogFields, LogHistogram, LogRecord } from "./types";

const RECORDS_MAX = 5_000;
const PAGE = 200;
const TAIL_MAX = 1_000;

export const records = signal<LogRecord[]>([]);
export const next = signal<string | null>(null);
export const histogram = signal<LogHistogram | null>(null);
export const fields = signal<LogFields | null>(null);
export const failure = signal<unknown>(null);
export const isAsking = signal(false);
export const isPartial = signal(false);
/** Records that come while it is watched. */
export const isTailing = signal(false);
export const missed = signal(0);
/** The row with the cursor, and those that are open (by time and text). */
export const cursor = signal(-1);
export const open = signal<ReadonlySet<string>>(new Set());
export const queryBox = signal<HTMLInputElement | null>(null);

let stop: AbortController | null = null;
let tail: EventSource | null = null;

export const keyOf = (r: LogRecord): string => `${r.time_ns} ${r.service} ${r.body.slice(0, 200)}`;

/** Asks for everything that the page shows. */
export async function ask(): Promise<void> {
  stop?.abort();
  const mine = new AbortController();
  stop = mine;
  isAsking.value = true;
  const { q } = view.peek();
  const { from, to } = span.peek();
  const about = { q, from, to };
  try {
    const page = await api.logs({ ...about, limit: PAGE }, mine.signal);
    records.value = page.records;
    next.value = page.next;
    isPartial.value = page.partial;
    failure.value = null;
    if (cursor.peek() >= page.records.length) cursor.value = -1;
    histogram.value = await api.logHistogram({ ...about, steps: 80 }, mine.signal);
    fields.value = await api.logFields(about, mine.signal);
  } catch (e) {
    if (isAbort(e)) return;
    failure.value = e;
  } finally {
    if (stop === mine) isAsking.value = false;
  }
}

/** The next older ones. */
export async function more(): Promise<void> {
  const at = next.peek();
  if (at === null || isAsking.peek() || records.peek().length >= RECORDS_MAX) return;
  const mine = new AbortController();
  stop = mine;
  isAsking.value = true;
  try {
    const { from, to } = span.peek();
    const page = await api.logs({ q: view.peek().q, from, to, limit: PAGE, cursor: at }, mine.signal);
    records.value = [...records.peek(), ...page.records];
    next.value = page.next;
  } catch (e) {
    if (!isAbort(e)) failure.value = e;
  } finally {
    if (stop === mine) isAsking.value = false;
  }
}

/** Watches records as they come, or stops. */
export function switchTail(): void {
  if (tail) {
    endTail();
    return;
  }
  missed.value = 0;
  isTailing.value = true;
  tail = new EventSource(api.logTailUrl(view.peek().q));
  let waiting: LogRecord[] = [];
  let isDrawing = false;
  tail.onmessage = (e: MessageEvent<string>): void => {
    waiting.push(JSON.parse(e.data) as LogRecord);
    if (waiting.length > TAIL_MAX) {
      missed.value += waiting.length - TAIL_MAX;
      waiting = waiting.slice(-TAIL_MAX);
    }
    if (isDrawing) return;
    isDrawing = true;
    requestAnimationFrame(() => {
      isDrawing = false;
      const come = waiting.reverse();
      waiting = [];
      if (isTailing.peek()) records.value = [...come, ...records.peek()].slice(0, TAIL_MAX);
    });
  };
  tail.addEventListener("missed", (e) => {
    missed.value += Number((e as MessageEvent<string>).data) || 0;
  });
  tail.onerror = (): void => {
    if (tail?.readyState === EventSource.CLOSED) {
      endTail();
      say("Midwatch does not send records any more; press f to follow again.");
    }
  };
}

export function endTail(): void {
  tail?.close();
  tail = null;
  isTailing.value = false;
}

export function setQuery(q: string): void {
  endTail();
  go({ q, id: "" });
}

/** Opens a row, or shuts it. */
export function toggle(r: LogRecord): void {
  const key = keyOf(r);
  const now = new Set(open.peek());
  if (!now.delete(key)) now.add(key);
  open.value = now;
}

/** A minute before and after: where metrics and spans of the same moment are looked for. */
export function around(r: LogRecord): { from: number; to: number } {
  const ms = Number(BigInt(r.time_ns) / 1_000_000n);
  return { from: ms - 300_000, to: Math.min(ms + 300_000, Math.max(serverNow(), ms + 1000)) };
}
