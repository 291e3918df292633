/**
 * Traces, the map of services and changes, as the server gives them. Must never ask by itself.
 */
import { ask, query } from "./client";

export interface TraceSummary {
  trace_id: string;
  start_ms: number;
  duration_ns: number;
  root_service: string;
  root_name: string;
  is_whole: boolean;
  spans: number;
  errors: number;
  matched: number;
  services: { service: string; spans: number; errors: number; self_ns: number }[];
  /** Service (index), begin and length as shares of the whole, and whether it failed. */
  bars: [number, number, number, number][];
}

/** Milliseconds since 1970, milliseconds, whether it failed, the id. */
export type Point = [number, number, number, string];

export interface FoundTraces {
  traces: TraceSummary[];
  next: number | null;
  found: number;
  is_cut: boolean;
  points: Point[];
  facets: Record<"service" | "operation" | "status", [string, number][]>;
  sampled: { service: string; kept: number; dropped: number }[];
  stats: { rows_read: number; bytes_read: number; damaged: string[] };
}

export interface SpanOfTrace {
  span_id: string;
  parent_id: string | null;
  parent: number | null;
  depth: number;
  below: number;
  service: string;
  host: string;
  name: string;
  kind: string;
  status: string;
  message: string;
  offset_ns: number;
  duration_ns: number;
  self_ns: number;
  critical_ns: number;
  shift_ns: number;
  is_orphan: boolean;
  was_in_circle: boolean;
  attributes: Record<string, string>;
  resource: Record<string, string>;
  events: { offset_ns: number; name: string; attributes: Record<string, string> }[];
  links: { trace_id: string; span_id: string; attributes: Record<string, string> }[];
}

export interface WholeTrace {
  trace_id: string;
  start_ms: number;
  duration_ns: number;
  root: number | null;
  spans: SpanOfTrace[];
  services: { service: string; spans: number; errors: number; self_ns: number; critical_ns: number }[];
  /** Span (index), from and to in nanoseconds since the beginning. */
  critical: [number, number, number][];
  duplicates: number;
  orphans: number;
  circles: number;
  shifted: number;
  is_cut: boolean;
}

export interface CallFacts {
  rate: number;
  error_ratio: number | null;
  p50_s: number | null;
  p99_s: number | null;
}

export interface MapNode {
  /** Single points of failure and lost redundancy, each with its reason. */
  marks?: { mark: "single" | "lost"; why: string }[];
  name: string;
  kind: "service" | "database" | "queue" | "outside" | "user";
  facts: CallFacts;
}

export interface MapEdge {
  client: string;
  server: string;
  connection: string;
  facts: CallFacts;
}

export interface ServicesMap {
  nodes: MapNode[];
  edges: MapEdge[];
  source: "metrics" | "spans";
  is_cut: boolean;
}

export interface Change {
  id: string;
  time_ms: number;
  kind: string;
  title: string;
  service: string;
  host: string;
  author: string;
  link: string;
  attributes: Record<string, string>;
}

export interface Changes {
  changes: Change[];
  is_cut: boolean;
  damaged: string[];
  kinds: string[];
  questions: { name: string; asks: string }[];
  is_detecting: boolean;
}

export interface Comparison {
  window_ms: number;
  after_ms: number;
  measures: {
    name: string;
    unit: string;
    before: number | null;
    after: number | null;
    verdict: "better" | "worse" | "same" | "more" | "less" | "unknown";
    query: string;
  }[];
}

export interface TraceQuery {
  from: number;
  to: number;
  service?: string;
  operation?: string;
  status?: string;
  min?: string;
  max?: string;
  attributes?: readonly string[];
  order?: string;
  skip?: string;
}

export const traces = {
  search: (q: TraceQuery, signal?: AbortSignal): Promise<FoundTraces> =>
    ask(
      `/api/v1/traces/search?${query([
        ["start", q.from / 1000],
        ["end", q.to / 1000],
        ["service", q.service],
        ["operation", q.operation],
        ["status", q.status],
        ["min_duration", q.min],
        ["max_duration", q.max],
        ["order", q.order],
        ["cursor", q.skip],
        ["limit", 30],
        ...(q.attributes ?? []).map((a): [string, string] => ["attribute", a]),
      ])}`,
      signal,
    ),
  one: (id: string, signal?: AbortSignal): Promise<WholeTrace> =>
    ask(`/api/v1/traces/${encodeURIComponent(id)}`, signal),
  map: (from: number, to: number, signal?: AbortSignal): Promise<ServicesMap> =>
    ask(
      `/api/v1/services/map?${query([
        ["start", from / 1000],
        ["end", to / 1000],
      ])}`,
      signal,
    ),
};

export const changes = {
  list: (
    q: { from: number; to: number; kind?: string; service?: string; host?: string; limit?: number },
    signal?: AbortSignal,
  ): Promise<Changes> =>
    ask(
      `/api/v1/changes?${query([
        ["start", q.from / 1000],
        ["end", q.to / 1000],
        ["kind", q.kind],
        ["service", q.service],
        ["host", q.host],
        ["limit", q.limit],
      ])}`,
      signal,
    ),
  one: (id: string, signal?: AbortSignal): Promise<Change> =>
    ask(`/api/v1/changes/${encodeURIComponent(id)}`, signal),
  compare: (id: string, window: string, signal?: AbortSignal): Promise<Comparison> =>
    ask(`/api/v1/changes/${encodeURIComponent(id)}/compare?${query([["window", window]])}`, signal),
  record: (change: Record<string, unknown>): Promise<{ id: string; is_new: boolean; change: Change }> =>
    ask("/api/v1/changes", undefined, change),
};
