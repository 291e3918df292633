/**
 * The wall's controller: knows the found series, the layout, the place scrolled to, the cursor and the pointer; asks
 * the tile store for what is in sight and one screen ahead; repaints once per frame at most. Must never know how
 * anything else on the page looks, and never write the view but through its callbacks.
 */
import type { Frame, Kept } from "../api/tiles";
import type { FindGroup, Found } from "../api/types";
import { Demand, type DemandEvents } from "./demand";
import { faceOf } from "./face";
import { anchorAt, anchorTop, groupOf, type Layout, layOut, tileRect, visible } from "./layout";
import { type Direction, neighbour, nextOpen } from "./moves";
import { acrossTile, type Face, type Palette, paint } from "./paint";
import { fitCanvas, Painted } from "./painted";

export const SIZES = { tileMin: 184, tileHeight: 88, headerHeight: 34, gap: 6, margin: 12 };
const NARROW = { ...SIZES, tileMin: 150, margin: 8 };

export interface WallEvents extends DemandEvents {
  /** The place scrolled to changed (after a rest). */
  anchor: (at: string) => void;
  /** Something a person may want to read changed: hover, cursor, tiles in sight. */
  readout: () => void;
}

export const groupKey = (g: FindGroup): string => [g.kind, g.parent ?? "", g.title].join("/");

export class Wall {
  found: Found | null = null;
  layout: Layout = layOut([], new Set(), 300, SIZES);
  cursor = -1;
  hover = -1;
  across: number | null = null;
  drag: { index: number; from: number; to: number } | null = null;
  picks: string[] = [];
  focused = false;
  stale = false;

  private keys: string[] = [];
  private shut: ReadonlySet<string> = new Set();
  private faces = new Map<number, Face>();
  private palette: Palette | null = null;
  private width = 0;
  private height = 0;
  private painting = 0;
  private painted = new Painted();
  private restTimer: ReturnType<typeof setTimeout> | undefined;
  private wantedAnchor: string | null = null;
  private readonly demand: Demand;

  constructor(
    private readonly box: HTMLElement,
    private readonly space: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly events: WallEvents,
  ) {
    this.demand = new Demand(
      () =>
        this.found && {
          layout: this.layout,
          ids: this.found.ids,
          top: this.box.scrollTop,
          height: this.height,
        },
      {
        loaded: () => {
          this.stale = false;
          this.events.loaded();
          this.events.readout();
          this.repaint();
        },
        failed: (e) => {
          this.stale = true;
          this.events.failed(e);
          this.repaint();
        },
        strange: this.events.strange,
      },
    );
  }

  /** New results of a search. `top` = it is another search, so begin at its top. */
  setFound(found: Found, top: boolean): void {
    const before = this.found;
    this.demand.renewed(before !== null && before.epoch !== found.epoch);
    const cursorId = this.idAt(this.cursor);
    const anchor = top ? "" : (this.wantedAnchor ?? anchorAt(this.layout, this.box.scrollTop));
    this.found = found;
    this.keys = found.groups.map(groupKey);
    this.faces.clear();
    this.cursor = cursorId === undefined ? -1 : found.ids.indexOf(cursorId);
    this.hover = -1;
    this.relayout(anchor);
  }

  setShut(shut: string[]): void {
    const anchor = anchorAt(this.layout, this.box.scrollTop);
    this.shut = new Set(shut);
    this.relayout(this.wantedAnchor ?? anchor);
  }

  setFrame(frame: Frame): void {
    this.demand.setFrame(frame);
  }

  setPalette(palette: Palette): void {
    this.palette = palette;
    this.repaint();
  }

  /** Where to be once there is something to scroll. */
  restore(anchor: string): void {
    this.wantedAnchor = anchor;
  }

  resize(): void {
    const anchor = this.wantedAnchor ?? anchorAt(this.layout, this.box.scrollTop);
    this.width = this.box.clientWidth;
    this.height = this.box.clientHeight;
    if (fitCanvas(this.canvas, this.width, this.height)) this.painted = new Painted();
    this.relayout(anchor);
    // A chart that opens takes height away: the tile that it shows stays in sight.
    if (this.cursor >= 0 && this.found) this.setCursor(this.cursor);
  }

  /** Goes to a place, as the browser's history does. */
  jump(anchor: string): void {
    this.relayout(anchor);
  }

  private relayout(anchor: string): void {
    const groups = (this.found?.groups ?? []).map((g, i) => ({
      key: this.keys[i]!,
      first: g.first,
      count: g.count,
      titleChars: g.title.length + (g.parent?.length ?? 0),
    }));
    this.layout = layOut(groups, this.shut, this.width, this.width < 500 ? NARROW : SIZES);
    this.space.style.height = `${Math.max(this.layout.height, this.height)}px`;
    if (this.found && this.height > 0) {
      const top = anchorTop(this.layout, anchor);
      if (top !== null && anchorAt(this.layout, this.box.scrollTop) !== anchor) this.box.scrollTop = top;
      this.wantedAnchor = null;
    }
    this.demand.soon();
    this.repaint();
    this.events.readout();
  }

