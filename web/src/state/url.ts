/**
 * The address bar: the whole state of what is looked at, as a path and a query string, both ways. What it cannot
 * read it replaces by the default. Must never touch the DOM, and never hold what a colleague should not get
 * with the link (the theme).
 */

import { spanCode } from "../format/time";
import { bounded, DEFAULT_RANGE, parseDuration, type Range } from "./range";

export type Page =
  | "home"
  | "look"
  | "compare"
  | "advise"
  | "query"
  | "logs"
  | "traces"
  | "changes"
  | "critique"
  | "headroom"
  | "monitors"
  | "slos"
  | "captures"
  | "targets"
  | "cardinality"
  | "midwatch";
export type Under = "h" | "y" | "w";
export type Group = "entity" | "metric";

/** All that a link holds. */
export interface ViewState {
  page: Page;
  /** The words searched for. */
  q: string;
  /** A PromQL selector that narrows the search. */
  match: string;
  range: Range;
  group: Group;
  /** Counters as they are, not as rates. */
  raw: boolean;
  /** Selectors of the series in the large chart; empty = closed. */
  open: string[];
  /** Selectors of the series picked for comparison. */
  pick: string[];
  /** Earlier periods under the large chart. */
  under: Under[];
  /** The panel "why is this number missing?". */
  why: boolean;
  /** Where the wall is scrolled to: a group's key and the row in it. */
  at: string;
  /** Keys of the groups that are shut. */
  shut: string[];
  /** What Cardinality counts by: metric, label, pair, source, or `value:LABEL`. */
  by: string;
  /** What it is sorted by; "" is the number of series. */
  sort: string;
  /** What a page has of its own, by the names that `OWN` gives it; nothing empty. */
  own: Readonly<Record<string, string>>;
  /** Which view of logs: "" is the search. */
  tab: "" | "patterns" | "bullet";
  /** The identifier that is traced through everything; "" for none. */
  id: string;
}

/** The names that pages have of their own. */
const OWN: Partial<Record<Page, readonly string[]>> = {
  compare: ["against", "like"],
  advise: ["against", "service", "metric"],
  query: ["lang", "text", "show"],
  traces: ["show", "service", "op", "status", "min", "max", "attr", "order", "skip", "trace", "span", "near"],
  critique: ["plan", "target", "goal", "monitor", "show"],
  changes: ["kind", "service", "host", "change", "form"],
  monitors: ["monitor", "state", "silence", "form", "expr", "show"],
  slos: ["slo", "form"],
  captures: ["capture", "table", "moment", "with"],
};

export const PATHS: Record<Page, string> = {
  home: "/",
  look: "/look",
  compare: "/compare",
  advise: "/advise",
  traces: "/traces",
  changes: "/changes",
  critique: "/critique",
  headroom: "/headroom",
  monitors: "/monitors",
  slos: "/slos",
  captures: "/captures",
  logs: "/logs",
  query: "/query",
  targets: "/targets",
  cardinality: "/cardinality",
  midwatch: "/midwatch",
};

const LIST_MAX = 50;
const TEXT_MAX = 4000;
/** The longest query, as the server has it. */
const QUERY_MAX = 65_536;

export function defaults(page: Page): ViewState {
  return {
    page,
    q: "",
    match: "",
    range: DEFAULT_RANGE,
    group: "entity",
    raw: false,
    open: [],
    pick: [],
    under: [],
    why: false,
    at: "",
    shut: [],
    by: "metric",
    sort: "",
    own: {},
    tab: "",
    id: "",
  };
}

function readRange(p: URLSearchParams): Range {
  const last = parseDuration(p.get("last") ?? "");
  if (last !== null) return bounded({ kind: "last", seconds: last });
  const from = Date.parse(p.get("from") ?? "");
  const to = Date.parse(p.get("to") ?? "");
  return Number.isFinite(from) && Number.isFinite(to) && from < to
    ? bounded({ kind: "fixed", from, to })
    : DEFAULT_RANGE;
}

