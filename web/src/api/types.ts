/** The shapes of the HTTP API, as docs/reference/http-api.md gives them. Must hold no code. */
import type { Labels } from "../state/selector";

export type Condition = "fine" | "look" | "bad" | "silent";

export interface FindGroup {
  title: string;
  kind: string;
  parent?: string;
  first: number;
  count: number;
}

export interface Suggestion {
  text: string;
  kind: string;
  series: number;
}

export interface Found {
  epoch: string;
  total: number;
  elapsed_ms: number;
  truncated: boolean;
  /** The server has just started, and does not know all series yet. */
  filling?: boolean;
  groups: FindGroup[];
  ids: number[];
  suggestions: Suggestion[];
}

export interface Tile {
  id: number;
  metric: string;
  labels: Labels;
  title: string;
  kind: string;
  unit: string;
  mode: string;
  values: (number | null)[];
  last: number | null;
  min: number | null;
  max: number | null;
}

/** Examples of what one series counted; times in seconds. */
export interface Exemplars {
  seriesLabels: Labels;
  exemplars: { labels: Labels; value: string; timestamp: number }[];
}

export interface Stats {
  count: number;
  min: number | null;
  max: number | null;
  mean: number | null;
  p50: number | null;
  p95: number | null;
  first: number | null;
  last: number | null;
}

export interface ChartLine {
  labels: Labels;
  offset_s: number;
  avg: (number | null)[];
  min: (number | null)[];
  max: (number | null)[];
  stats: Stats;
}

export interface Chart {
  unit: string;
  mode: string;
  step_s: number;
  t: number[];
  lines: ChartLine[];
  truncated: boolean;
  /** Where summaries are shown because samples were removed. */
  summaries?: { resolution_s: number; start_ms: number; end_ms: number }[];
}

export interface SeriesFacts {
  labels: Labels;
  metric: string;
  kind: string;
  unit: string;
  help: string;
  source: { kind: string; text: string };
  first_seen_ms: number | null;
  last_seen_ms: number | null;
  interval_ms: number | null;
  samples_in_range: number;
  gaps: { from_ms: number; to_ms: number }[];
  drops: { reason: string; samples: number; last_ms: number; message: string }[];
  explanation: string[];
}

export interface HomeTile {
  id: string;
  title: string;
  state: Condition;
  value: string;
  detail: string;
  link: { q?: string; match?: string; monitor?: string; slo?: string };
}

export interface Subject {
  id: string;
  title: string;
  kind: string;
  state: Condition;
  tiles: HomeTile[];
}

export interface Home {
  now_ms: number;
  state: Condition;
  headline: string;
  subjects: Subject[];
}

export interface Port {
  port: number;
  address: string;
  process: string;
  state: string;
  reason: string;
  checked_ms: number | null;
  next_check_ms: number | null;
}

export interface Discovery {
  enabled: boolean;
  ports: Port[];
}

export interface ActiveTarget {
  labels: Labels;
  discoveredLabels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  health: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  scrapeInterval: string;
}

export interface Targets {
  activeTargets: ActiveTarget[];
  droppedTargets?: { discoveredLabels: Labels }[];
}

/** One kind of background work. */
export interface Work {
  kind: string;
  running: { what: string; since_ms: number; done_bytes: number; total_bytes: number }[];
  waiting: number;
  waiting_bytes: number;
  behind_s: number;
  succeeded: number;
  failed: number;
  last: { what: string; ended_ms: number; took_s: number; bytes: number; error: string | null } | null;
}

/** A block in the archive. */
export interface ArchivedBlock {
  id: number;
  first_ms: number;
  last_ms: number;
  series: number;
  samples: number;
  bytes: number;
  state: "archived" | "coming" | "here";
  here_until_ms: number | null;
}

export interface Archive {
  location: string | null;
  after_ms: number;
  retention_ms: number | null;
  problem: string | null;
  bytes: number;
  blocks: ArchivedBlock[];
}

/** What a request to bring blocks back means. */
export interface BringingBack {
  blocks: number;
  to_copy: number;
  bytes: number;
  until_ms: number;
}

/** A bound, and what is used of it. */
export interface Limit {
  name: string;
  unit: string;
  limit: number;
  used: number | null;
  hits: number;
  counted: string;
  last_ms: number | null;
  message: string;
  at_limit: string;
}

export interface CardinalityRow {
  name: string;
  series: number;
  day_ago: number | null;
  growth: number | null;
  values?: number;
  queried?: number;
  queried_ms?: number | null;
}

export interface Cardinality {
  rows: CardinalityRow[];
  found: number;
  series: number;
  day_ago: number | null;
  cut: boolean;
  queried_since_ms: number;
  warnings: string[];
}

export interface Limits {
  since_ms: number;
  limits: Limit[];
}

