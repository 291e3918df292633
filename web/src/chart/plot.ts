/**
 * The large chart in uPlot: lines with the band from least to greatest, gaps shaded, earlier periods dashed, drag to
 * zoom with mouse or finger. Must never ask for data, and never turn a text into HTML.
 */
import uPlot from "uplot";
import { formatTimeTicks, timeTickSteps } from "../format/time";
import { formatTicks, tickSteps } from "../format/units";
import type { Merged } from "./data";

export interface PlotColours {
  text: string;
  grid: string;
  gap: string;
  change: string;
  lines: string[];
}

export interface PlotInput {
  data: Merged;
  /** Shown range, seconds. */
  from: number;
  to: number;
  gaps: readonly { from_ms: number; to_ms: number }[];
  /** Moments of changes that concern it, milliseconds. */
  changes: readonly number[];
  colours: PlotColours;
  width: number;
  height: number;
}

export interface PlotEvents {
  /** Where the lines lie in the host, CSS pixels; told whenever it was drawn. */
  area: (area: { left: number; width: number }) => void;
  /** A part was dragged over; with Shift: it is to be compared. */
  zoom: (fromMs: number, toMs: number, compare: boolean) => void;
  /** The index on the time axis under the pointer, or null. */
  point: (index: number | null) => void;
  /** A drag is over in which other data had come: they are still to be shown. */
  released: () => void;
}

const FONT = "12px system-ui, sans-serif";

const faded = (colour: string, part: number): string =>
  `${colour}${Math.round(part * 255)
    .toString(16)
    .padStart(2, "0")}`;

/** A scale per unit, so that bytes are never read off an axis of seconds. */
const scaleName = (d: Merged, unit: string): string => `y${d.units.indexOf(unit)}`;

function series(input: PlotInput): {
  series: uPlot.Series[];
  bands: uPlot.Band[];
  columns: uPlot.AlignedData;
} {
  const { data: d, colours: c } = input;
  const list: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  const columns: (number | null)[][] = [];
  // Earlier periods first, so that they lie under the present.
  const order = d.lines.map((_, i) => i).sort((a, b) => d.lines[b]!.offset - d.lines[a]!.offset);
  const several = d.lines.filter((l) => l.offset === 0).length > 1;
  const showBands = d.lines.filter((l) => l.offset === 0).length <= 6;
  for (const i of order) {
    const line = d.lines[i]!;
    const column = d.columns[i]!;
    const stroke = c.lines[line.colour % c.lines.length]!;
    const scale = scaleName(d, line.unit);
    if (line.offset === 0 && showBands) {
      const edge: uPlot.Series = { scale, width: 0, points: { show: false } };
      bands.push({ series: [list.length, list.length + 1], fill: faded(stroke, several ? 0.08 : 0.2) });
      list.push({ ...edge }, { ...edge });
      columns.push(column.max, column.min);
    }
    const dash = [3600, 86400, 604800].indexOf(line.offset);
    list.push({
      scale,
      stroke: line.offset === 0 ? stroke : several ? faded(stroke, 0.7) : c.text,
      width: line.offset === 0 ? 1.5 : 1.2,
      ...(line.offset === 0
        ? {}
        : {
            dash: [
              [6, 4],
              [2, 3],
              [10, 4, 2, 4],
            ][Math.max(dash, 0)]!,
          }),
      points: { show: lonely(column.avg) },
      spanGaps: false,
    });
    columns.push(column.avg);
  }
  return { series: list, bands, columns: [d.t, ...columns] as uPlot.AlignedData };
}

/** Whether there are so few values that a line alone would show nothing. */
function lonely(values: (number | null)[]): boolean {
  let n = 0;
  for (const v of values) if (v !== null && ++n > 3) return false;
  return true;
}

