/**
 * Where the cursor goes on the wall: left and right in the order of the series, up and down by what is seen there, over
 * groups and past those that are shut. Must never leave the wall.
 */
import { bandEnd, bandStart, groupOf, type Layout } from "./layout";

export type Direction = "left" | "right" | "up" | "down";

/** The tile next to one; the same one at the ends. */
export function neighbour(l: Layout, index: number, direction: Direction): number {
  const g = groupOf(l, index);
  const group = l.groups[g];
  if (!group) return index;
  const n = index - group.first;
  if (direction === "left") {
    const before = l.groups[nextOpen(l, g, -1)];
    return n > 0 ? index - 1 : before ? before.first + before.count - 1 : index;
  }
  if (direction === "right")
    return n + 1 < group.count ? index + 1 : (l.groups[nextOpen(l, g, 1)]?.first ?? index);
  return direction === "down" ? below(l, index, g) : above(l, index, g);
}

/** The next group with tiles in a direction; -1 when there is none. */
export function nextOpen(l: Layout, g: number, step: 1 | -1): number {
  for (let i = g + step; i >= 0 && i < l.groups.length; i += step) if (isOpen(l, i)) return i;
  return -1;
}

function isOpen(l: Layout, g: number): boolean {
  const group = l.groups[g]!;
  return group.count > 0 && !l.shut.has(group.key);
}

function below(l: Layout, index: number, g: number): number {
  const group = l.groups[g]!;
  const span = l.spans[g]!;
  const n = index - group.first;
  if (n + span < group.count) return index + span;
  if (Math.floor(n / span) < Math.floor((group.count - 1) / span)) return group.first + group.count - 1;
  const column = columnOf(l, g, n % span);
  for (let start = bandEnd(l, g); start < l.groups.length; start = bandEnd(l, start)) {
    const found = nearest(l, start, column, "first");
    if (found >= 0) return found;
  }
  return index;
}

function above(l: Layout, index: number, g: number): number {
  const group = l.groups[g]!;
  const span = l.spans[g]!;
  const n = index - group.first;
  if (n >= span) return index - span;
  const column = columnOf(l, g, n);
  for (let start = bandStart(l, g); start > 0; ) {
    start = bandStart(l, start - 1);
    const found = nearest(l, start, column, "last");
    if (found >= 0) return found;
  }
  return index;
}

/** The column that the nth tile of a row begins in, in parts where tiles are wider than columns. */
function columnOf(l: Layout, g: number, n: number): number {
  return l.starts[g]! + (n * (l.widths[g]! + l.sizes.gap)) / (l.tileWidth + l.sizes.gap);
}

/** The tile of a band in its first or last row that is nearest to a column; -1 when all of the band is shut. */
function nearest(l: Layout, start: number, column: number, row: "first" | "last"): number {
  let best = -1;
  let distance = Number.POSITIVE_INFINITY;
  for (let g = start; g < bandEnd(l, start); g++) {
    if (!isOpen(l, g)) continue;
    const group = l.groups[g]!;
    const span = l.spans[g]!;
    const from = row === "first" ? 0 : Math.floor((group.count - 1) / span) * span;
    const inRow = Math.min(span, group.count - from);
    const wide = columnOf(l, g, 1) - l.starts[g]!;
    const at = Math.min(Math.max(Math.floor((column - l.starts[g]!) / wide + 1e-6), 0), inRow - 1);
    const away = Math.abs(columnOf(l, g, at) - column);
    if (away < distance) {
      distance = away;
      best = group.first + from + at;
    }
  }
  return best;
}
