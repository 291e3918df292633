/**
 * Questions about the review of monitors: what became of each, proposals, decisions, trouble that none saw. Must never decide.
 */
import { ask } from "./client";

export interface Counts {
  fired: number;
  notified: number;
  seen: number;
  acted: number;
  silenced: number;
  flaps: number;
  incidents: number;
  red_s: number;
}

export interface Proposal {
  take: Record<string, unknown>;
  words: string;
}

export interface Reviewed {
  id: string;
  name: string;
  state: string;
  severity: string;
  kind: "always_red" | "ignored" | "flapping" | "blind" | "useful" | "quiet" | "new";
  says: string;
  takes: Proposal[];
  week: Counts;
  four_weeks: Counts;
  red_since_ms: number | null;
  known_since_ms: number;
  changed_ms: number | null;
  useful_ms: number | null;
}

export interface Decision {
  id: string;
  name: string;
  off: boolean;
  severity: string | null;
  for_ms: number | null;
  user: string;
  reason: string;
  at_ms: number;
}

export interface Review {
  now_ms: number;
  monitors: Reviewed[];
  decisions: Decision[];
  forgotten: number;
  unseen: { service: string; from_ms: number; to_ms: number; bad: number; total: number }[] | null;
  unseen_problem: string | null;
  /** How many were recorded in four weeks, and those that no monitor saw. */
  incidents: number | null;
  unseen_incidents: { id: string; at_ms: number; title: string; service: string }[] | null;
}

const path = (id: string, rest: string): string => `/api/v1/monitors/${encodeURIComponent(id)}/${rest}`;

export const review = {
  read: (signal?: AbortSignal): Promise<Review> => ask("/api/v1/monitors/review", signal),
  seen: (id: string): Promise<unknown> => ask(path(id, "seen"), undefined, {}),
  acted: (id: string, user: string): Promise<unknown> => ask(path(id, "acted"), undefined, { user }),
  decide: (id: string, take: Record<string, unknown>, user: string): Promise<unknown> =>
    ask(path(id, "decide"), undefined, { ...take, user, reason: "the weekly review" }),
  undecide: (id: string, user: string): Promise<unknown> => ask(path(id, "undecide"), undefined, { user }),
};
