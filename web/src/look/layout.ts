/**
 * Where everything on the wall is: groups one under the other, each a header and rows of tiles. Answers in the
 * time of a binary search over the groups, so 100,000 series cost no more than 100. Must never touch the DOM, and
 * never make an object per tile.
 */

export interface GroupShape {
  key: string;
  /** Index of the first tile. */
  first: number;
  count: number;
}

export interface Sizes {
  /** The least width of a tile, CSS pixels. */
  tileMin: number;
  tileHeight: number;
  headerHeight: number;
  gap: number;
  /** Free space left and right. */
  margin: number;
}

export interface Layout {
  groups: readonly GroupShape[];
  shut: ReadonlySet<string>;
  sizes: Sizes;
  columns: number;
  tileWidth: number;
  /** The top of each group's header. */
  tops: Float64Array;
  height: number;
}

/** A run of tiles of one group that lie in one row. */
export interface Row {
  group: number;
  /** Index of the first tile of the row. */
  first: number;
  count: number;
  y: number;
}

export type Hit = { kind: "tile"; index: number; group: number } | { kind: "header"; group: number };
export type Direction = "left" | "right" | "up" | "down";

export function layOut(
  groups: readonly GroupShape[],
  shut: ReadonlySet<string>,
  width: number,
  sizes: Sizes,
): Layout {
  const inner = Math.max(width - 2 * sizes.margin, sizes.tileMin);
  const columns = Math.max(1, Math.floor((inner + sizes.gap) / (sizes.tileMin + sizes.gap)));
  const tileWidth = (inner - (columns - 1) * sizes.gap) / columns;
  const tops = new Float64Array(groups.length);
  let y = 0;
  for (let i = 0; i < groups.length; i++) {
    tops[i] = y;
    y += sizes.headerHeight + rowsOf(groups[i]!, shut, columns) * (sizes.tileHeight + sizes.gap);
  }
  return { groups, shut, sizes, columns, tileWidth, tops, height: y + sizes.gap };
}

function rowsOf(g: GroupShape, shut: ReadonlySet<string>, columns: number): number {
  return shut.has(g.key) ? 0 : Math.ceil(g.count / columns);
}