  /** The box was scrolled. */
  scrolled(): void {
    this.repaint();
    this.demand.scrolled();
    clearTimeout(this.restTimer);
    this.restTimer = setTimeout(() => {
      if (this.found) this.events.anchor(anchorAt(this.layout, this.box.scrollTop));
      this.events.readout();
    }, 200);
  }

  idAt(index: number): number | undefined {
    return index < 0 ? undefined : this.found?.ids[index];
  }

  keptAt(index: number): Kept | undefined {
    const id = this.idAt(index);
    return id === undefined ? undefined : this.demand.peek(id);
  }

  faceAt(index: number): Face | undefined {
    const id = this.idAt(index);
    if (id === undefined) return undefined;
    const known = this.faces.get(id);
    if (known) return known;
    const kept = this.demand.peek(id);
    if (!kept) return undefined;
    const group = this.found?.groups[groupOf(this.layout, index)];
    // The nearest first: what differs from them is what tells a tile apart.
    const beside = [1, -1, 2, -2, 3, -3, 4, -4]
      .map((step) => index + step)
      .filter((i) => group && i >= group.first && i < group.first + group.count)
      .flatMap((i) => this.keptAt(i)?.tile ?? [])
      .filter((t) => t.metric === kept.tile.metric)
      .map((t) => t.labels);
    const face = faceOf(kept.tile, group, beside);
    this.faces.set(id, face);
    return face;
  }

  /** Indices of the tiles in sight, in order. */
  inSight(): number[] {
    const top = this.box.scrollTop;
    const all: number[] = [];
    for (const row of visible(this.layout, top, top + this.height).rows) {
      for (let i = 0; i < row.count; i++) all.push(row.first + i);
    }
    return all;
  }

  /** What the charts in sight were last asked for. */
  get frameShown(): Frame | null {
    return this.demand.shown;
  }

  /** Moves the cursor; the first move only shows it, at the first tile in sight. */
  move(direction: Direction): void {
    if (this.cursor < 0) this.setCursor(this.inSight()[0] ?? 0);
    else this.setCursor(neighbour(this.layout, this.cursor, direction));
  }

  moveGroup(step: 1 | -1): void {
    const here = this.cursor < 0 ? (this.inSight()[0] ?? 0) : this.cursor;
    const g = nextOpen(this.layout, groupOf(this.layout, here), step);
    if (g >= 0) this.setCursor(this.layout.groups[g]!.first);
  }

  moveTo(end: "first" | "last"): void {
    const count = this.found?.ids.length ?? 0;
    if (count > 0) this.setCursor(end === "first" ? 0 : count - 1);
  }

  /** Puts the cursor on a tile and brings it into sight. */
  setCursor(index: number): void {
    if (!this.found || index < 0 || index >= this.found.ids.length) return;
    this.cursor = index;
    const r = tileRect(this.layout, index);
    if (r) {
      const top = this.box.scrollTop;
      const head = this.layout.sizes.headerHeight;
      if (r.y - head < top) this.box.scrollTop = r.y - head;
      else if (r.y + r.h + 8 > top + this.height) this.box.scrollTop = r.y + r.h + 8 - this.height;
    }
    this.repaint();
    this.events.readout();
  }

  /** The pointer is at this point of the box, or gone. */
  point(index: number, x: number): void {
    const across = index < 0 ? null : acrossTile(this.layout, index, x);
    if (index === this.hover && across === this.across) return;
    this.hover = index;
    this.across = across;
    this.repaint();
    this.events.readout();
  }

  /** The canvas may have lost its picture: all of it is painted anew. */
  renew(): void {
    this.painted = new Painted();
    this.repaint();
  }

  repaint(): void {
    if (this.painting !== 0) return;
    this.painting = requestAnimationFrame(() => {
      this.painting = 0;
      this.paintNow();
    });
  }

  private paintNow(): void {
    const ctx = this.canvas.getContext("2d", { alpha: false });
    if (!ctx || !this.palette || this.width === 0) return;
    const scene = {
      layout: this.layout,
      scrollTop: this.box.scrollTop,
      width: this.width,
      height: this.height,
      ratio: this.canvas.width / this.width,
      palette: this.palette,
      kept: (i: number) => this.keptAt(i),
      face: (i: number) => this.faceAt(i),
      group: (g: number) => {
        const group = this.found!.groups[g]!;
        return {
          title: group.title,
          parent: group.parent ?? "",
          kind: group.kind,
          count: group.count,
          shut: this.shut.has(this.keys[g]!),
        };
      },
      pickOf: (face: Face | undefined) => (face ? this.picks.indexOf(face.selector) : -1),
      cursor: this.cursor,
      showCursor: this.focused,
      hover: this.hover,
      across: this.across,
      drag: this.drag,
      stale: this.stale,
    };
    paint(ctx, scene, this.painted);
  }

  close(): void {
    this.demand.close();
    clearTimeout(this.restTimer);
    cancelAnimationFrame(this.painting);
  }
}
