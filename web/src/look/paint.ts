/**
 * Paints the wall: only what is in sight, on one canvas, from plain arguments. Must never keep state but its cache of
 * cut texts, never touch the DOM beyond the canvas, and never ask for data.
 */

import type { Kept } from "../api/tiles";
import { formatCount, formatValue } from "../format/units";
import { kindPath } from "../ui/kinds";
import { type Layout, tileRect, visible } from "./layout";

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
const PAD = 8;
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

/** The lowest and highest value of a small chart's axis, and whether the area down to it means something. */
export function tileScale(kept: Kept): { low: number; high: number; fromZero: boolean } {
  const { values, unit, mode } = kept.tile;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const v of values) {
    if (v === null || !Number.isFinite(v)) continue;
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (low > high) return { low: 0, high: 1, fromZero: true };
  const fromZero = low >= 0 && (mode === "rate" || unit === "ratio" || high - low > 0.25 * high);
  if (fromZero) return { low: 0, high: high === 0 ? 1 : high, fromZero };
  if (low === high)
    return { low: low - Math.abs(low || 1) * 0.5, high: high + Math.abs(high || 1) * 0.5, fromZero };
  return { low, high, fromZero };
}

/** Paints all of it. */
export function paint(ctx: CanvasRenderingContext2D, s: Scene): void {
  const { palette: p } = s;
  ctx.setTransform(s.ratio, 0, 0, s.ratio, 0, 0);
  ctx.fillStyle = p.background;
  ctx.fillRect(0, 0, s.width, s.height);
  ctx.textBaseline = "alphabetic";
  const seen = visible(s.layout, s.scrollTop, s.scrollTop + s.height);
  for (const row of seen.rows) {
    for (let i = 0; i < row.count; i++) paintTile(ctx, s, row.first + i, row.y - s.scrollTop, i);
  }
  for (const g of seen.headers) paintHeader(ctx, s, g, s.layout.tops[g]! - s.scrollTop);
  paintStickyHeader(ctx, s);
}

function paintStickyHeader(ctx: CanvasRenderingContext2D, s: Scene): void {
  const { layout: l } = s;
  const first = visible(l, s.scrollTop, s.scrollTop + 1).rows[0];
  if (!first || l.tops[first.group]! >= s.scrollTop) return;
  const next = l.tops[first.group + 1] ?? Number.POSITIVE_INFINITY;
  const y = Math.min(0, next - s.scrollTop - l.sizes.headerHeight);
  ctx.fillStyle = s.palette.background;
  ctx.fillRect(0, y, s.width, l.sizes.headerHeight);
  paintHeader(ctx, s, first.group, y);
  ctx.fillStyle = s.palette.border;
  ctx.fillRect(0, y + l.sizes.headerHeight - 1, s.width, 1);
}

function paintHeader(ctx: CanvasRenderingContext2D, s: Scene, g: number, y: number): void {
  const { palette: p, layout: l } = s;
  const face = s.group(g);
  const base = y + l.sizes.headerHeight - 10;
  let x = l.sizes.margin;
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
  const room = s.width - l.sizes.margin - x;
  ctx.font = `600 13px ${FONT}`;
  ctx.fillStyle = p.text;
  const title = fitted(ctx, face.title, room * 0.62);
  ctx.fillText(title, x, base);
  x += ctx.measureText(title).width + 8;
  ctx.font = `12px ${FONT}`;
  ctx.fillStyle = p.muted;
  const rest = [face.parent, `${formatCount(face.count)}`].filter(Boolean).join(" · ");
  ctx.fillText(fitted(ctx, rest, s.width - l.sizes.margin - x), x, base);
}

function paintTile(ctx: CanvasRenderingContext2D, s: Scene, index: number, y: number, column: number): void {
  const { layout: l, palette: p } = s;
  const x = l.sizes.margin + column * (l.tileWidth + l.sizes.gap);
  const w = l.tileWidth;
  const h = l.sizes.tileHeight;
  const kept = s.kept(index);
  const face = s.face(index);
  const hovered = s.hover === index;
  ctx.fillStyle = hovered ? p.tileHover : p.tile;
  ctx.fillRect(x, y, w, h);
  const pick = s.pickOf(face);
  if (pick >= 0) outline(ctx, x, y, w, h, p.picks[pick % p.picks.length]!, 2);
  if (s.cursor === index && s.showCursor) outline(ctx, x, y, w, h, p.focus, 2);
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
  ctx.font = `12px ${FONT}`;
  ctx.fillStyle = p.text;
  ctx.fillText(fitted(ctx, face.title, room), x + PAD, y + 17);
  ctx.font = `600 13px ${FONT}`;
  const value = formatValue(shown, tile.unit);
  const valueWidth = ctx.measureText(value).width;
  // A series that has ended must not look as if it were so now.
  ctx.fillStyle = shown === null || (at === null && ended(tile.values)) ? p.muted : p.text;
  ctx.fillText(value, x + PAD, y + 34);
  ctx.font = `11px ${FONT}`;
  ctx.fillStyle = p.muted;
  const sub = fitted(ctx, face.sub, room - valueWidth - 10);
  ctx.fillText(sub, x + w - PAD - ctx.measureText(sub).width, y + 34);
  spark(ctx, s, kept, x + PAD, y + CHART_TOP, room, h - CHART_TOP - CHART_BOTTOM);
  marks(ctx, s, index, kept, x + PAD, y + CHART_TOP, room, h - CHART_TOP - CHART_BOTTOM);
}

