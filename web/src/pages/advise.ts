/**
 * Where a piece of evidence is seen, as an address; and its two numbers as two bars. Must never touch the DOM.
 */
import type { ShowWhere } from "../api/types";
import { momentText } from "../format/time";
import { between, type Span } from "../state/range";
import { defaults, toUrl } from "../state/url";

/** The address; "" when there is none. Charts begin a little before the time, so that what was before is seen. */
export function whereTo(show: ShowWhere | null, range: Span): string {
  if (!show) return "";
  const lead = (range.to - range.from) / 2;
  const wide = between(range.from - lead, range.to);
  const exact = between(range.from, range.to);
  const then = show.windows?.[0];
  const own = (all: Record<string, string | undefined>): Record<string, string> =>
    Object.fromEntries(Object.entries(all).filter((e): e is [string, string] => !!e[1]));
  switch (show.kind) {
    case "metrics":
      return toUrl({ ...defaults("look"), range: wide, open: [show.query ?? ""] });
    case "moved":
      return toUrl({ ...defaults("compare"), range: exact, match: show.query ?? "" });
    case "logs":
      return toUrl({ ...defaults("logs"), range: wide, q: show.query ?? "" });
    case "traces":
      return toUrl({
        ...defaults("traces"),
        range: exact,
        own: own({ service: show.service, op: show.operation, status: show.status, order: "slowest" }),
      });
    case "changes":
      return toUrl({
        ...defaults("changes"),
        range: then ? between(then[0] * 1000, then[1] * 1000) : wide,
        own: own({ change: show.id, service: show.service }),
      });
    case "query":
      return toUrl({ ...defaults("query"), range: wide, own: own({ text: show.query }) });
    case "monitor":
      return toUrl({ ...defaults("monitors"), own: own({ monitor: show.id }) });
    case "capture":
      return toUrl({ ...defaults("captures"), own: own({ capture: show.id }) });
    case "then":
      return timesOf(show)[0]?.href ?? "";
    case "map":
      return toUrl({ ...defaults("traces"), range: exact, own: { show: "map" } });
  }
}

/** Earlier times that are linked. */
const TIMES_MAX = 4;

/** Earlier times as links to the same page, the newest first. */
export function timesOf(show: ShowWhere | null, nowMs = Date.now()): { title: string; href: string }[] {
  const windows = show?.kind === "then" ? (show.windows ?? []) : [];
  return windows.slice(0, TIMES_MAX).map(([from, to]) => ({
    title: momentText(from * 1000, nowMs),
    href: toUrl({ ...defaults("advise"), range: between(from * 1000, to * 1000) }),
  }));
}

/** Widths of two bars, before and after, of 144. */
export function bars(before: number, after: number): [number, number] {
  const largest = Math.max(Math.abs(before), Math.abs(after));
  const width = (v: number): number => (largest === 0 ? 0 : Math.round((Math.abs(v) / largest) * 144));
  return [width(before), width(after)];
}
