/**
 * What is asked about a time: what moved in it, which lines are alike, and good periods to compare with. Must never keep an answer.
 */
import { ask, query } from "./client";
import { askInLines, type Watching } from "./lines";
import type { Advice, Compared, Measured } from "./types";

export interface CompareQuestion {
  /** Seconds since 1970. */
  start: number;
  end: number;
  baseline: string;
  match: string;
}

export interface AdviseQuestion extends CompareQuestion {
  /** Where it was noticed. */
  symptom?: { service: string; metric: string };
}

/** What people say of a direction. */
export type Verdict = "accepted" | "rejected" | "right" | "wrong";

/** What the ledger says after a word. */
export interface Judged {
  measured: Measured;
}

/** A series, and what it is to people. */
export interface NamedSeries {
  labels: Record<string, string>;
  title: string;
  entity: { kind: string; title: string; parent: string };
  unit: string;
  picture: (number | null)[];
}

export interface AlikeSeries extends NamedSeries {
  correlation: number;
  /** Seconds by which it is later; negative: it is earlier. */
  lag_s: number;
  sentence: string;
}

/** Lines like one. */
export interface Alike {
  like: NamedSeries;
  window: [number, number];
  compared: number;
  still: number;
  alike: AlikeSeries[];
  alike_total: number;
  correlation_min: number;
  point_s: number;
  warnings: string[];
  elapsed_ms?: number;
}

export interface Period {
  name: string;
  /** Seconds since 1970. */
  start: number;
  end: number;
}

/** Which records are compared, and with which. */
export interface FieldsQuestion {
  signal: "logs" | "spans";
  /** Seconds since 1970. */
  start: number;
  end: number;
  /** As for series; or `others`: those of the same time that are not meant. */
  baseline?: string;
  /** Of log records: a search. */
  query?: string;
  /** Of spans. */
  service?: string;
  operation?: string;
  status?: string;
  min_duration?: string;
  max_duration?: string;
  attributes?: string[];
}

interface FieldValue {
  field: string;
  value: string;
  /** The value in words: of a template its text. */
  text: string;
}

/** A value whose share differs. */
export interface FieldDiffers extends FieldValue {
  inside: number;
  outside: number;
  /** 0 to 1. */
  share_inside: number;
  share_outside: number;
  /** Records a second. */
  rate_inside: number;
  rate_outside: number;
  strength: number;
  /** In as many records on both sides. */
  also: FieldValue[];
}

export interface FieldsThatDiffer {
  window: [number, number];
  baselines: [number, number][];
  note: string;
  inside: number;
  outside: number;
  values: number;
  more: FieldDiffers[];
  fewer: FieldDiffers[];
  left_out: { identifiers: string[]; cut: string[]; fields: number };
  warnings: string[];
  elapsed_ms?: number;
}

type Periods = { periods: Period[] };

export const lookApi = {
  advise: (question: AdviseQuestion, signal: AbortSignal, watching?: Watching<Advice>) =>
    askInLines<Advice>("/api/v1/advise", question, signal, watching),
  judge: (word: {
    id: string;
    entity: string;
    verdict: Verdict;
    because: string;
    author: string;
  }): Promise<Judged> => ask("/api/v1/advise/judge", undefined, word),
  compare: (question: CompareQuestion, signal: AbortSignal, watching?: Watching<Compared>) =>
    askInLines<Compared>("/api/v1/look", question, signal, watching),
  like: (
    question: { series: string; start: number; end: number; match: string },
    signal: AbortSignal,
    watching?: Watching<Alike>,
  ) => askInLines<Alike>("/api/v1/look/like", question, signal, watching),
  fields: (question: FieldsQuestion, signal: AbortSignal, watching?: Watching<FieldsThatDiffer>) =>
    askInLines<FieldsThatDiffer>("/api/v1/look/fields", question, signal, watching),
  periods: (signal?: AbortSignal): Promise<Periods> => ask("/api/v1/look/periods", signal),
  keepPeriod: (period: Period): Promise<Periods> => ask("/api/v1/look/periods", undefined, period),
  forgetPeriod: (name: string): Promise<Periods> =>
    ask(`/api/v1/look/periods?${query([["name", name]])}`, undefined, undefined, undefined, "DELETE"),
};
