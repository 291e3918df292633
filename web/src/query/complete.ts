/**
 * What a person may mean to type next: tables, columns, functions, names of metrics and labels. Pure: what there is comes from
 * outside. Must never change a text by itself.
 */
import type { Lang } from "./state";

export interface Known {
  /** Columns by table. */
  tables: ReadonlyMap<string, readonly string[]>;
  metrics: readonly string[];
  labels: readonly string[];
}

export interface Suggestion {
  text: string;
  kind: "keyword" | "table" | "column" | "function" | "metric" | "label";
}

export interface Completion {
  /** The part of the text that is replaced. */
  from: number;
  to: number;
  list: Suggestion[];
}

const SQL_WORDS = (
  "SELECT FROM WHERE AND OR NOT GROUP BY ORDER LIMIT HAVING JOIN LEFT ON AS WITH DISTINCT BETWEEN LIKE IN IS NULL CASE WHEN " +
  "THEN ELSE END UNION ALL DESC ASC INTERVAL OVER PARTITION EXPLAIN DESCRIBE SHOW TABLES COUNT"
).split(" ");

const SQL_FUNCTIONS = (
  "count sum avg min max median stddev approx_percentile_cont approx_distinct first_value last_value array_agg string_agg " +
  "now date_bin date_trunc date_part to_timestamp extract abs round floor ceil coalesce nullif greatest least lower upper " +
  "length substr split_part replace regexp_match regexp_like regexp_replace concat strpos to_json map_keys map_values " +
  "row_number rank lag lead promql generate_series"
).split(" ");

const PROMQL_FUNCTIONS = (
  "rate increase irate delta deriv sum avg min max count topk bottomk quantile stddev by without on ignoring group_left " +
  "group_right histogram_quantile sum_over_time avg_over_time min_over_time max_over_time count_over_time quantile_over_time " +
  "last_over_time changes resets abs ceil floor round clamp_min clamp_max label_replace label_join time vector scalar sort " +
  "sort_desc predict_linear offset bool absent"
).split(" ");

const LIST_MAX = 12;
const WORD = /[\p{L}\p{N}_:.]/u;

/** The word that ends at the cursor, and whether it stands in a text in single (SQL) or any (PromQL) quotes. */
export function wordBefore(text: string, at: number): { word: string; from: number; quote: string } {
  let from = at;
  while (from > 0 && WORD.test(text[from - 1]!)) from--;
  const before = text.slice(0, from);
  let quote = "";
  for (const c of before) {
    if (quote === "") quote = c === "'" || c === '"' ? c : "";
    else if (c === quote) quote = "";
  }
  return { word: text.slice(from, at), from, quote };
}

/** The tables that a query names. */
function tablesIn(text: string, known: Known): string[] {
  const words = new Set(text.toLowerCase().match(/[a-z_][a-z0-9_]*/g) ?? []);
  return [...known.tables.keys()].filter((name) => words.has(name));
}

function sql(text: string, from: number, quote: string, known: Known): Suggestion[] {
  const before = text.slice(0, from);
  if (quote === "'") {
    // labels['...'] wants a label, promql('...') an expression, name = '...' a metric.
    if (/\[\s*'$/.test(before)) return known.labels.map((text) => ({ text, kind: "label" }));
    if (/promql\s*\(\s*'[^']*$/i.test(before)) return promql(before, "", known);
    if (/\bname\s*(=|<>|!=|like|in\s*\(|,)\s*('[^']*'\s*,\s*)*'$/i.test(before))
      return known.metrics.map((text) => ({ text, kind: "metric" }));
    return [];
  }
  if (quote !== "") return [];
  const tables = [...known.tables.keys()].map((text): Suggestion => ({ text, kind: "table" }));
  if (/\b(from|join|describe)\s+$/i.test(before)) return [...tables, { text: "promql(", kind: "function" }];
  const named = tablesIn(text, known);
  const of = named.length > 0 ? named : [...known.tables.keys()];
  const columns = [...new Set(of.flatMap((t) => known.tables.get(t) ?? []))];
  return [
    ...columns.map((text): Suggestion => ({ text, kind: "column" })),
    ...SQL_FUNCTIONS.map((text): Suggestion => ({ text, kind: "function" })),
    ...SQL_WORDS.map((text): Suggestion => ({ text, kind: "keyword" })),
    ...tables,
  ];
}

function promql(before: string, quote: string, known: Known): Suggestion[] {
  if (quote !== "") return [];
  const labels = known.labels.map((text): Suggestion => ({ text, kind: "label" }));
  if (/\{[^}]*$/.test(before) || /\b(by|without|on|ignoring)\s*\([^)]*$/.test(before)) return labels;
  return [
    ...known.metrics.map((text): Suggestion => ({ text, kind: "metric" })),
    ...PROMQL_FUNCTIONS.map((text): Suggestion => ({ text, kind: "function" })),
  ];
}

/** How well a suggestion fits what was typed; lower is better, null not at all. */
function fit(suggestion: string, word: string): number | null {
  const s = suggestion.toLowerCase();
  if (s === word) return null;
  if (s.startsWith(word)) return 0;
  if (s.includes(`_${word}`) || s.includes(`:${word}`)) return 1;
  return s.includes(word) && word.length > 2 ? 2 : null;
}

/** What may be meant at the cursor; nothing for an empty word unless it was asked for. */
export function complete(lang: Lang, text: string, at: number, known: Known, asked: boolean): Completion {
  const { word, from, quote } = wordBefore(text, at);
  const none: Completion = { from, to: at, list: [] };
  if (word === "" && !asked && !/['[{]$/.test(text.slice(0, at))) return none;
  // A column after the name of its table: only the part after the point is meant.
  const point = quote === "" && lang === "sql" ? word.lastIndexOf(".") + 1 : 0;
  const typed = word.slice(point).toLowerCase();
  const all = lang === "sql" ? sql(text, from, quote, known) : promql(text.slice(0, from), quote, known);
  const list = all
    .map((s, i) => ({ s, i, fit: fit(s.text, typed) }))
    .filter((f): f is { s: Suggestion; i: number; fit: number } => f.fit !== null)
    .sort((a, b) => a.fit - b.fit || a.i - b.i)
    .map((f) => f.s);
  const seen = new Set<string>();
  const once = list.filter((s) => !seen.has(s.text.toLowerCase()) && seen.add(s.text.toLowerCase()));
  return { from: from + point, to: at, list: once.slice(0, LIST_MAX) };
}
