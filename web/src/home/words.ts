/**
 * How Home lays out what the server judged: what is to be looked at first, and the number apart from its words. Must
 * never judge, and never change a text but for where it is cut.
 */
import type { HomeTile, Subject } from "../api/types";

export interface Concern {
  subject: Subject;
  tile: HomeTile;
}

const RANK: Record<string, number> = { bad: 0, look: 1, silent: 2 };

/** What is not fine, the worst first, else in the given order. */
export function concerns(subjects: readonly Subject[]): Concern[] {
  const all = subjects.flatMap((subject) =>
    subject.tiles.filter((tile) => tile.state !== "fine").map((tile): Concern => ({ subject, tile })),
  );
  return all.sort((a, b) => (RANK[a.tile.state] ?? 2) - (RANK[b.tile.state] ?? 2));
}

/** The headline without its list of what is not fine, when that follows in full. */
export function inShort(headline: string, listed: number): string {
  const at = headline.indexOf(": ");
  return listed > 0 && at > 0 ? `${headline.slice(0, at)}.` : headline;
}

const NUMBER =
  /^([−-]?\d[\d.,]*(?:\s?(?:%|°C|ns|µs|ms|s|min|h|d|ppm|ppb|[KMGTPE]?i?B(?:\/s)?|[kMG](?=\s|\/|$)))?(?![\w%]))\s*(.*)$/s;

/** "72 % of /" as the number with its unit, and what comes after. */
export function valueParts(value: string): [number: string, rest: string] {
  const m = NUMBER.exec(value);
  return m ? [m[1]!, m[2]!] : [value, ""];
}

/** How many columns a thing takes beside others; 0 = a row of its own. */
export function columnsOf(subject: Subject): number {
  const { length } = subject.tiles;
  if (length > 3) return 0;
  return Math.max(length, subject.title.length > 18 ? 2 : 1);
}
