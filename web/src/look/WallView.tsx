/**
 * The wall on the page: the box that scrolls, the canvas that sticks in it, pointer gestures, and the same tiles as a
 * list for screen readers. Must never paint; the controller does.
 */
import { effect } from "@preact/signals";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { clockTime, isoText, zoneOf } from "../format/time";
import { formatValue } from "../format/units";
import { go, live, restored, span, TILE_POINTS, tick, view } from "../state/app";
import { colour, colourEpoch, lineColours } from "../state/theme";
import { gestures } from "./gestures";
import type { Palette } from "./paint";
import { slotAt } from "./spark";
import { found, foundFor, searchAgain, wall } from "./state";
import { Wall } from "./wall";

function readPalette(): Palette {
  return {
    text: colour("--text"),
    muted: colour("--muted"),
    faint: colour("--faint"),
    line: colour("--spark"),
    area: colour("--spark-area"),
    tile: colour("--tile"),
    tileHover: colour("--tile-hover"),
    focus: colour("--focus"),
    background: colour("--background"),
    border: colour("--border"),
    picks: lineColours(),
  };
}

/** Everything that the wall follows; returns how to stop. */
function follow(w: Wall): () => void {
  let searched = "";
  const stops = [
    effect(() => w.setPalette(colourEpoch.value >= 0 ? readPalette() : readPalette())),
    effect(() => {
      const answer = found.value;
      if (!answer) return;
      const what = JSON.parse(foundFor.peek() || "[]")
        .slice(0, 3)
        .join("\n");
      w.setFound(answer, searched !== "" && what !== searched);
      searched = what;
    }),
    effect(() => {
      const { from, to } = span.value;
      const mode = view.value.raw ? "raw" : "auto";
      w.setFrame({ from, to, mode, points: TILE_POINTS, tick: live.value ? tick.value : 0 });
    }),
    effect(() => {
      if (restored.value > 0) w.jump(view.peek().at);
    }),
    effect(() => {
      w.picks = view.value.pick;
      w.repaint();
    }),
  ];
  let shutBefore = "";
  stops.push(
    effect(() => {
      const { shut } = view.value;
      if (shut.join("\n") === shutBefore) return;
      shutBefore = shut.join("\n");
      w.setShut(shut);
    }),
  );
  return () => {
    for (const stop of stops) stop();
  };
}

/** The line under the wall: what is under the pointer or the cursor, in full. */
function readout(w: Wall): { text: string; title: string } {
  const index = w.hover >= 0 ? w.hover : w.focused ? w.cursor : -1;
  const kept = w.keptAt(index);
  const face = w.faceAt(index);
  if (!kept || !face) return { text: "", title: "" };
  const { tile, frame } = kept;
  if (w.hover >= 0 && w.across !== null) {
    const slot = slotAt(w.across, tile.values.length);
    const ms = frame.from + (slot / Math.max(1, tile.values.length - 1)) * (frame.to - frame.from);
    const value = formatValue(tile.values[slot], tile.unit, 4);
    return { text: `${clockTime(ms)} ${zoneOf(ms)}   ${value}   ${face.selector}`, title: isoText(ms) };
  }
  const range = `min ${formatValue(tile.min, tile.unit)}, max ${formatValue(tile.max, tile.unit)}`;
  return {
    text: `${formatValue(tile.last, tile.unit, 4)}   ${range}   ${face.selector}`,
    title: face.selector,
  };
}

interface Spoken {
  index: number;
  text: string;
}

/** The tiles in sight in words. */
function spokenTiles(w: Wall): Spoken[] {
  const seen = w.inSight().slice(0, 400);
  if (w.cursor >= 0 && !seen.includes(w.cursor)) seen.push(w.cursor);
  return seen.map((index) => {
    const kept = w.keptAt(index);
    const face = w.faceAt(index);
    const text =
      kept && face ? `${face.title} ${face.sub}: ${formatValue(kept.tile.last, kept.tile.unit)}` : "loading";
    return { index, text };
  });
}

export function WallView({ onFailed, onLoaded }: { onFailed: (e: unknown) => void; onLoaded: () => void }) {
  const box = useRef<HTMLDivElement>(null);
  const space = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const line = useRef<HTMLDivElement>(null);
  const [spoken, setSpoken] = useState<Spoken[]>([]);
  const [cursor, setCursor] = useState(-1);

  // The wall is built once, when the page is shown, and ends before its elements are gone.
  useLayoutEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const w = new Wall(box.current!, space.current!, canvas.current!, {
      anchor: (at) => go({ at }, "replace"),
      readout: () => {
        const { text, title } = readout(w);
        line.current!.textContent = text;
        line.current!.title = title;
        clearTimeout(timer);
        timer = setTimeout(() => {
          setSpoken(spokenTiles(w));
          setCursor(w.cursor);
        }, 150);
      },
      failed: onFailed,
      strange: searchAgain,
      loaded: onLoaded,
    });
    w.restore(view.peek().at);
    const sizes = new ResizeObserver(() => w.resize());
    sizes.observe(box.current!);
    w.resize();
    // A browser may throw a picture away, with its graphics process or while nobody looks.
    const renew = (): void => w.renew();
    canvas.current!.addEventListener("contextrestored", renew);
    document.addEventListener("visibilitychange", renew);
    const unfollow = follow(w);
    const ungesture = gestures(w, box.current!);
    wall.value = w;
    return () => {
      wall.value = null;
      clearTimeout(timer);
      sizes.disconnect();
      document.removeEventListener("visibilitychange", renew);
      unfollow();
      ungesture();
      w.close();
    };
  }, []);

  const focus = (on: boolean) => () => {
    const w = wall.peek();
    if (!w) return;
    w.focused = on;
    if (on && w.cursor < 0 && box.current?.matches(":focus-visible")) w.setCursor(w.inSight()[0] ?? 0);
    w.repaint();
  };
  return (
    <>
      <div
        ref={box}
        id="wall"
        class="wall"
        tabIndex={0}
        role="listbox"
        aria-label="Series, as small charts"
        aria-multiselectable="true"
        aria-activedescendant={spoken.some((s) => s.index === cursor) ? `tile-${cursor}` : undefined}
        onScroll={() => wall.peek()?.scrolled()}
        onFocus={focus(true)}
        onBlur={focus(false)}
      >
        <div ref={space} class="wall-space">
          <canvas ref={canvas} class="wall-canvas" />
          <div class="sr">
            {spoken.map((s) => (
              <div
                key={s.index}
                id={`tile-${s.index}`}
                role="option"
                aria-selected={s.index === cursor}
                tabIndex={-1}
              >
                {s.text}
              </div>
            ))}
          </div>
        </div>
      </div>
      <div ref={line} class="readout" />
    </>
  );
}