/** What of a link cannot be read, in words; "" when all can. */
export function unreadable(url: string): string {
  const p = new URL(url, "http://any").searchParams;
  if (!p.has("last") && !p.has("from") && !p.has("to")) return "";
  const last = parseDuration(p.get("last") ?? "");
  const fixed = readRange(p).kind === "fixed";
  return last === null && !fixed ? "The time in this link cannot be read: the usual one is shown." : "";
}

/** From an address; unknown paths are Home, unknown parameters are dropped. */
export function parseUrl(url: string): ViewState {
  const u = new URL(url, "http://any");
  const page =
    (Object.keys(PATHS) as Page[]).find((k) => PATHS[k] === u.pathname.replace(/(.)\/$/, "$1")) ?? "home";
  const p = u.searchParams;
  const text = (name: string): string =>
    (p.get(name) ?? "").slice(0, page === "query" && name === "text" ? QUERY_MAX : TEXT_MAX);
  const list = (name: string): string[] =>
    [...new Set(p.getAll(name))].filter((s) => s !== "").slice(0, LIST_MAX);
  const under = (p.get("under") ?? "").split(",");
  const own = (OWN[page] ?? []).map((name): [string, string] => [name, text(name)]);
  return {
    page,
    q: text("q"),
    match: text("match"),
    range: readRange(p),
    group: p.get("group") === "metric" ? "metric" : "entity",
    raw: p.get("mode") === "raw",
    open: list("open"),
    pick: list("pick"),
    under: (["h", "y", "w"] as const).filter((u) => under.includes(u)),
    why: p.get("why") === "1",
    at: text("at"),
    shut: list("shut"),
    by: /^(label|pair|source|value:.+)$/s.test(text("by")) ? text("by") : "metric",
    sort: ["growth", "values", "name", "queried"].find((name) => name === text("sort")) ?? "",
    own: Object.fromEntries(own.filter(([, value]) => value !== "")),
    tab: (["patterns", "bullet"] as const).find((name) => name === text("tab")) ?? "",
    id: text("id"),
  };
}

/** To an address; what is as by default is left out, so that links stay short. */
export function toUrl(s: ViewState): string {
  const p: [string, string][] = [];
  const add = (name: string, value: string): void => {
    if (value !== "") p.push([name, value]);
  };
  add("q", s.q);
  add("match", s.match);
  if (s.range.kind === "fixed") {
    add("from", new Date(s.range.from).toISOString());
    add("to", new Date(s.range.to).toISOString());
  } else if (DEFAULT_RANGE.kind !== "last" || s.range.seconds !== DEFAULT_RANGE.seconds) {
    add("last", spanCode(s.range.seconds));
  }
  if (s.group === "metric") add("group", "metric");
  if (s.raw) add("mode", "raw");
  for (const o of s.open) add("open", o);
  for (const o of s.pick) add("pick", o);
  add("under", s.under.join(","));
  if (s.why) add("why", "1");
  add("at", s.at);
  for (const o of s.shut.slice(0, LIST_MAX)) add("shut", o);
  if (s.by !== "metric") add("by", s.by);
  add("sort", s.sort);
  for (const name of OWN[s.page] ?? []) add(name, s.own[name] ?? "");
  add("tab", s.tab);
  add("id", s.id);
  // encodeURIComponent escapes more than a query string must: these stay readable.
  const encode = (v: string): string =>
    encodeURIComponent(v).replace(/%20/g, "+").replace(/%3A/g, ":").replace(/%2F/g, "/").replace(/%2C/g, ",");
  const query = p.map(([k, v]) => `${k}=${encode(v)}`).join("&");
  return `${PATHS[s.page]}${query === "" ? "" : `?${query}`}`;
}

/** Whether a change deserves its own step in the browser's history, or only rewrites the address. */
export function isNavigation(a: ViewState, b: ViewState): boolean {
  const range = (r: Range): string => JSON.stringify(r);
  return (
    a.page !== b.page ||
    range(a.range) !== range(b.range) ||
    a.open.join("\n") !== b.open.join("\n") ||
    a.match !== b.match ||
    a.by !== b.by ||
    ["show", "trace", "change", "form", "against", "service", "monitor", "silence", "slo"].some(
      (name) => (a.own[name] ?? "") !== (b.own[name] ?? ""),
    ) ||
    a.tab !== b.tab ||
    a.id !== b.id
  );
}
