/**
 * Where everything on the wall is: bands one under the other, each a large group or several small ones side by side; a
 * group is a header and rows of tiles. Answers in the time of a binary search over the groups, so 100,000 series cost
 * no more than 100. Must never touch the DOM, and never make an object per tile.
 */

export interface GroupShape {
  key: string;
  /** Index of the first tile. */
  first: number;
  count: number;
  /** Length of the header's text: a small group is wide enough for it. */
  titleChars: number;
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
  /** The top of each group's header; groups of one band have the same. */
  tops: Float64Array;
  /** The first column of each group, and how many it has. */
  starts: Uint16Array;
  spans: Uint16Array;
  /** The width of each group's tiles: those of a group that has fewer than columns share all of its width. */
  widths: Float64Array;
  height: number;
}

/** A run of tiles of one group that lie in one row. */
export interface Row {
  group: number;
  /** Index of the first tile of the row. */
  first: number;
  count: number;
  y: number;
  /** The left edge of its first tile, and the width of each. */
  x: number;
  width: number;
}

export interface Rect {
  x: number;
  y: number;
  w: number;
  h: number;
}

export type Hit = { kind: "tile"; index: number; group: number } | { kind: "header"; group: number };

/** What a header needs beside its text, and for each letter of it, pixels. */
const HEADER_EXTRA = 78;
const HEADER_LETTER = 7.4;
/** A title takes no more than this from the wall for a group that does not need it. */
const TITLE_COLUMNS_MAX = 3;

export function layOut(
  groups: readonly GroupShape[],
  shut: ReadonlySet<string>,
  width: number,
  sizes: Sizes,
): Layout {
  const inner = Math.max(width - 2 * sizes.margin, sizes.tileMin);
  const columns = Math.max(1, Math.floor((inner + sizes.gap) / (sizes.tileMin + sizes.gap)));
  const tileWidth = (inner - (columns - 1) * sizes.gap) / columns;
  const n = groups.length;
  const l: Layout = {
    groups,
    shut,
    sizes,
    columns,
    tileWidth,
    tops: new Float64Array(n),
    starts: new Uint16Array(n),
    spans: new Uint16Array(n),
    widths: new Float64Array(n),
    height: 0,
  };
  let top = 0;
  let bandHeight = 0;
  let used = columns;
  for (let i = 0; i < n; i++) {
    const g = groups[i]!;
    const open = !shut.has(g.key);
    const titleColumns = Math.ceil((g.titleChars * HEADER_LETTER + HEADER_EXTRA) / (tileWidth + sizes.gap));
    const span = Math.min(
      columns,
      Math.max(open ? g.count : 1, Math.min(titleColumns, TITLE_COLUMNS_MAX), 1),
    );
    if (used + span > columns) {
      top += bandHeight;
      bandHeight = 0;
      used = 0;
    }
    l.tops[i] = top;
    l.starts[i] = used;
    l.spans[i] = span;
    const across = Math.max(1, Math.min(span, g.count));
    l.widths[i] = (span * (tileWidth + sizes.gap) - across * sizes.gap) / across;
    used += span;
    const rows = open ? Math.ceil(g.count / span) : 0;
    bandHeight = Math.max(bandHeight, sizes.headerHeight + rows * pitch(l));
  }
  l.height = top + bandHeight + sizes.gap;
  return l;
}

const pitch = (l: Layout): number => l.sizes.tileHeight + l.sizes.gap;

function rowsOf(l: Layout, g: number): number {
  const group = l.groups[g]!;
  return l.shut.has(group.key) ? 0 : Math.ceil(group.count / l.spans[g]!);
}

