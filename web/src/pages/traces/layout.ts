/**
 * Where things lie: the rows of a waterfall with some of them folded, the axis of a scatter, the layers of a map. Numbers
 * in, numbers out. Must never touch the page.
 */
import type { MapEdge, MapNode, Point, SpanOfTrace } from "../../api/traces";

/** Indexes of the spans that are shown when those in `folded` hide what is below them. */
export function rowsOf(spans: readonly SpanOfTrace[], folded: ReadonlySet<number>): number[] {
  const rows: number[] = [];
  for (let i = 0; i < spans.length; i++) {
    rows.push(i);
    if (folded.has(i)) i += spans[i]!.below;
  }
  return rows;
}

/** The rows of a list that lie in its window, with some around. */
export function windowOf(
  scrollTop: number,
  height: number,
  rowHeight: number,
  count: number,
): { first: number; last: number } {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - 8);
  const last = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + 8);
  return { first: Math.min(first, count), last };
}

/** Nanoseconds as people say them. */
export function nsText(ns: number): string {
  if (!Number.isFinite(ns)) return "–";
  const abs = Math.abs(ns);
  const say = (v: number, unit: string): string =>
    `${v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2)} ${unit}`.replace(/\.0+ /, " ");
  const sign = ns < 0 ? "-" : "";
  if (abs < 1e3) return `${sign}${abs.toFixed(0)} ns`;
  if (abs < 1e6) return sign + say(abs / 1e3, "µs");
  if (abs < 1e9) return sign + say(abs / 1e6, "ms");
  if (abs < 120e9) return sign + say(abs / 1e9, "s");
  return sign + say(abs / 60e9, "min");
}

/** Round steps of an axis from 0 to `ns`, at most about `count`. */
export function axisOf(ns: number, count: number): number[] {
  if (!(ns > 0)) return [0];
  const raw = ns / Math.max(1, count);
  const base = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * base).find((s) => s >= raw)!;
  const out: number[] = [];
  for (let i = 0; i * step <= ns * (1 + 1e-9) && i < 100; i++) out.push(i * step);
  return out;
}

/** A number for each service, the same as long as the same services are shown. */
export function coloursOf(services: readonly string[], count: number): Map<string, number> {
  return new Map([...services].sort().map((name, i) => [name, i % count]));
}

export interface Scale {
  x: (ms: number) => number;
  y: (ms: number) => number;
  /** What a height stands for, in milliseconds. */
  duration: (y: number) => number;
  time: (x: number) => number;
  ticks: number[];
}

/** Durations differ by thousands: a logarithmic height, from the decade below the shortest to that above the longest. */
export function scaleOf(
  points: readonly Point[],
  from: number,
  to: number,
  width: number,
  height: number,
): Scale {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const [, ms] of points) {
    low = Math.min(low, Math.max(ms, 0.001));
    high = Math.max(high, ms);
  }
  if (!(high > 0)) [low, high] = [1, 1000];
  const a = Math.floor(Math.log10(low));
  const b = Math.max(Math.ceil(Math.log10(high)), a + 1);
  const ticks = Array.from({ length: b - a + 1 }, (_, i) => 10 ** (a + i));
  const span = Math.max(to - from, 1);
  return {
    x: (ms) => ((ms - from) / span) * width,
    y: (ms) => height - ((Math.log10(Math.max(ms, 0.001)) - a) / (b - a)) * height,
    duration: (y) => 10 ** (a + ((height - y) / height) * (b - a)),
    time: (x) => from + (x / width) * span,
    ticks,
  };
}

/** How far it is from the point that lies next to a place, and which it is; nothing further than `max`. */
export function nearest(
  points: readonly Point[],
  scale: Scale,
  x: number,
  y: number,
  max: number,
): Point | null {
  let best: Point | null = null;
  let distance = max * max;
  for (const p of points) {
    const d = (scale.x(p[0]) - x) ** 2 + (scale.y(p[1]) - y) ** 2;
    if (d <= distance) {
      distance = d;
      best = p;
    }
  }
  return best;
}

export interface Placed {
  node: MapNode;
  x: number;
  y: number;
}

export interface Layout {
  nodes: Placed[];
  width: number;
  height: number;
}

const COLUMN = 230;
const ROW = 74;

/**
 * Services in columns: who is called by nobody first, each behind all that call it; calls in a circle are cut where
 * they come back. Within a column by the mean place of the callers, a few times over (the barycentre method).
 */
export function layers(nodes: readonly MapNode[], edges: readonly MapEdge[]): Layout {
  const names = nodes.map((n) => n.name).sort();
  const index = new Map(names.map((name, i) => [name, i]));
  const out: number[][] = names.map(() => []);
  const into: number[][] = names.map(() => []);
  for (const e of edges) {
    const [a, b] = [index.get(e.client), index.get(e.server)];
    if (a === undefined || b === undefined || a === b) continue;
    out[a]!.push(b);
    into[b]!.push(a);
  }
  const depth = depths(out, into);
  const columns: number[][] = [];
  depth.forEach((d, i) => {
    columns[d] ??= [];
    columns[d]!.push(i);
  });
  const place: number[] = names.map(() => 0);
  const settle = (column: number[]): void =>
    column.forEach((n, i) => {
      place[n] = i - (column.length - 1) / 2;
    });
  for (const column of columns) settle(column);
  for (let round = 0; round < 6; round++) {
    const sides = round % 2 === 0 ? into : out;
    const order = round % 2 === 0 ? columns : [...columns].reverse();
    for (const column of order) {
      const mean = (n: number): number => {
        const near = sides[n]!;
        return near.length === 0 ? place[n]! : near.reduce((sum, m) => sum + place[m]!, 0) / near.length;
      };
      const means = new Map(column.map((n) => [n, mean(n)]));
      column.sort((a, b) => means.get(a)! - means.get(b)! || a - b);
      settle(column);
    }
  }
  const tallest = Math.max(1, ...columns.map((c) => c.length));
  const by = new Map(nodes.map((n) => [n.name, n]));
  return {
    nodes: names.map((name, i) => ({
      node: by.get(name)!,
      x: depth[i]! * COLUMN + 20,
      y: (place[i]! + (tallest - 1) / 2) * ROW + 16,
    })),
    width: columns.length * COLUMN,
    height: tallest * ROW + 16,
  };
}

/** The longest way from one that nobody calls; ways that come back are not gone. */
function depths(out: readonly number[][], into: readonly number[][]): number[] {
  const state = out.map(() => 0);
  const back = new Set<string>();
  const order: number[] = [];
  const starts = out.map((_, i) => i).sort((a, b) => into[a]!.length - into[b]!.length || a - b);
  for (const start of starts) {
    if (state[start] !== 0) continue;
    const stack: [number, number][] = [[start, 0]];
    state[start] = 1;
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const next = out[top[0]]![top[1]++];
      if (next === undefined) {
        state[top[0]] = 2;
        order.push(top[0]);
        stack.pop();
      } else if (state[next] === 1) back.add(`${top[0]} ${next}`);
      else if (state[next] === 0) {
        state[next] = 1;
        stack.push([next, 0]);
      }
    }
  }
  const depth = out.map(() => 0);
  for (const n of order.reverse())
    for (const m of out[n]!) if (!back.has(`${n} ${m}`)) depth[m] = Math.max(depth[m]!, depth[n]! + 1);
  return depth;
}
