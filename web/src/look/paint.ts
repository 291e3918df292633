/**
 * Paints the wall: only what is in sight and not there yet, on one canvas, from plain arguments. Must never keep state
 * but its cache of cut texts, never touch the DOM beyond the canvas, and never ask for data.
 */

import type { Kept } from "../api/tiles";
import { formatCount, formatValue } from "../format/units";
import { kindPath } from "../ui/kinds";
import { bandEnd, bandStart, columnLeft, type Layout, type Rect, tileRect, visible } from "./layout";
import type { Painted } from "./painted";
import { ended, marks, slotAt, spark } from "./spark";

/** What a tile says of itself, made once per series. */
export interface Face {
  title: string;
  sub: string;
  selector: string;
}

export interface GroupFace {
  title: string;
  parent: string;
  kind: string;
  count: number;
  shut: boolean;
}

export interface Palette {
  text: string;
  muted: string;
  faint: string;
  line: string;
  area: string;
  tile: string;
  tileHover: string;
  focus: string;
  background: string;
  border: string;
  picks: string[];
}

export interface Scene {
  layout: Layout;
  scrollTop: number;
  width: number;
  height: number;
  ratio: number;
  palette: Palette;
  /** By index of the tile on the wall. */
  kept: (index: number) => Kept | undefined;
  face: (index: number) => Face | undefined;
  group: (g: number) => GroupFace;
  /** Position in the list of picked series, or -1. */
  pickOf: (face: Face | undefined) => number;
  cursor: number;
  showCursor: boolean;
  hover: number;
  /** Where the pointer is across its tile, 0..1; null when it is on none. */
  across: number | null;
  drag: { index: number; from: number; to: number } | null;
  stale: boolean;
}

export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
const PAD = 9;
const RADIUS = 6;
const CHART_TOP = 42;
const CHART_BOTTOM = 6;

const cut = new Map<string, string>();

/** A text that fits a width, with an ellipsis when it was cut. */
function fitted(ctx: CanvasRenderingContext2D, text: string, width: number): string {
  if (text === "" || width <= 0) return "";
  const key = `${ctx.font}|${Math.floor(width)}|${text}`;
  const known = cut.get(key);
  if (known !== undefined) return known;
  let result = text.length > 200 ? text.slice(0, 200) : text;
  if (ctx.measureText(result).width > width) {
    let low = 0;
    let high = result.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (ctx.measureText(`${result.slice(0, middle)}…`).width <= width) low = middle;
      else high = middle - 1;
    }
    result = low > 0 ? `${result.slice(0, low)}…` : "";
  }
  if (cut.size > 20_000) cut.clear();
  cut.set(key, result);
  return result;
}

/** Paints what `painted` does not hold yet. All edges lie on whole device pixels, so that old pixels can be moved. */
export function paint(ctx: CanvasRenderingContext2D, scene: Scene, painted: Painted): void {
  const snap = (v: number): number => Math.round(v * scene.ratio) / scene.ratio;
  const s = { ...scene, scrollTop: snap(scene.scrollTop) };
  painted.begin(ctx, s, s.scrollTop, s.palette.background, snap(s.layout.sizes.headerHeight));
  ctx.textBaseline = "alphabetic";
  const seen = visible(s.layout, s.scrollTop, s.scrollTop + s.height);
  const h = snap(s.layout.sizes.tileHeight);
  for (const row of seen.rows) {
    const y = snap(row.y) - s.scrollTop;
    for (let i = 0; i < row.count; i++) {
      const index = row.first + i;
      if (!painted.tile(index, s.kept(index), markOf(s, index), y, y + h)) continue;
      const x = row.x + i * (row.width + s.layout.sizes.gap);
      paintTile(ctx, s, index, { x: snap(x), y, w: snap(x + row.width) - snap(x), h });
    }
  }
  for (const g of seen.headers) {
    const y = snap(s.layout.tops[g]!) - s.scrollTop;
    if (painted.isLost(y, y + s.layout.sizes.headerHeight)) paintHeader(ctx, s, g, y);
  }
  paintStickyHeader(ctx, s, snap);
}

/** All that a tile shows beside its series: when it changes, the tile is painted again. */
function markOf(s: Scene, index: number): string {
  const pick = s.pickOf(s.face(index));
  const cursor = s.cursor === index && s.showCursor;
  const drag = s.drag ? `${s.drag.index} ${s.drag.from} ${s.drag.to}` : "";
  return `${pick} ${cursor} ${s.hover === index} ${s.across ?? ""} ${drag}`;
}

/** The headers of the band that the top edge cuts stay in sight while its tiles are. */
function paintStickyHeader(ctx: CanvasRenderingContext2D, s: Scene, snap: (v: number) => number): void {
  const { layout: l } = s;
  const first = visible(l, s.scrollTop, s.scrollTop + 1).rows[0];
  if (!first || l.tops[first.group]! >= s.scrollTop) return;
  const start = bandStart(l, first.group);
  const end = bandEnd(l, first.group);
  const next = l.tops[end] ?? Number.POSITIVE_INFINITY;
  const height = snap(l.sizes.headerHeight);
  const y = Math.min(0, snap(next) - s.scrollTop - height);
  ctx.fillStyle = s.palette.background;
  ctx.fillRect(0, y, s.width, height);
  for (let g = start; g < end; g++) paintHeader(ctx, s, g, y);
  ctx.fillStyle = s.palette.border;
  ctx.fillRect(0, y + height - 1 / s.ratio, s.width, 1 / s.ratio);
}