/** The last index in a rising list whose value is at most `value`; 0 before the first. */
function lastAtMost(length: number, valueAt: (i: number) => number, value: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (valueAt(middle) <= value) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** The first group of the band that `g` is in. */
export function bandStart(l: Layout, g: number): number {
  let first = g;
  while (first > 0 && l.tops[first - 1] === l.tops[g]) first--;
  return first;
}

/** The first group after the band that `g` is in; as many as there are groups after the last band. */
export function bandEnd(l: Layout, g: number): number {
  let next = g + 1;
  while (next < l.groups.length && l.tops[next] === l.tops[g]) next++;
  return next;
}

/** The first group of the band that holds `y`. */
export function groupAt(l: Layout, y: number): number {
  return bandStart(
    l,
    lastAtMost(l.groups.length, (i) => l.tops[i]!, y),
  );
}

/** The group that holds a tile. */
export function groupOf(l: Layout, index: number): number {
  return lastAtMost(l.groups.length, (i) => l.groups[i]!.first, index);
}

/** The left edge of a column. */
export function columnLeft(l: Layout, column: number): number {
  return l.sizes.margin + column * (l.tileWidth + l.sizes.gap);
}

/** The headers and rows between two heights, in order. */
export function visible(l: Layout, from: number, to: number): { headers: number[]; rows: Row[] } {
  const headers: number[] = [];
  const rows: Row[] = [];
  for (let g = groupAt(l, from); g < l.groups.length && l.tops[g]! < to; g++) {
    const group = l.groups[g]!;
    const span = l.spans[g]!;
    const top = l.tops[g]! + l.sizes.headerHeight;
    if (top > from) headers.push(g);
    const start = Math.max(0, Math.floor((from - top) / pitch(l)));
    const end = Math.min(rowsOf(l, g), Math.ceil((to - top) / pitch(l)));
    for (let r = start; r < end; r++) {
      const first = group.first + r * span;
      const count = Math.min(span, group.first + group.count - first);
      const y = top + r * pitch(l);
      rows.push({ group: g, first, count, y, x: columnLeft(l, l.starts[g]!), width: l.widths[g]! });
    }
  }
  return { headers, rows };
}

/** The rectangle of a tile; null when its group is shut. */
export function tileRect(l: Layout, index: number): Rect | null {
  const g = groupOf(l, index);
  const group = l.groups[g];
  if (!group || l.shut.has(group.key) || index < group.first || index >= group.first + group.count)
    return null;
  const n = index - group.first;
  const span = l.spans[g]!;
  return {
    x: columnLeft(l, l.starts[g]!) + (n % span) * (l.widths[g]! + l.sizes.gap),
    y: l.tops[g]! + l.sizes.headerHeight + Math.floor(n / span) * pitch(l),
    w: l.widths[g]!,
    h: l.sizes.tileHeight,
  };
}

/** What is under a point of the wall. */
export function hit(l: Layout, x: number, y: number): Hit | null {
  if (l.groups.length === 0 || y < 0 || y >= l.height) return null;
  const across = x - l.sizes.margin;
  const column = Math.floor(across / (l.tileWidth + l.sizes.gap));
  const start = groupAt(l, y);
  for (let g = start; g < bandEnd(l, start); g++) {
    if (column < l.starts[g]! || column >= l.starts[g]! + l.spans[g]!) continue;
    const group = l.groups[g]!;
    const within = y - l.tops[g]! - l.sizes.headerHeight;
    if (within < 0) return { kind: "header", group: g };
    const row = Math.floor(within / pitch(l));
    const inTile = within - row * pitch(l) <= l.sizes.tileHeight;
    const inGroup = x - columnLeft(l, l.starts[g]!);
    const n = Math.floor(inGroup / (l.widths[g]! + l.sizes.gap));
    const beside = inGroup - n * (l.widths[g]! + l.sizes.gap) > l.widths[g]!;
    const at = row * l.spans[g]! + n;
    if (row >= rowsOf(l, g) || !inTile || beside || at >= group.count) return null;
    return { kind: "tile", index: group.first + at, group: g };
  }
  return null;
}

/** A place on the wall that survives another width and other groups: "key~tile". "" is the very top. */
export function anchorAt(l: Layout, y: number): string {
  if (l.groups.length === 0 || y < l.sizes.headerHeight) return "";
  const g = groupAt(l, y);
  const group = l.groups[g]!;
  const row = Math.max(0, Math.round((y - l.tops[g]!) / pitch(l)));
  const tile = Math.min(row * l.spans[g]!, group.count - 1);
  return tile > 0 ? `${group.key}~${tile}` : group.key;
}

/** Where such a place is now; null when its group is gone. */
export function anchorTop(l: Layout, anchor: string): number | null {
  if (anchor === "") return 0;
  const parts = /^(.*)~(\d+)$/s.exec(anchor);
  const key = parts ? parts[1]! : anchor;
  const g = l.groups.findIndex((group) => group.key === key);
  if (g < 0) return null;
  const row = Math.floor(Number(parts?.[2] ?? 0) / l.spans[g]!);
  const end = l.tops[bandEnd(l, g)] ?? l.height;
  return Math.min(l.tops[g]! + row * pitch(l), Math.max(l.tops[g]!, end - l.sizes.tileHeight));
}