export interface Status {
  version: string;
  started_ms: number;
  data_dir: string;
  retention: string;
  cost: { cpu_ratio: number | null; memory_bytes: number };
  store: {
    series: number;
    samples_per_s: number;
    head_bytes: number;
    wal_bytes: number;
    blocks: number;
    blocks_bytes: number;
    oldest_ms: number | null;
    disk_free_bytes: number;
    state: string;
    message: string;
  };
  work: Work[];
  sources: {
    source: string;
    samples: number;
    rejected: { reason: string; samples: number; message: string }[];
    last_ms: number | null;
  }[];
}

/** One series that moved. */
export interface ComparedSeries {
  labels: Record<string, string>;
  title: string;
  entity: { kind: string; title: string; parent: string };
  unit: string;
  how: "rose" | "fell" | "wider" | "calmer" | "appeared" | "disappeared" | "higher" | "lower";
  /** Moves against its group. */
  against: boolean;
  score: number;
  /** Seconds since 1970. */
  onset: number;
  before: number | null;
  after: number | null;
  sentence: string;
  /** Means; the first third lies before the window. */
  picture: (number | null)[];
}

export interface ComparedGroup {
  onset: number;
  score: number;
  count: number;
  members: ComparedSeries[];
}

/** What moved in a window. */
export interface Compared {
  window: [number, number];
  baselines: [number, number][];
  compared: number;
  still: number;
  moved: number;
  left_out: { buckets: number; beyond_limit: number; without_peers: number };
  /** Each was compared with the same series of other hosts. */
  is_peers: boolean;
  /** What has to be known of the baseline that was chosen. */
  note: string;
  groups: ComparedGroup[];
  groups_total: number;
  /** Seconds of one value of a picture. */
  picture_s: number;
  warnings: string[];
  /** Not of a part. */
  elapsed_ms?: number;
}

/** Answers of Prometheus's API: [seconds, value as text]. */
export interface PromqlMatrix {
  resultType: string;
  result: { metric: Record<string, string>; values?: [number, string][] }[];
}

export interface PromqlVector {
  resultType: string;
  result: { metric: Record<string, string>; value?: [number, string] }[] | [number, string];
}

export interface Saved {
  queries: { name: string; language: string; query: string; saved_ms: number }[];
}

/** What the page Query asks for, in full: also what is no `data`. */
export interface SqlAnswer {
  data: { columns: { name: string; type: string }[]; rows: unknown[][] };
  truncated: boolean;
  stats: { rows: number; seconds: number };
  warnings?: string[];
  status: string;
  error?: string;
  hint?: string;
}

/** Where something that is said can be seen. */
export interface ShowWhere {
  kind:
    | "metrics"
    | "logs"
    | "traces"
    | "changes"
    | "map"
    | "moved"
    | "query"
    | "then"
    | "monitor"
    | "capture";
  query?: string;
  service?: string;
  operation?: string;
  status?: string;
  id?: string;
  path?: string[];
  /** Earlier times, seconds since 1970, the newest first. */
  windows?: [number, number][];
}

/** One thing that speaks for a direction or against it. */
export interface Evidence {
  sentence: string;
  knowledge: "statistics" | "requests" | "topology" | "changes" | "rule" | "history";
  /** Seconds since 1970. */
  onset: number | null;
  show: ShowWhere | null;
  before: number | null;
  after: number | null;
  /** Means; the first third lies before the window. */
  picture: (number | null)[] | null;
  rule: {
    id: string;
    why: string;
    sources: string[];
    author: string;
    held_before: boolean;
    is_own: boolean;
  } | null;
}

/** How often first directions of a kind were right; the sentence is empty while too few were judged. */
export interface Measured {
  kind: string;
  basis: string;
  given: number;
  right: number;
  wrong: number;
  not_judged: number;
  sentence: string;
}

export interface Direction {
  entity: Record<string, string>;
  title: string;
  stands_out: boolean;
  sentence: string;
  for: Evidence[];
  against: Evidence[];
  series: Record<string, string>[];
  next: { text: string; show: ShowWhere }[];
  risk: string;
  knowledge: string[];
  onset: number | null;
}

/** Where to look first. */
export interface Advice {
  window: [number, number];
  baselines: [number, number][];
  stands_out: boolean;
  sentence: string;
  directions: Direction[];
  /** From the symptom down the calls. */
  path: string[] | null;
  calls: number;
  looked_at: { series: number; log_records: number; spans: number; changes: number };
  /** What has to be known of the baseline that was chosen. */
  note: string;
  /** What could not be looked at whole. */
  partial: string[];
  /** Rules that hold, and that somebody has taken out there. */
  left_out_here: { rule: string; service: string; because: string; entity: string }[];
  /** Under which id it is kept; null while it is not whole, and where nothing stands out. */
  ledger: { id: string | null; note: string; measured: Measured | null };
  elapsed_ms: number;
}