/** Whether the last slots hold nothing: one or two may be merely not filled yet. */
function ended(values: readonly (number | null)[]): boolean {
  return values.length > 4 && values.slice(-4).every((v) => v === null);
}

export const slotAt = (across: number, slots: number): number =>
  Math.min(slots - 1, Math.max(0, Math.round(across * (slots - 1))));

function outline(
  ctx: CanvasRenderingContext2D,
  x: number,
  y: number,
  w: number,
  h: number,
  colour: string,
  width: number,
): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.strokeRect(x + width / 2, y + width / 2, w - width, h - width);
}

function spark(
  ctx: CanvasRenderingContext2D,
  s: Scene,
  kept: Kept,
  x: number,
  y: number,
  w: number,
  h: number,
): void {
  const { values } = kept.tile;
  const n = values.length;
  if (n === 0) return;
  const { low, high, fromZero } = tileScale(kept);
  const sx = n > 1 ? w / (n - 1) : 0;
  const sy = h / (high - low);
  const line = new Path2D();
  const area = new Path2D();
  let open = -1;
  const close = (end: number): void => {
    if (open < 0) return;
    area.lineTo(x + end * sx, y + h);
    area.lineTo(x + open * sx, y + h);
    area.closePath();
    open = -1;
  };
  for (let i = 0; i < n; i++) {
    const v = values[i];
    if (v === null || v === undefined || !Number.isFinite(v)) {
      close(i - 1);
      continue;
    }
    const px = x + i * sx;
    const py = y + h - (v - low) * sy;
    if (open < 0) {
      open = i;
      line.moveTo(px, py);
      area.moveTo(px, y + h);
      area.lineTo(px, py);
      // A sample between two gaps would be no line at all: give it one slot's width.
      const next = values[i + 1];
      if (next === null || next === undefined) line.lineTo(Math.min(px + 1.5, x + w), py);
    } else {
      line.lineTo(px, py);
      area.lineTo(px, py);
    }
  }
  close(n - 1);
  ctx.globalAlpha = s.stale ? 0.5 : 1;
  if (fromZero) {
    ctx.fillStyle = s.palette.area;
    ctx.fill(area);
  }
  ctx.strokeStyle = s.palette.line;
  ctx.lineWidth = 1.25;
  ctx.lineJoin = "round";
  ctx.stroke(line);
  ctx.globalAlpha = 1;
}

/** The pointer's moment on every tile, the dot on the one under it, and the part being dragged over. */
function marks(
  ctx: CanvasRenderingContext2D,
  s: Scene,
  index: number,
  kept: Kept,
  x: number,
  y: number,
  w: number,
  h: number,
): void {
  if (s.drag) {
    const a = Math.min(s.drag.from, s.drag.to);
    const b = Math.max(s.drag.from, s.drag.to);
    ctx.globalAlpha = s.drag.index === index ? 0.3 : 0.12;
    ctx.fillStyle = s.palette.focus;
    ctx.fillRect(x + a * w, y, (b - a) * w, h);
    ctx.globalAlpha = 1;
    return;
  }
  if (s.across === null) return;
  const px = Math.round(x + s.across * w);
  ctx.globalAlpha = s.hover === index ? 0.9 : 0.35;
  ctx.fillStyle = s.palette.muted;
  ctx.fillRect(px, y, 1, h);
  ctx.globalAlpha = 1;
  if (s.hover !== index) return;
  const slot = slotAt(s.across, kept.tile.values.length);
  const v = kept.tile.values[slot];
  if (v === null || v === undefined || !Number.isFinite(v)) return;
  const { low, high } = tileScale(kept);
  ctx.fillStyle = s.palette.line;
  ctx.beginPath();
  ctx.arc(x + (slot / (kept.tile.values.length - 1)) * w, y + h - ((v - low) / (high - low)) * h, 3, 0, 7);
  ctx.fill();
}

/** Where a point of the page is across the chart of a tile, 0..1. */
export function acrossTile(layout: Layout, index: number, x: number): number {
  const r = tileRect(layout, index);
  if (!r) return 0;
  return Math.min(1, Math.max(0, (x - r.x - PAD) / (r.w - 2 * PAD)));
}
