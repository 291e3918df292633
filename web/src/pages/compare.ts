/**
 * The numbers and words of the page "What moved". Must never touch the DOM.
 */

/** What the shown time is compared with: just before it, or so much earlier. */
export const AGAINST: readonly { against: string; title: string }[] = [
  { against: "", title: "just before" },
  { against: "hour", title: "an hour earlier" },
  { against: "day", title: "yesterday" },
  { against: "week", title: "last week" },
];

/** In the same time, the same series of other hosts. */
export const OTHER_HOSTS = { against: "peers", title: "other hosts" } as const;

/** What a page has of its own, with another baseline; "" is the usual one. */
export function ownAgainst(own: Readonly<Record<string, string>>, against: string): Record<string, string> {
  const { against: _, ...rest } = own;
  return against === "" ? rest : { ...rest, against };
}

/** What the server says in passing, with a capital and a full stop. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** What moved of a group, or what differs from peers, in a few words. */
export function togetherText(count: number, isPeers: boolean): string {
  const does = isPeers ? (count > 1 ? "differ" : "differs") : "moved";
  return count > 1 ? `${count.toLocaleString("en")} series ${does} together` : `one series ${does}`;
}

/** A share, as people say it. */
export function percentText(share: number): string {
  const percent = share * 100;
  if (percent === 0) return "0 %";
  if (percent < 0.1) return "< 0.1 %";
  return `${percent < 10 ? Math.round(percent * 10) / 10 : Math.round(percent)} %`;
}

/** How long after the first of its group: "first", "+3 s", "+2.5 min". */
export function offsetText(seconds: number): string {
  if (seconds < 0.0005) return "first";
  if (seconds < 1) return `+${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `+${Math.round(seconds * 10) / 10} s`;
  return `+${Math.round(seconds / 6) / 10} min`;
}

/** A line of means as an SVG path in a box of 144 by 30; values that have no neighbour are dots. */
export function picturePath(values: readonly (number | null)[]): {
  path: string;
  dots: { x: number; y: number }[];
  low: number;
  high: number;
} {
  const known = values.filter((v): v is number => v !== null && Number.isFinite(v));
  const low = known.length > 0 ? Math.min(...known) : 0;
  const high = known.length > 0 ? Math.max(...known) : 0;
  const width = 144 / Math.max(values.length, 1);
  const place = (v: number, i: number): { x: number; y: number } => ({
    x: Math.round((i + 0.5) * width * 10) / 10,
    y: high === low ? 15 : Math.round((28 - ((v - low) / (high - low)) * 26) * 10) / 10,
  });
  let path = "";
  const dots: { x: number; y: number }[] = [];
  values.forEach((v, i) => {
    if (v === null) return;
    const { x, y } = place(v, i);
    const before = i > 0 && values[i - 1] !== null;
    const after = i + 1 < values.length && values[i + 1] !== null;
    if (before || after) path += `${before ? "L" : "M"}${x} ${y}`;
    else dots.push({ x, y });
  });
  return { path, dots, low, high };
}