function axes(input: PlotInput): uPlot.Axis[] {
  const { data: d, colours: c } = input;
  const common = {
    font: FONT,
    stroke: c.text,
    grid: { stroke: c.grid, width: 1 },
    ticks: { stroke: c.grid, width: 1 },
  };
  const time: uPlot.Axis = {
    ...common,
    incrs: timeTickSteps(),
    space: 80,
    size: 30,
    values: (_u, splits) => formatTimeTicks(splits, (splits[1] ?? 0) - (splits[0] ?? 0)),
  };
  const shown = d.units.slice(0, 2).map(
    (unit, i): uPlot.Axis => ({
      ...common,
      scale: `y${i}`,
      side: i === 0 ? 3 : 1,
      incrs: tickSteps(unit),
      space: 34,
      size: (_u, values) => 18 + 7 * Math.max(3, ...(values ?? []).map((v) => String(v).length)),
      values: (_u, splits) => formatTicks(splits, unit),
      ...(i === 0 ? {} : { grid: { show: false } }),
    }),
  );
  return [time, ...shown];
}

function scales(d: Merged): uPlot.Scales {
  const all: uPlot.Scales = { x: { time: false } };
  d.units.forEach((unit, i) => {
    all[`y${i}`] = {
      range: (_u, min, max) => {
        if (min === null || max === null || !Number.isFinite(min)) return [0, 1];
        const fromZero = min >= 0 && (unit.endsWith("/s") || unit === "ratio" || max - min > 0.25 * max);
        if (min === max) return min === 0 ? [0, 1] : min > 0 ? [0, max * 1.25] : [min * 1.25, 0];
        // Room above the line: of what is shown, not of what the line moves.
        const pad = (max - (fromZero ? 0 : min)) * 0.08;
        return [fromZero ? 0 : min - pad, max + pad];
      },
    };
  });
  return all;
}

/** Gaps as shaded stripes behind the lines. */
function drawGaps(u: uPlot, gaps: PlotInput["gaps"], colour: string): void {
  const { left, top, width, height } = u.bbox;
  u.ctx.save();
  u.ctx.beginPath();
  u.ctx.rect(left, top, width, height);
  u.ctx.clip();
  u.ctx.fillStyle = colour;
  for (const gap of gaps.slice(0, 2000)) {
    const a = u.valToPos(gap.from_ms / 1000, "x", true);
    const b = u.valToPos(gap.to_ms / 1000, "x", true);
    u.ctx.fillRect(a, top, Math.max(b - a, 2), height);
  }
  u.ctx.restore();
}

/** A line for each change, behind the lines of the data. */
function drawChanges(u: uPlot, changes: readonly number[], colour: string): void {
  const { left, top, width, height } = u.bbox;
  u.ctx.save();
  u.ctx.strokeStyle = colour;
  u.ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  u.ctx.lineWidth = devicePixelRatio;
  for (const ms of changes) {
    const x = Math.round(u.valToPos(ms / 1000, "x", true)) + 0.5;
    if (x < left || x > left + width) continue;
    u.ctx.beginPath();
    u.ctx.moveTo(x, top);
    u.ctx.lineTo(x, top + height);
    u.ctx.stroke();
  }
  u.ctx.restore();
}

/** A finger drags as the mouse does; up and down still scroll. */
function touchDrag(u: uPlot, zoom: (from: number, to: number) => void): void {
  let start: number | null = null;
  const x = (e: PointerEvent): number =>
    Math.min(Math.max(e.clientX - u.over.getBoundingClientRect().left, 0), u.over.clientWidth);
  const select = (a: number, b: number): void =>
    u.setSelect({ left: Math.min(a, b), width: Math.abs(b - a), top: 0, height: u.over.clientHeight }, false);
  u.over.addEventListener("pointerdown", (e) => {
    if (e.pointerType === "mouse") return;
    start = x(e);
    u.over.setPointerCapture(e.pointerId);
  });
  u.over.addEventListener("pointermove", (e) => {
    if (start === null || e.pointerType === "mouse") return;
    u.setCursor({ left: x(e), top: 10 });
    if (Math.abs(x(e) - start) > 8) select(start, x(e));
  });
  const end = (e: PointerEvent): void => {
    if (start === null) return;
    const a = start;
    start = null;
    select(0, 0);
    const b = x(e);
    if (e.type === "pointerup" && Math.abs(b - a) > 8)
      zoom(u.posToVal(Math.min(a, b), "x"), u.posToVal(Math.max(a, b), "x"));
  };
  u.over.addEventListener("pointerup", end);
  u.over.addEventListener("pointercancel", end);
}

