/**
 * Changes in words and groups, and which of them concern a chart. Must never ask for anything.
 */
import type { Change, Comparison } from "../../api/traces";
import { dayText } from "../../format/time";
import type { Labels } from "../../state/selector";

/** Attributes that are shown in a place of their own, or that only the program needs. */
const INNER = new Set(["said_ms", "address", "outcome", "monitor", "monitor_ids"]);

/** What else was said of a change, the answers to questions first. */
export function saidOf(
  change: Change,
  questions: readonly { name: string; asks: string }[],
): [string, string][] {
  const asked = questions
    .filter((q) => change.attributes[q.name])
    .map((q): [string, string] => [q.asks, change.attributes[q.name]!]);
  const known = new Set(questions.map((q) => q.name));
  const rest = Object.entries(change.attributes).filter(([name]) => !known.has(name) && !INNER.has(name));
  return [...asked, ...rest];
}

/** Days, each with its changes, as they come. */
export function byDay(list: readonly Change[], nowMs: number): { day: string; changes: Change[] }[] {
  const days: { day: string; changes: Change[] }[] = [];
  for (const change of list) {
    const day = dayText(change.time_ms, nowMs) || "today";
    const last = days[days.length - 1];
    if (last?.day === day) last.changes.push(change);
    else days.push({ day, changes: [change] });
  }
  return days;
}

const bare = (name: string): string => name.replace(/:\d+$/, "").toLowerCase();

/**
 * Whether a change concerns series of these labels: of its service, or of its host; one that names neither concerns all.
 */
export function concerns(change: Change, labels: Labels): boolean {
  const has = (names: readonly string[], want: string): boolean =>
    names.some((name) => labels[name] !== undefined && bare(labels[name]!) === bare(want));
  const { service, host } = change;
  if (service === "" && host === "") return true;
  if (
    service !== "" &&
    has(["service_name", "service", "job", "client", "server", "name", "comm", "groupname"], service)
  )
    return true;
  // What belongs to one service of a host does not concern the rest of the host.
  if (host !== "" && service === "") return has(["instance", "host", "node", "host_name"], host);
  if (host !== "" && service !== "") {
    const named = ["service_name", "service"].some((name) => labels[name] !== undefined);
    return !named && has(["instance", "host", "node", "host_name"], host);
  }
  return false;
}

/** What the comparison says in one word, the worst first. */
export function verdictOf(c: Comparison): "worse" | "better" | "same" | "unknown" {
  const all = c.measures.map((m) => m.verdict);
  if (all.includes("worse")) return "worse";
  if (all.includes("better")) return "better";
  return all.some((v) => v !== "unknown") ? "same" : "unknown";
}
