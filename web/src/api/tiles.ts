/**
 * The small charts of the wall: asked for in batches when they come into sight, given up when they are scrolled past,
 * kept while they are likely to be seen again. Must never ask for what is not wanted, and never hold more than its limit.
 */

import { sameLabels } from "../state/selector";
import { api, isAbort } from "./client";
import type { Tile } from "./types";

export const BATCH_MAX = 200;
const KEPT_MAX = 20_000;
const BATCHES_AT_ONCE = 3;

/** What all tiles on the wall have in common. */
export interface Frame {
  /** Start and end, milliseconds. */
  from: number;
  to: number;
  mode: "auto" | "raw";
  points: number;
  /** For a live range the moment it was drawn for, else 0: its end alone moves only slot by slot. */
  tick: number;
}

export interface Kept {
  tile: Tile;
  frame: Frame;
}

const sameFrame = (a: Frame, b: Frame): boolean =>
  a.from === b.from && a.to === b.to && a.mode === b.mode && a.points === b.points && a.tick === b.tick;

interface Batch {
  ids: Set<number>;
  frame: Frame;
  stop: AbortController;
}

type Fetcher = (frame: Frame, ids: number[], signal: AbortSignal) => Promise<Tile[]>;

const fromServer: Fetcher = async (frame, ids, signal) => {
  const body = {
    ids,
    start: frame.from / 1000,
    end: frame.to / 1000,
    points: frame.points,
    mode: frame.mode,
  };
  return (await api.tiles(body, signal)).tiles;
};

export class TileStore {
  /** In order of use: the first is the one that was not wanted for longest. */
  private kept = new Map<number, Kept>();
  /** Ids that the server does not know, until the next search. */
  private absent = new Set<number>();
  private batches = new Set<Batch>();
  private wanted: number[] = [];
  private frame: Frame | null = null;
  private restTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly changed: () => void,
    private readonly failed: (e: unknown) => void,
    /** An id names another series than before: the server was restarted, and all must be found anew. */
    private readonly strange: () => void = () => undefined,
    private readonly fetch: Fetcher = fromServer,
    private readonly keptMax = KEPT_MAX,
  ) {}

  /** What is known of a tile, perhaps of an earlier frame. */
  peek(id: number): Kept | undefined {
    return this.kept.get(id);
  }

  get size(): number {
    return this.kept.size;
  }

  get loading(): boolean {
    return this.batches.size > 0;
  }

  /** Says which tiles are wanted now, the most urgent first; all other questions are given up. */
  want(ids: number[], frame: Frame): void {
    this.wanted = ids;
    this.frame = frame;
    const set = new Set(ids);
    for (const batch of this.batches) {
      const useful = [...batch.ids].some((id) => set.has(id));
      // A live frame that has moved on is still worth its answer; another range or mode is not.
      const width = (f: Frame): number => f.to - f.from;
      const sameView = batch.frame.mode === frame.mode && width(batch.frame) === width(frame);
      if (!useful || !sameView) {
        this.batches.delete(batch);
        batch.stop.abort();
      }
    }
    for (const id of ids) this.touch(id);
    this.pump();
  }

  /** Forgets all: after a restart of the server the same numbers mean other series. */
  clear(): void {
    for (const batch of this.batches) batch.stop.abort();
    this.batches.clear();
    this.kept.clear();
    this.absent.clear();
    clearTimeout(this.restTimer);
  }

  /** Asks again for what was unknown: new series may have come. */
  forgetAbsent(): void {
    this.absent.clear();
  }

  private isOther(tile: Tile): boolean {
    const before = this.kept.get(tile.id)?.tile;
    return before !== undefined && (before.metric !== tile.metric || !sameLabels(before.labels, tile.labels));
  }

  private touch(id: number): void {
    const k = this.kept.get(id);
    if (!k) return;
    this.kept.delete(id);
    this.kept.set(id, k);
  }

  private pump(): void {
    const frame = this.frame;
    if (!frame) return;
    const underway = new Set<number>();
    for (const b of this.batches) for (const id of b.ids) underway.add(id);
    const missing = this.wanted.filter((id) => {
      if (underway.has(id) || this.absent.has(id)) return false;
      const k = this.kept.get(id);
      return !k || !sameFrame(k.frame, frame);
    });
    for (let at = 0; at < missing.length && this.batches.size < BATCHES_AT_ONCE; at += BATCH_MAX) {
      void this.send(missing.slice(at, at + BATCH_MAX), frame);
    }
  }

  private async send(ids: number[], frame: Frame): Promise<void> {
    const batch: Batch = { ids: new Set(ids), frame, stop: new AbortController() };
    this.batches.add(batch);
    try {
      const tiles = await this.fetch(frame, ids, batch.stop.signal);
      if (!this.batches.delete(batch)) return;
      if (tiles.some((t) => this.isOther(t))) {
        this.strange();
        return;
      }
      for (const tile of tiles) {
        batch.ids.delete(tile.id);
        this.kept.delete(tile.id);
        this.kept.set(tile.id, { tile, frame });
      }
      for (const id of batch.ids) this.absent.add(id);
      this.trim();
      this.changed();
      this.pump();
    } catch (e) {
      const current = this.batches.delete(batch);
      if (isAbort(e) || !current) return;
      this.failed(e);
      // The next want() asks again; a still wall does so after a rest.
      clearTimeout(this.restTimer);
      this.restTimer = setTimeout(() => this.pump(), 5000);
    }
  }

  private trim(): void {
    for (const id of this.kept.keys()) {
      if (this.kept.size <= this.keptMax) break;
      this.kept.delete(id);
    }
  }
}