/** What must be the same for new data to go into the same plot. */
function shapeOf(input: PlotInput): string {
  const lines = input.data.lines.map((l) => [l.selector, l.name, l.unit, l.colour, l.offset]);
  const points = input.data.columns.map((c) => lonely(c.avg));
  return JSON.stringify([lines, points, input.colours, input.width, input.height]);
}

/** Tells when a button or a finger is down on the plot: what is drawn anew just then would forget where a drag began. */
function watchHolding(u: uPlot, change: (isHeld: boolean) => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const down = (): void => {
    clearTimeout(timer);
    change(true);
  };
  // The plot ends its drag when the button's own event comes, which is after the pointer's.
  const up = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => change(false), 50);
  };
  u.over.addEventListener("pointerdown", down);
  addEventListener("pointerup", up);
  addEventListener("pointercancel", up);
  return () => {
    clearTimeout(timer);
    removeEventListener("pointerup", up);
    removeEventListener("pointercancel", up);
  };
}

export interface Plot {
  /** Shows other data, after the drag that goes on; false when it needs a new plot. */
  update: (input: PlotInput) => boolean;
  destroy: () => void;
}

/** Draws into `host`, which must be empty. */
export function plot(host: HTMLElement, first: PlotInput, events: PlotEvents): Plot {
  let input = first;
  const shape = shapeOf(first);
  const made = series(first);
  let shift = false;
  const zoom = (from: number, to: number): void => events.zoom(from * 1000, to * 1000, shift);
  const options: uPlot.Options = {
    width: first.width,
    height: first.height,
    series: made.series,
    bands: made.bands,
    axes: axes(first),
    scales: { ...scales(first.data), x: { time: false, range: () => [input.from, input.to] } },
    legend: { show: false },
    padding: [10, 12, 0, 0],
    cursor: {
      drag: { x: true, y: false, setScale: false },
      points: { size: 7 },
      // The edges of bands are no lines of their own.
      dataIdx: (u, i, closest) => (u.series[i]?.width === 0 ? (null as unknown as number) : closest),
    },
    hooks: {
      // Before it is drawn for the first time it has no place yet.
      draw: [(u) => events.area({ left: u.over.offsetLeft, width: u.over.clientWidth })],
      drawClear: [
        (u) => {
          drawGaps(u, input.gaps, input.colours.gap);
          drawChanges(u, input.changes, input.colours.change);
        },
      ],
      setCursor: [(u) => events.point(u.cursor.idx ?? null)],
      setSelect: [
        (u) => {
          const { left, width } = u.select;
          if (width < 6) return;
          zoom(u.posToVal(left, "x"), u.posToVal(left + width, "x"));
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        },
      ],
      ready: [
        (u) => {
          touchDrag(u, zoom);
          u.over.addEventListener("pointerdown", (e) => {
            shift = e.shiftKey;
          });
        },
      ],
    },
  };
  const u = new uPlot(options, made.columns, host);
  let held = false;
  let missed = false;
  const forget = watchHolding(u, (isHeld) => {
    const ends = held && !isHeld;
    held = isHeld;
    if (!ends || !missed) return;
    missed = false;
    events.released();
  });
  return {
    update: (next) => {
      if (held) {
        missed = true;
        return true;
      }
      if (shapeOf(next) !== shape) return false;
      input = next;
      u.setData(series(next).columns);
      return true;
    },
    destroy: () => {
      forget();
      u.destroy();
    },
  };
}
