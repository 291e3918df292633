/**
 * Words for monitors: how each is, in what order, what a silence is about. Must never call fine what was not judged.
 */
import type { Monitor, MonitorState, Monitors, Silence, SilenceMatcher } from "../../api/monitors";
import type { Labels } from "../../state/selector";

/** What people read, and the shape that stands beside it. */
export const STATES: Record<MonitorState, { word: string; shape: string; says: string }> = {
  firing: { word: "firing", shape: "bad", says: "its condition is met" },
  pending: { word: "pending", shape: "look", says: "its condition is met, but not for long enough yet" },
  cannot_judge: { word: "cannot be judged", shape: "look", says: "its condition cannot be evaluated" },
  no_data: { word: "no data", shape: "silent", says: "nothing that it looks at has a sample" },
  too_little: { word: "too little traffic", shape: "silent", says: "there is too little traffic to judge" },
  unknown: { word: "not judged yet", shape: "silent", says: "it was not evaluated yet" },
  fine: { word: "fine", shape: "fine", says: "its condition is not met" },
};

const ORDER = Object.keys(STATES) as MonitorState[];

/** What needs somebody first, then by service and name. */
export function sorted(list: readonly Monitor[]): Monitor[] {
  const key = (m: Monitor): string => `${serviceOf(m)} ${m.name}`;
  return [...list].sort(
    (a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || key(a).localeCompare(key(b)),
  );
}

/** What a monitor is about: its own label, or the group that it stands in. */
export function serviceOf(m: Monitor): string {
  const { service, team, job } = m.labels as Record<string, string | undefined>;
  return service ?? team ?? job ?? m.group;
}

/** What labels of an alert are about; "" if they do not say. */
export const aboutOf = (labels: Labels): string => labels.service ?? labels.service_name ?? labels.job ?? "";

/** What an alert of it says now; else its condition. */
export function saysOf(m: Monitor): string {
  const alert = m.alerts.find((a) => a.state !== "inactive");
  return alert?.annotations.summary ?? m.expr;
}

/** Fingerprints of what fires and nobody takes care of. */
export function unseen(m: Monitor): string[] {
  const firing = [...m.alerts, ...(m.blind ? [m.blind] : [])].filter((a) => a.state === "firing");
  return firing.filter((a) => !a.ack).map((a) => a.fingerprint);
}

/** How many are how: "1 firing, 3 without data, 12 fine". */
export function tally(list: readonly Monitor[]): string {
  return ORDER.map((state) => [state, list.filter((m) => m.state === state).length] as const)
    .filter(([, n]) => n > 0)
    .map(([state, n]) => `${n} ${STATES[state].word}`)
    .join(", ");
}

/** `severity="page"`, as it is typed. */
export function matcherText(m: SilenceMatcher): string {
  const sign = m.isRegex ? (m.isEqual ? "=~" : "!~") : m.isEqual ? "=" : "!=";
  return `${m.name}${sign}${JSON.stringify(m.value)}`;
}

export const matchersText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([n, v]) => `${n}=${JSON.stringify(v)}`)
    .join(", ");

/** What somebody typed, as matchers; null where it makes no sense. */
export function readMatchers(text: string): SilenceMatcher[] | null {
  const one = /\s*([a-zA-Z_][\w.]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^,"\s]+)\s*(?:,|$)/y;
  const found: SilenceMatcher[] = [];
  one.lastIndex = 0;
  while (one.lastIndex < text.trimEnd().length) {
    const m = one.exec(text.trimEnd());
    if (!m) return null;
    const [, name, sign, raw] = m as unknown as [string, string, string, string];
    let value = raw;
    if (raw.startsWith('"')) {
      try {
        value = JSON.parse(raw) as string;
      } catch {
        return null;
      }
    }
    found.push({ name, value, isRegex: sign.endsWith("~"), isEqual: !sign.startsWith("!") });
  }
  return found.length > 0 ? found : null;
}

/** Whether a silence keeps an alert with these labels quiet. */
export function silences(s: Silence, labels: Labels): boolean {
  if (s.status.state !== "active") return false;
  return s.matchers.every((m) => {
    const value = labels[m.name] ?? "";
    let matches = value === m.value;
    if (m.isRegex) {
      try {
        matches = new RegExp(`^(?:${m.value})$`, "s").test(value);
      } catch {
        return false;
      }
    }
    return matches === m.isEqual;
  });
}

/** What people who are told should know, in a sentence. */
export function toldWords(n: Monitors["notifications"]): string {
  if (!n.configured) {
    return "Nobody is told of alerts: name a configuration of Alertmanager in `notifications` of the section [monitors].";
  }
  const waiting = n.receivers.flatMap((r) => r.targets).reduce((sum, t) => sum + t.waiting, 0);
  const lost = n.lost.refused + n.lost.too_old + n.lost.too_many;
  const words = [
    n.receivers.length === 1 ? "1 receiver" : `${n.receivers.length} receivers`,
    waiting > 0 ? `${waiting} notifications wait` : "nothing waits",
    ...(lost > 0 ? [`${lost} were given up`] : []),
  ];
  return `${words.join(", ")}.`;
}