/** The group whose band holds `y`; 0 above the first. */
export function groupAt(l: Layout, y: number): number {
  let low = 0;
  let high = l.tops.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (l.tops[middle]! <= y) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** The group that holds a tile. */
export function groupOf(l: Layout, index: number): number {
  let low = 0;
  let high = l.groups.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (l.groups[middle]!.first <= index) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** The headers and rows between two heights, in order. */
export function visible(l: Layout, from: number, to: number): { headers: number[]; rows: Row[] } {
  const headers: number[] = [];
  const rows: Row[] = [];
  const pitch = l.sizes.tileHeight + l.sizes.gap;
  for (let g = groupAt(l, from); g < l.groups.length && l.tops[g]! < to; g++) {
    const group = l.groups[g]!;
    const top = l.tops[g]! + l.sizes.headerHeight;
    if (top > from) headers.push(g);
    const total = rowsOf(group, l.shut, l.columns);
    const start = Math.max(0, Math.floor((from - top) / pitch));
    const end = Math.min(total, Math.ceil((to - top) / pitch));
    for (let r = start; r < end; r++) {
      const first = group.first + r * l.columns;
      rows.push({
        group: g,
        first,
        count: Math.min(l.columns, group.first + group.count - first),
        y: top + r * pitch,
      });
    }
  }
  return { headers, rows };
}

/** The rectangle of a tile; null when its group is shut. */
export function tileRect(l: Layout, index: number): { x: number; y: number; w: number; h: number } | null {
  const g = groupOf(l, index);
  const group = l.groups[g];
  if (!group || l.shut.has(group.key) || index < group.first || index >= group.first + group.count)
    return null;
  const n = index - group.first;
  return {
    x: l.sizes.margin + (n % l.columns) * (l.tileWidth + l.sizes.gap),
    y: l.tops[g]! + l.sizes.headerHeight + Math.floor(n / l.columns) * (l.sizes.tileHeight + l.sizes.gap),
    w: l.tileWidth,
    h: l.sizes.tileHeight,
  };
}

/** What is under a point of the wall. */
export function hit(l: Layout, x: number, y: number): Hit | null {
  if (l.groups.length === 0 || y < 0 || y >= l.height) return null;
  const g = groupAt(l, y);
  const group = l.groups[g]!;
  const within = y - l.tops[g]!;
  if (within < l.sizes.headerHeight) return { kind: "header", group: g };
  if (l.shut.has(group.key)) return null;
  const pitch = l.sizes.tileHeight + l.sizes.gap;
  const row = Math.floor((within - l.sizes.headerHeight) / pitch);
  if (within - l.sizes.headerHeight - row * pitch > l.sizes.tileHeight) return null;
  const across = x - l.sizes.margin;
  const column = Math.floor(across / (l.tileWidth + l.sizes.gap));
  if (column < 0 || column >= l.columns || across - column * (l.tileWidth + l.sizes.gap) > l.tileWidth)
    return null;
  const n = row * l.columns + column;
  return n < group.count ? { kind: "tile", index: group.first + n, group: g } : null;
}

/** The tile next to one, over group borders, past groups that are shut; the same one at the ends. */
export function neighbour(l: Layout, index: number, direction: Direction): number {
  const g = groupOf(l, index);
  const group = l.groups[g];
  if (!group) return index;
  const n = index - group.first;
  const column = n % l.columns;
  if (direction === "left") return n > 0 ? index - 1 : lastOf(l, nextOpen(l, g, -1), index);
  if (direction === "right") return n + 1 < group.count ? index + 1 : firstOf(l, nextOpen(l, g, 1), index);
  if (direction === "down") {
    if (n + l.columns < group.count) return index + l.columns;
    const lastRow = Math.floor((group.count - 1) / l.columns);
    if (Math.floor(n / l.columns) < lastRow) return group.first + group.count - 1;
    const next = l.groups[nextOpen(l, g, 1)];
    return next ? next.first + Math.min(column, next.count - 1) : index;
  }
  if (n - l.columns >= 0) return index - l.columns;
  const before = l.groups[nextOpen(l, g, -1)];
  if (!before) return index;
  const row = Math.floor((before.count - 1) / l.columns);
  return before.first + Math.min(row * l.columns + column, before.count - 1);
}

/** The next group with tiles in a direction; -1 when there is none. */
export function nextOpen(l: Layout, g: number, step: 1 | -1): number {
  for (let i = g + step; i >= 0 && i < l.groups.length; i += step) {
    const group = l.groups[i]!;
    if (group.count > 0 && !l.shut.has(group.key)) return i;
  }
  return -1;
}

function firstOf(l: Layout, g: number, otherwise: number): number {
  return l.groups[g]?.first ?? otherwise;
}

function lastOf(l: Layout, g: number, otherwise: number): number {
  const group = l.groups[g];
  return group ? group.first + group.count - 1 : otherwise;
}

/** A place on the wall that survives another width and other groups: "key~row". "" is the very top. */
export function anchorAt(l: Layout, y: number): string {
  if (l.groups.length === 0 || y < l.sizes.headerHeight) return "";
  const g = groupAt(l, y);
  const group = l.groups[g]!;
  const pitch = l.sizes.tileHeight + l.sizes.gap;
  const row = Math.max(0, Math.round((y - l.tops[g]!) / pitch));
  const tile = Math.min(row * l.columns, group.count - 1);
  return tile > 0 ? `${group.key}~${tile}` : group.key;
}

/** Where such a place is now; null when its group is gone. */
export function anchorTop(l: Layout, anchor: string): number | null {
  if (anchor === "") return 0;
  const parts = /^(.*)~(\d+)$/s.exec(anchor);
  const key = parts ? parts[1]! : anchor;
  const g = l.groups.findIndex((group) => group.key === key);
  if (g < 0) return null;
  const row = Math.floor(Number(parts?.[2] ?? 0) / l.columns);
  const top = l.tops[g]! + row * (l.sizes.tileHeight + l.sizes.gap);
  const end = l.tops[g + 1] ?? l.height;
  return Math.min(top, Math.max(l.tops[g]!, end - l.sizes.tileHeight));
}
