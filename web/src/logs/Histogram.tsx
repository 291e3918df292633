/**
 * Records over time by severity, as bars; a part that is drawn over becomes the range. Must never be the only way to
 * a number: the counts stand beneath in words.
 */
import { useRef, useState } from "preact/hooks";
import { clockTime, zoneOf } from "../format/time";
import { formatCount } from "../format/units";
import { go } from "../state/app";
import { LEVELS } from "./text";
import type { LogHistogram } from "./types";

const HEIGHT = 64;

export function Histogram({ data }: { data: LogHistogram }) {
  const box = useRef<SVGSVGElement>(null);
  const [brush, setBrush] = useState<{ a: number; b: number } | null>(null);
  const { steps, counts, start_ms, end_ms } = data;
  const totals = Array.from({ length: steps }, (_, i) =>
    Object.values(counts).reduce((sum, c) => sum + (c[i] ?? 0), 0),
  );
  const most = Math.max(1, ...totals);
  // Grave ones at the bottom, where bars of any height can be compared.
  const shown = LEVELS.filter((l) => counts[l.name]?.some((n) => n > 0));
  const at = (clientX: number): number => {
    const r = box.current!.getBoundingClientRect();
    return Math.min(1, Math.max(0, (clientX - r.left) / r.width));
  };
  const moment = (part: number): number => Math.round(start_ms + part * (end_ms - start_ms));
  const done = (): void => {
    if (brush && Math.abs(brush.b - brush.a) > 0.005) {
      const [a, b] = [Math.min(brush.a, brush.b), Math.max(brush.a, brush.b)];
      go({ range: { kind: "fixed", from: moment(a), to: Math.max(moment(b), moment(a) + 1000) } });
    }
    setBrush(null);
  };
  return (
    <figure class="log-histogram">
      <svg
        ref={box}
        viewBox={`0 0 ${steps} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${formatCount(data.total)} records from ${clockTime(start_ms)} to ${clockTime(end_ms)}; draw over a part to zoom in`}
        onPointerDown={(e) => {
          box.current!.setPointerCapture(e.pointerId);
          setBrush({ a: at(e.clientX), b: at(e.clientX) });
        }}
        onPointerMove={(e) => brush && setBrush({ ...brush, b: at(e.clientX) })}
        onPointerUp={done}
        onPointerCancel={() => setBrush(null)}
      >
        {totals.map((_, i) => {
          let y = HEIGHT;
          return shown.map((l) => {
            const n = counts[l.name]?.[i] ?? 0;
            if (n === 0) return null;
            const height = Math.max(1.2, (n / most) * (HEIGHT - 2));
            y -= height;
            return (
              <rect
                key={`${l.name}${i}`}
                class={`level-${l.name}`}
                x={i + 0.08}
                y={y}
                width={0.84}
                height={height}
              />
            );
          });
        })}
        {brush && (
          <rect
            class="log-brush"
            x={Math.min(brush.a, brush.b) * steps}
            y={0}
            width={Math.abs(brush.b - brush.a) * steps}
            height={HEIGHT}
          />
        )}
      </svg>
      <figcaption>
        <span>{clockTime(start_ms)}</span>
        <span class="log-legend">
          <b>{formatCount(data.total)}</b> records
          {shown.map((l) => (
            <span key={l.name} class={`level-word level-${l.name}`}>
              <span aria-hidden="true">{l.sign}</span> {l.name}{" "}
              {formatCount((counts[l.name] ?? []).reduce((a, b) => a + b, 0))}
            </span>
          ))}
        </span>
        <span>
          {clockTime(end_ms)} {zoneOf(end_ms)}
        </span>
      </figcaption>
    </figure>
  );
}
