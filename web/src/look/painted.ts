/**
 * What is on the wall's canvas already: after a scroll the old pixels move, and only what came into sight or changed is
 * painted anew. Must never call anything current that it has not seen painted at that place.
 */
import type { Kept } from "../api/tiles";

/** What all of the canvas depends on: when one of these is another, nothing of it is worth keeping. */
export interface Ground {
  layout: object;
  palette: object;
  width: number;
  height: number;
  ratio: number;
  stale: boolean;
}

interface Seen {
  kept: Kept | undefined;
  /** Everything else that the tile shows: hover, cursor, pick. */
  mark: string;
}

const same = (a: Ground, b: Ground): boolean =>
  a.layout === b.layout &&
  a.palette === b.palette &&
  a.width === b.width &&
  a.height === b.height &&
  a.ratio === b.ratio &&
  a.stale === b.stale;

export class Painted {
  private ground: Ground | null = null;
  private top = 0;
  private tiles = new Map<number, Seen>();
  private before = new Map<number, Seen>();
  /** The heights that hold nothing of worth, from and to. */
  private lost: [number, number][] = [];

  /**
   * Begins a picture at `top` (on whole device pixels): moves what can be kept, and fills the rest with the background.
   * `pinned` pixels at the top edge never move with the rest.
   */
  begin(
    ctx: CanvasRenderingContext2D,
    ground: Ground,
    top: number,
    background: string,
    pinned: number,
  ): void {
    const { width, height, ratio } = ground;
    const down = top - this.top;
    const useful = this.ground !== null && same(this.ground, ground) && Math.abs(down) < height;
    this.ground = { ...ground };
    this.top = top;
    this.before = useful ? this.tiles : new Map();
    this.tiles = new Map();
    this.lost = [];
    if (!useful) this.lost.push([0, height]);
    else if (down !== 0) {
      ctx.setTransform(1, 0, 0, 1, 0, 0);
      ctx.drawImage(ctx.canvas, 0, Math.round(-down * ratio));
      if (down > 0) this.lost.push([0, pinned], [height - down, height]);
      else this.lost.push([0, pinned - down]);
    }
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = background;
    for (const [from, to] of this.lost) ctx.fillRect(0, from, width, to - from);
  }

  /** Whether anything between two heights is to be painted anew, wherever it came from. */
  isLost(from: number, to: number): boolean {
    return this.lost.some(([a, b]) => from < b && to > a);
  }

  /** Notes what a tile shows now; whether it has to be painted for that. */
  tile(index: number, kept: Kept | undefined, mark: string, from: number, to: number): boolean {
    const old = this.before.get(index);
    this.tiles.set(index, { kept, mark });
    return !old || old.kept !== kept || old.mark !== mark || this.isLost(from, to);
  }
}

/** Gives a canvas a size in CSS pixels, sharp on this screen; whether it is empty after. */
export function fitCanvas(canvas: HTMLCanvasElement, width: number, height: number): boolean {
  const ratio = Math.min(window.devicePixelRatio || 1, 3);
  const w = Math.round(width * ratio);
  const h = Math.round(height * ratio);
  const other = canvas.width !== w || canvas.height !== h;
  if (other) {
    canvas.width = w;
    canvas.height = h;
  }
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  return other;
}
