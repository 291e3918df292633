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
  fingerprint: string;
  ack: Ack | null;
}

/** Somebody takes care of an alert. */
export interface Ack {
  author: string;
  note: string;
  at_ms: number;
}

export interface Shift {
  person: string | null;
  from_ms: number;
  to_ms: number;
  from: string;
  to: string;
}

export interface Rota {
  name: string;
  time_zone: string;
  now: string | null;
  told_now: string[];
  until: string | null;
  next: string | null;
  people: string[];
  shifts: Shift[];
  overrides: { id: string; person: string; from_ms: number; to_ms: number }[];
}

export interface Cluster {
  system: string;
  cluster: string;
  at_ms: number;
  problem: string;
  says: string;
  listed: number;
  alive: number;
  spare: number;
  members: {
    id: string;
    name: string;
    learner: boolean;
    alive: boolean;
    leader: boolean;
    db_bytes: number | null;
    fsync_p99_s: number | null;
  }[];
}

export interface Actions {
  configured: boolean;
  actions: { name: string; approved_by: string }[];
  runs: { action: string; alert: Labels; at_ms: number; how: string; did_it_hold: string }[];
  held_back: { action: string; why: string }[];
  problems: { file: string; line: number; what: string }[];
}

export interface OnCall {
  now_ms: number;
  rotas: Rota[];
  people: string[];
}

export interface Monitor {
  id: string;
  name: string;
  state: MonitorState;
  why: string;
  since_ms: number;
  /** That it sees nothing any more, as an alert. */
  blind: { state: string; since_ms: number; fingerprint: string; ack: Ack | null } | null;
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
  acknowledge: (of: { fingerprints: string[]; user: string; reason: string }): Promise<unknown> =>
    ask("/api/v1/alerts/ack", undefined, of),
  membership: (signal?: AbortSignal): Promise<{ clusters: Cluster[] }> => ask("/api/v1/membership", signal),
  actions: (signal?: AbortSignal): Promise<Actions> => ask("/api/v1/actions", signal),
  onCall: (signal?: AbortSignal): Promise<OnCall> => ask("/api/v1/oncall", signal),
  standIn: (of: {
    rota: string;
    person: string;
    from?: string | undefined;
    to?: string | undefined;
    user: string;
  }): Promise<unknown> => ask("/api/v1/oncall/overrides", undefined, of),
  endStandIn: (id: string, user: string): Promise<unknown> =>
    ask(`/api/v1/oncall/overrides/${encodeURIComponent(id)}/end`, undefined, { user }),
  unsilence: (id: string): Promise<unknown> =>
    ask(`/api/v1/silences/${encodeURIComponent(id)}/end`, undefined, {}),
};
