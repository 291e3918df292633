/**
 * Time ranges: "the last so much", which lives, or from one moment to another, which stands still. Reads what
 * people type, and moves, widens and narrows. Must never read the clock: "now" is an argument.
 */
import { clockTime, dayText, spanCode, spanText, zoneOf } from "../format/time";

/** A range that ends now, or one that is fixed. */
export type Range = { kind: "last"; seconds: number } | { kind: "fixed"; from: number; to: number };

/** A range as moments, milliseconds since 1970. */
export interface Span {
  from: number;
  to: number;
}

export const PRESETS: readonly { text: string; seconds: number }[] = [
  { text: "5m", seconds: 300 },
  { text: "15m", seconds: 900 },
  { text: "1h", seconds: 3600 },
  { text: "6h", seconds: 21600 },
  { text: "24h", seconds: 86400 },
  { text: "7d", seconds: 604800 },
];

export const DEFAULT_RANGE: Range = { kind: "last", seconds: 900 };

const SHORTEST_MS = 1000;
const LONGEST_MS = 10 * 366 * 86400_000;

const UNITS: Record<string, number> = { s: 1, m: 60, min: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };

/** "90m", "2h30m", "1 hour" as seconds; null when it is no duration. */
export function parseDuration(text: string): number | null {
  const compact = text
    .toLowerCase()
    .replace(/\b(seconds?|secs?)\b/g, "s")
    .replace(/\b(minutes?|mins?)\b/g, "m")
    .replace(/\b(hours?|hrs?)\b/g, "h")
    .replace(/\bdays?\b/g, "d")
    .replace(/\bweeks?\b/g, "w")
    .replace(/(\d)(seconds?|secs?)/g, "$1s")
    .replace(/\s+/g, "");
  if (/^(s|m|h|d|w|y)$/.test(compact)) return UNITS[compact] ?? null;
  if (!/^(\d+(\.\d+)?(min|[smhdwy]))+$/.test(compact)) return null;
  let total = 0;
  for (const m of compact.matchAll(/(\d+(?:\.\d+)?)(min|[smhdwy])/g)) total += Number(m[1]) * UNITS[m[2]!]!;
  return Number.isFinite(total) && total > 0 ? total : null;
}

