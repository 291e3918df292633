/**
 * Every trace that was found as a point: when, how long, failed or not. A click opens one, a rectangle narrows time and
 * duration. For those who do not see it the list below holds the same. Must never ask for anything.
 */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Point } from "../../api/traces";
import { clockTime, formatTimeTicks } from "../../format/time";
import { colour, colourEpoch } from "../../state/theme";
import { axisOf, nearest, nsText, scaleOf } from "./layout";
import { openTrace } from "./state";

const HEIGHT = 180;
const LEFT = 58;
const BOTTOM = 20;
const TOP = 8;

interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

function draw(
  canvas: HTMLCanvasElement,
  points: readonly Point[],
  from: number,
  to: number,
  box: Box | null,
) {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  canvas.width = width * ratio;
  canvas.height = HEIGHT * ratio;
  const c = canvas.getContext("2d")!;
  c.scale(ratio, ratio);
  const inner = { width: width - LEFT - 8, height: HEIGHT - TOP - BOTTOM };
  const scale = scaleOf(points, from, to, inner.width, inner.height);
  c.font = "11px system-ui, sans-serif";
  c.fillStyle = colour("--muted");
  c.strokeStyle = colour("--grid");
  c.textBaseline = "middle";
  c.textAlign = "right";
  for (const tick of scale.ticks) {
    const y = Math.round(TOP + scale.y(tick)) + 0.5;
    c.beginPath();
    c.moveTo(LEFT, y);
    c.lineTo(width - 8, y);
    c.stroke();
    c.fillText(nsText(tick * 1e6), LEFT - 6, y);
  }
  c.textAlign = "center";
  const count = Math.max(2, Math.floor(inner.width / 110));
  const stepS = axisOf((to - from) * 1e6, count)[1]! / 1e9;
  const ticks: number[] = [];
  for (let t = Math.ceil(from / 1000 / stepS) * stepS; t <= to / 1000; t += stepS) ticks.push(t);
  formatTimeTicks(ticks, stepS).forEach((text, i) => {
    c.fillText(text.split("\n")[0]!, LEFT + scale.x(ticks[i]! * 1000), HEIGHT - 8);
  });
  // Errors last: they lie above.
  for (const failed of [0, 1]) {
    c.fillStyle = colour(failed ? "--bad" : "--spark");
    c.globalAlpha = failed ? 0.9 : 0.55;
    for (const p of points) {
      if (p[2] !== failed) continue;
      const [x, y] = [LEFT + scale.x(p[0]), TOP + scale.y(p[1])];
      if (failed) c.fillRect(x - 3, y - 3, 6, 6);
      else {
        c.beginPath();
        c.arc(x, y, 2.5, 0, 2 * Math.PI);
        c.fill();
      }
    }
  }
  c.globalAlpha = 1;
  if (box) {
    c.strokeStyle = colour("--accent");
    c.fillStyle = `${colour("--spark")}22`;
    c.fillRect(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0);
    c.strokeRect(box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0);
  }
}

export function Scatter(props: {
  points: readonly Point[];
  from: number;
  to: number;
  narrow: (fromMs: number, toMs: number, minMs: number, maxMs: number) => void;
}) {
  const { points, from, to, narrow } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [box, setBox] = useState<Box | null>(null);
  const [over, setOver] = useState<Point | null>(null);
  const epoch = colourEpoch.value;
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => canvas.current && setWidth(canvas.current.clientWidth));
    watch.observe(canvas.current!);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, points, from, to, box);
  }, [points, from, to, width, box, epoch]);
  const scale = scaleOf(points, from, to, width - LEFT - 8, HEIGHT - TOP - BOTTOM);
  const place = (e: PointerEvent): [number, number] => {
    const r = canvas.current!.getBoundingClientRect();
    return [e.clientX - r.left, e.clientY - r.top];
  };
  const under = (x: number, y: number): Point | null => nearest(points, scale, x - LEFT, y - TOP, 9);
  const end = (e: PointerEvent): void => {
    if (!box) return;
    const [x, y] = place(e);
    setBox(null);
    if (Math.abs(x - box.x0) < 5 && Math.abs(y - box.y0) < 5) {
      const hit = under(x, y);
      if (hit) openTrace(hit[3]);
      return;
    }
    const [a, b] = [Math.min(x, box.x0) - LEFT, Math.max(x, box.x0) - LEFT];
    const [low, high] = [Math.max(y, box.y0) - TOP, Math.min(y, box.y0) - TOP];
    narrow(scale.time(Math.max(a, 0)), scale.time(b), scale.duration(low), scale.duration(high));
  };
  return (
    <figure class="scatter">
      <canvas
        ref={canvas}
        class={over ? "scatter-over" : ""}
        role="img"
        aria-label={`${points.length} traces by time and duration, ${points.filter((p) => p[2]).length} with errors; the list below holds the first of them`}
        onPointerDown={(e) => {
          const [x, y] = place(e);
          canvas.current?.setPointerCapture(e.pointerId);
          setBox({ x0: x, y0: y, x1: x, y1: y });
        }}
        onPointerMove={(e) => {
          const [x, y] = place(e);
          if (box) setBox({ ...box, x1: x, y1: y });
          else setOver(under(x, y));
        }}
        onPointerUp={end}
        onPointerCancel={() => setBox(null)}
        onPointerLeave={() => setOver(null)}
      />
      <figcaption class="muted">
        {over
          ? `${clockTime(over[0], true)}, ${nsText(over[1] * 1e6)}${over[2] ? ", with an error" : ""}: click to open`
          : "A disc is a trace, a square one with an error. Click to open; drag to narrow time and duration."}
      </figcaption>
    </figure>
  );
}
