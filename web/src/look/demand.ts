/**
 * Which small charts are asked for, and when: those in sight first, then one screen ahead in the direction of scrolling;
 * nothing while someone flies past. Must never ask by numbers that may mean other series.
 */
import { type Frame, type Kept, TileStore } from "../api/tiles";
import { type Layout, visible } from "./layout";

/** What is in sight now. */
export interface Sight {
  layout: Layout;
  ids: readonly number[];
  top: number;
  height: number;
}

export interface DemandEvents {
  loaded: () => void;
  failed: (e: unknown) => void;
  /** What was found is not what the server has now. */
  strange: () => void;
}

/** At least this long between two questions while scrolling. */
const PACE_MS = 150;
/** How long a rest tells that flying is over. */
const REST_MS = 80;

export class Demand {
  /** After a failure numbers may mean other series: nothing is asked for until all was found again. */
  private distrusted = false;
  private frame: Frame | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lastAt = 0;
  private lastTop = 0;
  private readonly store: TileStore;

  constructor(
    private readonly sight: () => Sight | null,
    events: DemandEvents,
  ) {
    this.store = new TileStore(
      events.loaded,
      (e) => {
        this.distrusted = true;
        events.failed(e);
      },
      () => {
        this.distrusted = true;
        events.strange();
      },
    );
  }

  peek(id: number): Kept | undefined {
    return this.store.peek(id);
  }

  get shown(): Frame | null {
    return this.frame;
  }

  setFrame(frame: Frame): void {
    this.frame = frame;
    this.soon();
  }

  /** A search was answered; `other` = by another run of the server. */
  renewed(other: boolean): void {
    this.distrusted = false;
    if (other) this.store.clear();
    this.store.forgetAbsent();
  }

  scrolled(): void {
    const s = this.sight();
    if (!s) return;
    const now = performance.now();
    const screens = Math.abs(s.top - this.lastTop) / Math.max(s.height, 1);
    this.soon(now - this.lastAt > PACE_MS && screens < 1.5 ? 0 : REST_MS);
    if (now - this.lastAt > PACE_MS) this.lastTop = s.top;
  }

  soon(delay = 0): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), delay);
  }

  private now(): void {
    this.lastAt = performance.now();
    const s = this.sight();
    if (!this.frame || !s || s.height === 0 || this.distrusted) return;
    const { top, height } = s;
    const down = top >= this.lastTop;
    this.lastTop = top;
    const here = between(s, top, top + height);
    const ahead = down ? between(s, top + height, top + 2 * height) : between(s, top - height, top);
    this.store.want([...new Set([...here, ...ahead])], this.frame);
  }

  close(): void {
    this.store.clear();
    clearTimeout(this.timer);
  }
}

/** The ids of the tiles between two heights. */
function between(s: Sight, from: number, to: number): number[] {
  const ids: number[] = [];
  for (const row of visible(s.layout, Math.max(0, from), to).rows) {
    for (let i = 0; i < row.count; i++) ids.push(s.ids[row.first + i]!);
  }
  return ids;
}
