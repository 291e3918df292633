/**
 * Asks Midwatch, of the same origin only. Every failure becomes an `ApiError` that says what to do next. Must never
 * retry by itself: who asks decides when to ask again.
 */
import type { Bullet, LogFields, LogHistogram, LogPage, LogPatterns } from "../logs/types";
import type {
  Archive,
  BringingBack,
  Cardinality,
  Chart,
  Discovery,
  Exemplars,
  Found,
  Home,
  Limits,
  PromqlMatrix,
  PromqlVector,
  Saved,
  SeriesFacts,
  SqlAnswer,
  Status,
  Targets,
  Tile,
} from "./types";

export class ApiError extends Error {
  constructor(
    message: string,
    readonly kind: "unreachable" | "refused" | "broken",
    readonly hint: string = "",
    /** Bytes of the query that the error is about. */
    readonly position: { start: number; end: number } | null = null,
  ) {
    super(message);
  }
}

const TIMEOUT_MS = 15_000;

/** How far the server's clock is ahead of this one, milliseconds. */
let clockAheadMs = 0;

/** Now, by the clock of the machine that records. */
export function serverNow(): number {
  return Date.now() + clockAheadMs;
}

export function learnClock(response: Response): void {
  const date = Date.parse(response.headers.get("date") ?? "");
  if (!Number.isFinite(date)) return;
  const ahead = date + 500 - Date.now();
  // The header counts whole seconds: less than two is no difference that it could tell.
  clockAheadMs = Math.abs(ahead) < 2000 ? 0 : ahead;
}

type Envelope = {
  status?: string;
  data?: unknown;
  error?: string;
  hint?: string;
  position?: { start: number; end: number };
};

