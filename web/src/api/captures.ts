/**
 * What the server says of captures, and what is asked of it. Must never shape an answer: it is shown as it came.
 */
import { ask, query } from "./client";

export interface Cause {
  kind: string;
  name: string;
  text: string;
  labels?: Record<string, string>;
  at_ms: number;
}

export interface Manifest {
  host: string;
  trigger_ms: number;
  from_ms: number;
  to_ms: number;
  took_ms: number;
  causes: Cause[];
  classes: { name: string; period_seconds: number; problem?: string; readings_left_out?: number }[];
  notes?: string[];
  files: { name: string; table: string; rows: number; bytes: number; sha256: string }[];
}

export interface Capture {
  id: string;
  bytes: number;
  pinned: string | null;
  before?: Manifest;
  after: Manifest | null;
  problem?: string;
}

export interface RingClass {
  class: string;
  memory_bytes: number;
  budget_bytes: number;
  since_ms: number | null;
  rows: number;
  refused: number;
  dropped_early: number;
  problem: string;
  period_seconds: number;
}

export interface Captures {
  now_ms: number;
  captures: Capture[];
  ring: RingClass[];
  is_recording: boolean;
  opened: string | null;
  before_ms: number;
  after_ms: number;
  period_ms: number;
  bytes_max: number;
  age_max_ms: number;
}

export type Cell = string | number | null;

export interface Moment {
  table: string;
  time_ms: number | null;
  columns: string[];
  rows: Cell[][];
  rows_total: number;
}

export interface Timeline {
  start_ms: number;
  step_ms: number;
  count: number;
  trigger_ms: number;
  lines: { name: string; unit: string; values: (number | null)[] }[];
}

export interface Difference {
  kind: string;
  what: string;
  here: number;
  there: number;
  weight: number;
}

export interface Verified {
  is_whole: boolean;
  files: number;
  bytes: number;
  problems: string[];
}

const path = (id: string, what = ""): string => `/api/v1/captures/${encodeURIComponent(id)}${what}`;

export const captures = {
  list: (signal?: AbortSignal): Promise<Captures> => ask("/api/v1/captures", signal),
  /** Takes one now: for whom, and because of which monitor. */
  take: (who: string, monitor = ""): Promise<{ id: string; is_joined: boolean; took_ms: number }> =>
    ask("/api/v1/captures", undefined, { user: who === "" ? "page" : who, monitor }),
  at: (id: string, table: string, timeMs: number, limit: number, signal?: AbortSignal): Promise<Moment> =>
    ask(
      path(
        id,
        `/at?${query([
          ["table", table],
          ["time", String(timeMs / 1000)],
          ["limit", String(limit)],
        ])}`,
      ),
      signal,
    ),
  timeline: (id: string, signal?: AbortSignal): Promise<Timeline> => ask(path(id, "/timeline"), signal),
  compare: (id: string, other: string, signal?: AbortSignal): Promise<{ differences: Difference[] }> =>
    ask(path(id, `/compare?${query([["with", other]])}`), signal),
  verify: (id: string): Promise<Verified> => ask(path(id, "/verify"), undefined, {}),
  pin: (id: string, pinned: boolean, why: string): Promise<Capture> =>
    ask(path(id, "/pin"), undefined, { pinned, why }),
  remove: (id: string): Promise<Captures> => ask(path(id, "/remove"), undefined, {}),
  exportPath: (id: string): string => path(id, "/export"),
};