/** A moment as people type it: "now", "now-1h", "14:00", "2026-11-21 14:00", ISO 8601, or seconds since 1970. */
export function parseMoment(text: string, nowMs: number): number | null {
  const t = text.trim().toLowerCase();
  if (t === "now") return nowMs;
  if (t === "yesterday") return midnight(nowMs, -1);
  if (t === "today") return midnight(nowMs, 0);
  const relative = /^(?:now)?\s*-\s*(.+)$/.exec(t) ?? /^(.+?)\s+ago$/.exec(t);
  if (relative) {
    const s = parseDuration(relative[1]!);
    return s === null ? null : nowMs - s * 1000;
  }
  if (/^\d{9,11}(\.\d+)?$/.test(t)) return Math.round(Number(t) * 1000);
  const clock = /^(?:(yesterday|today)\s+)?(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(t);
  if (clock) {
    const d = new Date(midnight(nowMs, clock[1] === "yesterday" ? -1 : 0));
    if (Number(clock[2]) > 23 || Number(clock[3]) > 59 || Number(clock[4] ?? 0) > 59) return null;
    d.setHours(Number(clock[2]), Number(clock[3]), Number(clock[4] ?? 0), 0);
    return d.getTime();
  }
  const date =
    /^(\d{4})-(\d{2})-(\d{2})(?:[t ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)\s*(z|[+-]\d{2}:?\d{2})?)?$/.exec(
      t,
    );
  if (!date) return null;
  const zone = (date[5] ?? "").toUpperCase().replace(/^([+-]\d{2})(\d{2})$/, "$1:$2");
  const ms = new Date(`${date[1]}-${date[2]}-${date[3]}T${date[4] ?? "00:00"}${zone}`).getTime();
  return Number.isNaN(ms) ? null : ms;
}

function midnight(nowMs: number, days: number): number {
  const d = new Date(nowMs);
  d.setHours(0, 0, 0, 0);
  d.setDate(d.getDate() + days);
  return d.getTime();
}

/** What people type in the range box; a text says what is wrong and what would do. */
export function parseRange(text: string, nowMs: number): Range | string {
  const t = text.trim();
  const last = parseDuration(t.replace(/^(the\s+)?last\s+/i, ""));
  if (last !== null) return bounded({ kind: "last", seconds: last });
  if (/^today$/i.test(t)) return { kind: "fixed", from: midnight(nowMs, 0), to: nowMs };
  if (/^yesterday$/i.test(t)) return { kind: "fixed", from: midnight(nowMs, -1), to: midnight(nowMs, 0) };
  // A plain hyphen is part of dates, so between others it needs spaces; between two times of a day it does not.
  const ofDay = /^(\d{1,2}:\d\d(?::\d\d)?)-(\d{1,2}:\d\d(?::\d\d)?)$/.exec(t);
  const parts = ofDay ? ofDay.slice(1) : t.split(/\s*(?:–|—|→|\.\.|\bto\b|\s-\s)\s*/i);
  if (parts.length === 1) {
    const from = parseMoment(t, nowMs);
    if (from !== null && from < nowMs) return bounded({ kind: "fixed", from, to: nowMs });
  }
  if (parts.length === 2) {
    const from = parseMoment(parts[0]!, nowMs);
    const to = parseMoment(parts[1]!, nowMs);
    if (from !== null && to !== null) {
      if (from >= to) return "The beginning must be before the end.";
      const onlyNow = /^now$/i.test(parts[1]!.trim()) && /^now|ago$/i.test(parts[0]!.trim());
      if (onlyNow) return bounded({ kind: "last", seconds: Math.round((to - from) / 1000) });
      return bounded({ kind: "fixed", from, to });
    }
  }
  return "Not a time range. Try: 90m, last 2h, 14:00–14:30, yesterday, 2026-11-21 10:00 to 2026-11-21 11:00.";
}

export function bounded(range: Range): Range {
  if (range.kind === "last") {
    return {
      kind: "last",
      seconds: Math.min(Math.max(range.seconds, SHORTEST_MS / 1000), LONGEST_MS / 1000),
    };
  }
  let { from, to } = range;
  if (to - from < SHORTEST_MS) {
    const middle = (from + to) / 2;
    from = Math.round(middle - SHORTEST_MS / 2);
    to = from + SHORTEST_MS;
  }
  if (to - from > LONGEST_MS) from = to - LONGEST_MS;
  return { kind: "fixed", from: Math.round(from), to: Math.round(to) };
}

export function widthMs(range: Range): number {
  return range.kind === "last" ? range.seconds * 1000 : range.to - range.from;
}

/**
 * The moments that a range covers, laid on whole slots, so that a live chart does not shimmer: the end is
 * the end of the slot that `nowMs` is in.
 */
export function resolve(range: Range, nowMs: number, slots: number): Span {
  if (range.kind === "fixed") return { from: range.from, to: range.to };
  const width = range.seconds * 1000;
  const slot = Math.max(width / slots, 1);
  const to = Math.ceil(nowMs / slot) * slot;
  return { from: Math.round(to - width), to: Math.round(to) };
}

/** The same width, moved by a part of itself; reaching now makes it live again. */
export function shift(range: Range, part: number, nowMs: number): Range {
  const width = widthMs(range);
  const to = (range.kind === "last" ? nowMs : range.to) + width * part;
  if (to >= nowMs) return { kind: "last", seconds: Math.max(1, Math.round(width / 1000)) };
  return bounded({ kind: "fixed", from: to - width, to });
}

/** Wider (`factor` > 1) or narrower about the middle; a live range keeps its end at now. */
export function zoom(range: Range, factor: number, nowMs: number): Range {
  const width = widthMs(range) * factor;
  if (range.kind === "last") return bounded({ kind: "last", seconds: Math.max(1, Math.round(width / 1000)) });
  const middle = (range.from + range.to) / 2;
  const to = Math.min(middle + width / 2, Math.max(nowMs, range.to));
  return bounded({ kind: "fixed", from: to - width, to });
}

/** From one moment to another, in either order. */
export function between(a: number, b: number): Range {
  return bounded({ kind: "fixed", from: Math.min(a, b), to: Math.max(a, b) });
}

/** Live becomes fixed at what is shown now; fixed becomes live with the same width. */
export function toggleLive(range: Range, nowMs: number): Range {
  const width = widthMs(range);
  if (range.kind === "last") return { kind: "fixed", from: Math.round(nowMs - width), to: Math.round(nowMs) };
  return bounded({ kind: "last", seconds: Math.round(width / 1000) });
}

/** How often a live range is asked for again, milliseconds. */
export function refreshMs(range: Range): number {
  const s = widthMs(range) / 1000;
  return s <= 300 ? 1000 : s <= 900 ? 2000 : s <= 3600 ? 3000 : 5000;
}

/** For the button: "last 15 min", or "21 Nov 10:00 – 10:30 UTC+1". */
export function rangeText(range: Range, nowMs: number): string {
  if (range.kind === "last") return `last ${spanText(range.seconds)}`;
  const sameDay = new Date(range.from).toDateString() === new Date(range.to).toDateString();
  const today = sameDay && new Date(range.to).toDateString() === new Date(nowMs).toDateString();
  // Seconds that are none only take room.
  const whole = range.from % 60_000 === 0 && range.to % 60_000 === 0;
  const clock = (ms: number): string => (whole ? clockTime(ms).slice(0, 5) : clockTime(ms));
  const from = `${today ? "" : `${dayText(range.from, nowMs)} `}${clock(range.from)}`;
  const to = `${sameDay ? "" : `${dayText(range.to, nowMs)} `}${clock(range.to)}`;
  return `${from} – ${to} ${zoneOf(range.to)}`;
}

/** As it can be typed again. */
export function rangeCode(range: Range): string {
  if (range.kind === "last") return spanCode(range.seconds);
  return `${new Date(range.from).toISOString()} to ${new Date(range.to).toISOString()}`;
}
