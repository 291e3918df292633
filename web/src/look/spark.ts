/**
 * The small chart inside a tile: its axis, its line and area, the pointer's moment and the part dragged over. Must never
 * draw outside the rectangle that it is given.
 */
import type { Kept } from "../api/tiles";
import type { Scene } from "./paint";

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

export const slotAt = (across: number, slots: number): number =>
  Math.min(slots - 1, Math.max(0, Math.round(across * (slots - 1))));

/** The width of a sample that has no neighbours, pixels. */
const LONE = 4;

/** How long nothing must have come before a value is shown as a former one, milliseconds: slow readings come each minute. */
const ENDED_MS = 90_000;

/** Whether the last slots hold nothing: one or two may be merely not filled yet. */
export function ended(values: readonly (number | null)[], slotMs: number): boolean {
  const slots = Math.max(4, Math.ceil(ENDED_MS / Math.max(slotMs, 1)));
  return values.length > slots && values.slice(-slots).every((v) => v === null);
}

/** Whether all that came is one value. */
export function constant(values: readonly (number | null)[]): boolean {
  let first: number | null = null;
  for (const v of values) {
    if (v === null) continue;
    if (first === null) first = v;
    else if (v !== first) return false;
  }
  return true;
}

export function spark(
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
      area.moveTo(px, y + h);
      area.lineTo(px, py);
      // A sample between two gaps would be no line at all: give it a little width.
      const next = values[i + 1];
      const alone = next === null || next === undefined;
      const from = alone ? Math.max(x, Math.min(px - LONE / 2, x + w - LONE)) : px;
      line.moveTo(from, py);
      if (alone) line.lineTo(from + LONE, py);
    } else {
      line.lineTo(px, py);
      area.lineTo(px, py);
    }
  }
  close(n - 1);
  const still = constant(values);
  ctx.globalAlpha = s.stale ? 0.5 : still ? 0.6 : 1;
  if (fromZero && !still) {
    ctx.fillStyle = s.palette.area;
    ctx.fill(area);
  }
  // What never moves should not draw the eye from what does.
  ctx.strokeStyle = still ? s.palette.muted : s.palette.line;
  ctx.lineWidth = 1.25;
  ctx.lineJoin = "round";
  ctx.stroke(line);
  ctx.globalAlpha = 1;
}

/** The pointer's moment on every tile, the dot on the one under it, and the part being dragged over. */
export function marks(
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