/** One question. An abort by the caller comes out as the `AbortError` of the browser. */
export async function ask<T>(
  path: string,
  signal?: AbortSignal,
  body?: unknown,
  whole?: (status: number, text: string) => T,
  method = body === undefined ? "GET" : "POST",
): Promise<T> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), TIMEOUT_MS);
  const stop = (): void => timeout.abort();
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) timeout.abort();
  try {
    const response = await fetch(path, {
      method,
      signal: timeout.signal,
      cache: "no-store",
      credentials: "same-origin",
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
    });
    learnClock(response);
    const text = await response.text();
    return whole ? whole(response.status, text) : unwrap<T>(response.status, text);
  } catch (e) {
    if (e instanceof ApiError) throw e;
    if (signal?.aborted) throw new DOMException("no longer wanted", "AbortError");
    throw unreachable(timeout.signal.aborted ? TIMEOUT_MS : null);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

/** Nobody answers: within so long, or at all. */
export function unreachable(withinMs: number | null): ApiError {
  return withinMs === null
    ? new ApiError(
        `Midwatch does not answer at ${location.host}.`,
        "unreachable",
        "Is `midwatch serve` running on that machine?",
      )
    : new ApiError(
        `Midwatch did not answer within ${withinMs / 1000} s.`,
        "unreachable",
        "It may be busy: ask for a shorter range or fewer series, and look at `midwatch top` on that machine.",
      );
}

export function unwrap<T>(status: number, text: string): T {
  let envelope: Envelope | null = null;
  try {
    envelope = JSON.parse(text) as Envelope;
  } catch {
    envelope = null;
  }
  // Advice stands beside its status, not below it.
  if (envelope?.status === "success") return (envelope.data ?? envelope) as T;
  if (envelope?.status === "error") {
    throw new ApiError(
      envelope.error ?? `Midwatch answered with status ${status}.`,
      status >= 500 ? "broken" : "refused",
      envelope.hint ?? "",
      envelope.position ?? null,
    );
  }
  throw new ApiError(
    `What answers at ${location.host} (status ${status}) does not speak as Midwatch does.`,
    "broken",
    "Is this interface of the same version as the program? Reload the page; if that does not help, restart `midwatch serve`.",
  );
}

/** An answer in SQL that broke off after its beginning still has what came before. */
function wholeSql(status: number, text: string): SqlAnswer {
  try {
    const answer = JSON.parse(text) as SqlAnswer;
    if (Array.isArray(answer.data?.columns)) return answer;
  } catch {
    // What is wrong with it is said below.
  }
  return unwrap<SqlAnswer>(status, text);
}

export const query = (fields: [string, string | number | undefined][]): string =>
  fields
    .filter(([, v]) => v !== undefined && v !== "")
    .map(([k, v]) => `${k}=${encodeURIComponent(v as string | number)}`)
    .join("&");

export const isAbort = (e: unknown): boolean => e instanceof DOMException && e.name === "AbortError";

export interface FindQuery {
  q: string;
  match: string;
  group: string;
  from?: number;
  to?: number;
  limit?: number;
}

export interface CardinalityQuery {
  by: string;
  match: string;
  sort: string;
  filter: string;
  limit: number;
}

export interface LogQuery {
  q: string;
  from: number;
  to: number;
  limit?: number;
  cursor?: string;
  steps?: number;
}

const aboutLogs = (l: LogQuery): string =>
  query([
    ["query", l.q],
    ["start", l.from / 1000],
    ["end", l.to / 1000],
    ["limit", l.limit],
    ["cursor", l.cursor],
    ["steps", l.steps],
  ]);

export const api = {
  logs: (l: LogQuery, signal?: AbortSignal): Promise<LogPage> =>
    ask(`/api/v1/logs/search?${aboutLogs(l)}`, signal),
  logHistogram: (l: LogQuery, signal?: AbortSignal): Promise<LogHistogram> =>
    ask(`/api/v1/logs/histogram?${aboutLogs(l)}`, signal),
  logFields: (l: LogQuery, signal?: AbortSignal): Promise<LogFields> =>
    ask(`/api/v1/logs/fields?${aboutLogs(l)}`, signal),
  logPatterns: (signal?: AbortSignal): Promise<LogPatterns> => ask("/api/v1/logs/patterns", signal),
  logTailUrl: (q: string): string => `/api/v1/logs/tail?${query([["query", q]])}`,
  bullet: (id: string, signal?: AbortSignal): Promise<Bullet> =>
    ask(`/api/v1/trace-a-bullet?${query([["id", id]])}`, signal),
  cardinality: (c: CardinalityQuery, signal?: AbortSignal): Promise<Cardinality> => {
    const [by, label] = c.by.startsWith("value:") ? ["value", c.by.slice(6)] : [c.by, ""];
    return ask(
      `/api/v1/cardinality?${query([
        ["by", by],
        ["label", label],
        ["match", c.match],
        ["sort", c.sort],
        ["filter", c.filter],
        ["limit", c.limit],
      ])}`,
      signal,
    );
  },
  find: (f: FindQuery, signal?: AbortSignal): Promise<Found> =>
    ask(
      `/api/v1/look/find?${query([
        ["q", f.q],
        ["match", f.match],
        ["group", f.group],
        ["start", f.from === undefined ? undefined : f.from / 1000],
        ["end", f.to === undefined ? undefined : f.to / 1000],
        ["limit", f.limit],
      ])}`,
      signal,
    ),
  tiles: (
    body: { ids: number[]; start: number; end: number; points: number; mode: string },
    signal?: AbortSignal,
  ): Promise<{ tiles: Tile[] }> => ask("/api/v1/look/tiles", signal, body),
  chart: (
    c: { match: string; from: number; to: number; points: number; mode: string; offsets: number[] },
    signal?: AbortSignal,
  ): Promise<Chart> =>
    ask(
      `/api/v1/look/chart?${query([
        ["match", c.match],
        ["start", c.from / 1000],
        ["end", c.to / 1000],
        ["points", c.points],
        ["mode", c.mode],
        ...c.offsets.map((o): [string, number] => ["offset", o]),
      ])}`,
      signal,
    ),
  series: (match: string, from: number, to: number, signal?: AbortSignal): Promise<SeriesFacts> =>
    ask(
      `/api/v1/look/series?${query([
        ["match", match],
        ["start", from / 1000],
        ["end", to / 1000],
      ])}`,
      signal,
    ),
  exemplars: (query_: string, from: number, to: number, signal?: AbortSignal): Promise<Exemplars[]> =>
    ask(
      `/api/v1/query_exemplars?${query([
        ["query", query_],
        ["start", from / 1000],
        ["end", to / 1000],
      ])}`,
      signal,
    ),
  sql: (text: string, limit: number, signal?: AbortSignal): Promise<SqlAnswer> =>
    ask("/api/v1/sql", signal, { query: text, limit }, wholeSql),
  promql: (
    p: { query: string; start: number; end: number; step: number },
    signal?: AbortSignal,
  ): Promise<PromqlMatrix> => ask(`/api/v1/query_range?${query(Object.entries(p))}`, signal),
  promqlNow: (p: { query: string; time: number }, signal?: AbortSignal): Promise<PromqlVector> =>
    ask(`/api/v1/query?${query(Object.entries(p))}`, signal),
  labels: (signal?: AbortSignal): Promise<string[]> => ask("/api/v1/labels", signal),
  metricNames: (start: number, signal?: AbortSignal): Promise<string[]> =>
    ask(`/api/v1/label/__name__/values?${query([["start", start]])}`, signal),
  savedQueries: (signal?: AbortSignal): Promise<Saved> => ask("/api/v1/saved_queries", signal),
  saveQuery: (q: { name: string; language: string; query: string }): Promise<Saved> =>
    ask("/api/v1/saved_queries", undefined, q),
  deleteQuery: (name: string): Promise<Saved> =>
    ask(`/api/v1/saved_queries?${query([["name", name]])}`, undefined, undefined, undefined, "DELETE"),
  home: (signal?: AbortSignal): Promise<Home> => ask("/api/v1/home", signal),
  targets: (signal?: AbortSignal): Promise<Targets> => ask("/api/v1/targets", signal),
  discovery: (signal?: AbortSignal): Promise<Discovery> => ask("/api/v1/discovery", signal),
  archive: (signal?: AbortSignal): Promise<Archive> => ask("/api/v1/archive", signal),
  bringBack: (from: number, to: number, keep: string): Promise<BringingBack> =>
    ask(
      `/api/v1/archive/restore?${query([
        ["start", from / 1000],
        ["end", to / 1000],
        ["keep", keep],
      ])}`,
      undefined,
      {},
    ),
  limits: (signal?: AbortSignal): Promise<Limits> => ask("/api/v1/status/limits", signal),
  status: (signal?: AbortSignal): Promise<Status> => ask("/api/v1/status/midwatch", signal),
};