function paintHeader(ctx: CanvasRenderingContext2D, s: Scene, g: number, y: number): void {
  const { palette: p, layout: l } = s;
  const face = s.group(g);
  const base = y + l.sizes.headerHeight - 10;
  let x = columnLeft(l, l.starts[g]!);
  ctx.fillStyle = p.background;
  ctx.fillRect(x, y, columnLeft(l, l.starts[g]! + l.spans[g]!) - l.sizes.gap - x, l.sizes.headerHeight);
  const right = columnLeft(l, l.starts[g]! + l.spans[g]!) - l.sizes.gap - 4;
  ctx.strokeStyle = p.muted;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  if (face.shut) {
    ctx.moveTo(x + 2, base - 8);
    ctx.lineTo(x + 6, base - 4);
    ctx.lineTo(x + 2, base);
  } else {
    ctx.moveTo(x, base - 6);
    ctx.lineTo(x + 4, base - 2);
    ctx.lineTo(x + 8, base - 6);
  }
  ctx.stroke();
  x += 15;
  ctx.save();
  ctx.translate(x, base - 12);
  ctx.scale(14 / 16, 14 / 16);
  ctx.lineWidth = 1.4;
  ctx.stroke(kindPath(face.kind));
  ctx.restore();
  x += 20;
  ctx.font = `12px ${FONT}`;
  const rest = [face.parent, formatCount(face.count)].filter(Boolean).join(" · ");
  const restWidth = Math.min(ctx.measureText(rest).width, (right - x) * 0.4);
  ctx.font = `600 13px ${FONT}`;
  ctx.fillStyle = p.text;
  const title = fitted(ctx, face.title, right - x - restWidth - 8);
  ctx.fillText(title, x, base);
  x += ctx.measureText(title).width + 8;
  ctx.font = `12px ${FONT}`;
  ctx.fillStyle = p.muted;
  ctx.fillText(fitted(ctx, rest, right - x), x, base);
}

function paintTile(ctx: CanvasRenderingContext2D, s: Scene, index: number, r: Rect): void {
  const { palette: p } = s;
  const { x, y, w, h } = r;
  const kept = s.kept(index);
  const face = s.face(index);
  const hovered = s.hover === index;
  // The corners first: something else may have been here.
  ctx.fillStyle = p.background;
  ctx.fillRect(x, y, w, h);
  ctx.fillStyle = hovered ? p.tileHover : p.tile;
  ctx.strokeStyle = p.border;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.roundRect(x + 0.5, y + 0.5, w - 1, h - 1, RADIUS);
  ctx.fill();
  ctx.stroke();
  const pick = s.pickOf(face);
  if (pick >= 0) outline(ctx, r, p.picks[pick % p.picks.length]!);
  if (s.cursor === index && s.showCursor) outline(ctx, r, p.focus);
  if (!kept || !face) {
    ctx.fillStyle = p.faint;
    ctx.fillRect(x + PAD, y + 11, Math.min(w - 2 * PAD, 90), 7);
    ctx.fillRect(x + PAD, y + h - 14, w - 2 * PAD, 1);
    return;
  }
  const { tile } = kept;
  const at = hovered && s.across !== null ? s.across : null;
  const shown = at === null ? tile.last : (tile.values[slotAt(at, tile.values.length)] ?? null);
  const room = w - 2 * PAD;
  const slotMs = (kept.frame.to - kept.frame.from) / kept.frame.points;
  ctx.font = `12px ${FONT}`;
  ctx.fillStyle = p.text;
  ctx.fillText(fitted(ctx, face.title, room), x + PAD, y + 17);
  ctx.font = `600 13px ${FONT}`;
  const value = formatValue(shown, tile.unit);
  const valueWidth = ctx.measureText(value).width;
  // A series that has ended must not look as if it were so now.
  ctx.fillStyle = shown === null || (at === null && ended(tile.values, slotMs)) ? p.muted : p.text;
  ctx.fillText(value, x + PAD, y + 34);
  ctx.font = `11px ${FONT}`;
  ctx.fillStyle = p.muted;
  const sub = fitted(ctx, face.sub, room - valueWidth - 10);
  ctx.fillText(sub, x + w - PAD - ctx.measureText(sub).width, y + 34);
  spark(ctx, s, kept, x + PAD, y + CHART_TOP, room, h - CHART_TOP - CHART_BOTTOM);
  marks(ctx, s, index, kept, x + PAD, y + CHART_TOP, room, h - CHART_TOP - CHART_BOTTOM);
}

function outline(ctx: CanvasRenderingContext2D, { x, y, w, h }: Rect, colour: string): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2;
  ctx.beginPath();
  ctx.roundRect(x + 1, y + 1, w - 2, h - 2, RADIUS);
  ctx.stroke();
}

/** Where a point of the page is across the chart of a tile, 0..1. */
export function acrossTile(layout: Layout, index: number, x: number): number {
  const r = tileRect(layout, index);
  if (!r) return 0;
  return Math.min(1, Math.max(0, (x - r.x - PAD) / (r.w - 2 * PAD)));
}
