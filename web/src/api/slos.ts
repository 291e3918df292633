/**
 * Questions about objectives: how they are, on what a budget is spent, who is affected, who takes the time. Must never judge:
 * the server does.
 */

import type { Labels } from "../state/selector";
import { ask } from "./client";

export type SloState =
  | "unknown"
  | "fine"
  | "spent"
  | "burns_slowly"
  | "burns_fast"
  | "too_little"
  | "no_data"
  | "cannot_judge";

export interface Burn {
  window: string;
  window_ms: number;
  rate: number | null;
  bad: number;
  total: number;
  known: number;
}

export interface Budget {
  from_ms: number;
  good: number;
  total: number;
  bad: number;
  allowed: number;
  left: number | null;
  left_words: string | null;
  measured: number;
  unread: number;
  share: number | null;
  share_words: string | null;
}

export interface Slo {
  id: string;
  name: string;
  service: string;
  about: string;
  owner: string;
  action: string;
  state: SloState;
  state_words: string;
  why: string;
  since_ms: number;
  promise: string;
  says: string;
  objective: number;
  window: string;
  window_words: string;
  events: string;
  enough: number;
  budget: Budget | null;
  burns: Burn[] | null;
  lasts_ms: number | null;
  monitors: { id: string; name: string; state: string; severity: string }[];
  labels: Labels;
  file: string;
  line: number;
  is_own: boolean;
  last_ms: number | null;
  took_s: number;
}

export interface SloAlert {
  words: string;
  severity: string;
  factor: number;
  long: Burn;
  short: Burn;
  fires: boolean;
  held_back: boolean;
}

/** When it ends, bad events, all, what was left of the budget, whether there was data. */
export type BudgetPoint = [number, number, number, number | null, boolean];

export interface WholeSlo extends Slo {
  now_ms: number;
  alerts: SloAlert[] | null;
  asks: Record<string, string>;
  tiers: { name: string; budget_s: number; services: string[]; expr: string }[];
  yaml: string;
  changes: { at_ms: number; state: SloState }[];
  past_problem: string;
  picture: { from_ms: number; to_ms: number; step_ms: number; points: BudgetPoint[] } | null;
}

export interface Slos {
  now_ms: number;
  slos: Slo[];
  problems: { file: string; line: number; what: string; is_error: boolean }[];
}

export interface Spent {
  range_ms: number;
  bad: number | null;
  labels: {
    label: string;
    bits: number;
    values: number;
    shares: { value: string; bad: number; total: number }[];
  }[];
  why: string;
}

export interface Impact {
  range_ms: number;
  requests: { bad: number; total: number; first_bad_ms: number | null; until_ms: number } | null;
  service?: string;
  source: string | null;
  looked_at?: number;
  named?: number;
  is_cut?: boolean;
  kept?: number | null;
  who: { whom: string; field: string; count: number; most: { value: string; count: number }[] }[];
  why: string;
}

export interface Tiers {
  range_ms: number;
  requests: number;
  is_cut: boolean;
  budget_s: number | null;
  typical_s: number | null;
  slow_s: number | null;
  tiers: {
    name: string;
    budget_s: number | null;
    typical_s: number | null;
    slow_s: number | null;
    share: number | null;
    is_over: boolean | null;
  }[];
  why: string;
}

const path = (id: string, rest = ""): string => `/api/v1/slos/${encodeURIComponent(id)}${rest}`;

export const slos = {
  list: (signal?: AbortSignal): Promise<Slos> => ask("/api/v1/slos", signal),
  one: (id: string, signal?: AbortSignal): Promise<WholeSlo> => ask(path(id), signal),
  put: (body: {
    slo?: Record<string, unknown>;
    yaml?: string;
    change?: boolean;
    user: string;
    reason?: string;
  }): Promise<{ slos: { id: string; name: string }[] }> => ask("/api/v1/slos", undefined, body),
  remove: (id: string): Promise<unknown> => ask(path(id, "/remove"), undefined, {}),
  spent: (id: string, last: string, signal?: AbortSignal): Promise<Spent> =>
    ask(path(id, `/spent?last=${last}`), signal),
  impact: (id: string, last: string, signal?: AbortSignal): Promise<Impact> =>
    ask(path(id, `/impact?last=${last}`), signal),
  tiers: (id: string, last: string, signal?: AbortSignal): Promise<Tiers> =>
    ask(path(id, `/tiers?last=${last}`), signal),
  badge: (id: string): string => path(id, "/badge.svg"),
};
