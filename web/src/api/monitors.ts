/**
 * Questions about monitors, silences, and trials on the past. Must never judge: the server does.
 */

import type { Labels } from "../state/selector";
import { ask } from "./client";

export type MonitorState =
  | "unknown"
  | "fine"
  | "pending"
  | "firing"
  | "no_data"
  | "cannot_judge"
  | "too_little";

export interface MonitorAlert {
  labels: Labels;
  annotations: Labels;
  state: "pending" | "firing" | "inactive";
  value: string;
  active_at_ms: number;
  fired_at_ms: number | null;
  resolved_at_ms: number | null;
}

export interface Monitor {
  id: string;
  name: string;
  state: MonitorState;
  why: string;
  since_ms: number;
  expr: string;
  limit: string;
  for: string;
  keep_firing_for: string;
  enough: string | null;
  labels: Labels;
  annotations: Labels;
  group: string;
  file: string;
  line: number;
  is_own: boolean;
  interval_ms: number;
  last_ms: number | null;
  took_s: number;
  detection_ms: number | null;
  detection_worst_ms: number | null;
  fired: number;
  alerts: MonitorAlert[];
  history: { at_ms: number; state: MonitorState }[];
}

export interface SilenceMatcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual: boolean;
}

export interface Silence {
  id: string;
  status: { state: "active" | "pending" | "expired" };
  startsAt: string;
  endsAt: string;
  createdBy: string;
  comment: string;
  matchers: SilenceMatcher[];
}

export interface Monitors {
  now_ms: number;
  monitors: Monitor[];
  problems: { file: string; line: number; what: string; is_error: boolean }[];
  notifications: {
    configured: boolean;
    receivers: {
      name: string;
      targets: { kind: string; delivered: number; waiting: number; problem: string; tries: number }[];
    }[];
    silences: Silence[];
    lost: { refused: number; too_old: number; too_many: number };
    damaged_lines: number;
    heartbeat: { interval_ms: number; last_ms: number | null } | null;
  };
}

export interface Trial {
  start_ms: number;
  end_ms: number;
  step_s: number;
  steps: number;
  fired: number;
  nearly: number;
  firing_s: number;
  episodes: { labels: Labels; met_ms: number; from_ms: number; to_ms: number | null }[];
  problem: string;
  limit: string;
  threshold: number | null;
  picture: {
    lines: { labels: Labels; t_ms: number[]; v: (number | null)[] }[];
    left_out: number;
    step_s: number;
  };
}

export interface NewMonitor {
  name: string;
  expr: string;
  for: string;
  labels: Labels;
  annotations: Labels;
  user: string;
}

export const monitors = {
  list: (signal?: AbortSignal): Promise<Monitors> => ask("/api/v1/monitors", signal),
  tryOut: (
    q: { expr: string; for: string; keep_firing_for?: string; interval?: string; start: number; end: number },
    signal?: AbortSignal,
  ): Promise<Trial> => ask("/api/v1/monitors/try", signal, q),
  make: (monitor: NewMonitor): Promise<{ id: string; file: string }> =>
    ask("/api/v1/monitors", undefined, monitor),
  remove: (id: string): Promise<unknown> =>
    ask(`/api/v1/monitors/${encodeURIComponent(id)}/remove`, undefined, {}),
  silence: (silence: {
    matchers: SilenceMatcher[];
    startsAt: string;
    endsAt: string;
    createdBy: string;
    comment: string;
  }): Promise<{ id: string }> => ask("/api/v1/silences", undefined, silence),
  unsilence: (id: string): Promise<unknown> =>
    ask(`/api/v1/silences/${encodeURIComponent(id)}/end`, undefined, {}),
};
