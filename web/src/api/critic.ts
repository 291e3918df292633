/**
 * What the server says of plans, of its rules, and of what is bounded. Must never shape an answer: it is shown as it came.
 */
import { ask, query } from "./client";

export interface Evidence {
  says: string;
  query: string;
  value: string;
  before: string;
  labels: Record<string, string>;
  changes: string[];
}

export interface CritiqueLine {
  rule: string;
  kind: string;
  kind_words: string;
  title: string;
  text: string;
  next: string;
  why: string;
  sources: string[];
  author: string;
  evidence: Evidence[];
  shown: number;
  helpful: number;
  wrong: number;
}

export interface Checked {
  rule: string;
  checks: string;
  why: string;
  evidence: Evidence[];
}

export interface Critique {
  at: number;
  since: number;
  understood: {
    words: string;
    targets: { said: string; entity: { name: string; kind: string; service: string } }[];
    suspects: { said: string; entity: { name: string; kind: string; service: string } }[];
    said: string[];
    unknown_names: string[];
    read_as: { said: string; as: string }[];
    not_understood: string[];
  };
  is_understood: boolean;
  headline: string;
  critiques: CritiqueLine[];
  more: number;
  checked: Checked[];
  unchecked: Checked[];
  absent: number;
  adapted: { rule: string; service: string; because: string }[];
}

export interface Word {
  at_ms: number;
  what: "helpful" | "wrong" | "not_here" | "here_again";
  service: string;
  because: string;
  author: string;
}

export interface Rule {
  id: string;
  title: string;
  checks: string;
  kind: string;
  kind_words: string;
  weight: number;
  text: string;
  next: string;
  why: string;
  sources: string[];
  author: string;
  origin: "builtin" | "folder" | "thumb";
  queries: { name: string; promql: string; says: string; unit: string }[];
  tests: number;
  shown: number;
  helpful: number;
  wrong: number;
  words: Word[];
  not_here: Word[];
}

export interface Rules {
  rules: Rule[];
  problems: { file: string; what: string }[];
  folder: string | null;
  damaged: number;
}

export interface Room {
  id: string;
  title: string;
  labels: Record<string, string>;
  unit: string;
  sort: "filling" | "deadline" | "spare";
  used: number | null;
  limit: number | null;
  share: number | null;
  state: "bad" | "look" | "unknown" | "fine";
  says: string;
  soonest_s: number | null;
  trend: { per_day: number; low_per_day: number; high_per_day: number } | null;
  seen_s: number;
  query: string;
  at_limit: string;
  what_to_do: string;
  points: (number | null)[];
}

export interface Headroom {
  now_ms: number;
  items: Room[];
  problems: { id: string; title: string; why: string }[];
  looked_for: string[];
}

export const critic = {
  critique: (asked: Record<string, unknown>, signal?: AbortSignal): Promise<Critique> =>
    ask("/api/v1/critique", signal, asked),
  rules: (signal?: AbortSignal): Promise<Rules> => ask("/api/v1/critic/rules", signal),
  say: (said: Record<string, string>): Promise<Word> => ask("/api/v1/critic/feedback", undefined, said),
  write: (thumb: Record<string, string>): Promise<{ id: string; file: string }> =>
    ask("/api/v1/critic/rules", undefined, thumb),
  remove: (id: string): Promise<unknown> =>
    ask(`/api/v1/critic/rules/${encodeURIComponent(id)}/remove`, undefined, {}),
  headroom: (signal?: AbortSignal): Promise<Headroom> => ask(`/api/v1/headroom?${query([])}`, signal),
};
