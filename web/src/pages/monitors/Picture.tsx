/**
 * A trial as a picture: the values that a condition looks at, its limit, and the times in which it would have fired. Must
 * never show a line that was not measured.
 */
import type { Trial } from "../../api/monitors";
import { dayText, isoText, spanText } from "../../format/time";
import { formatValue } from "../../format/units";

/** Units of the drawing: on a telephone fewer, so that its words stay as large as others. */
const W = innerWidth < 600 ? 340 : 720;
const H = 180;
const LEFT = 52;
const BOTTOM = 20;

export function Picture({ trial }: { trial: Trial }) {
  const { lines } = trial.picture;
  const values = lines.flatMap((l) => l.v).filter((v): v is number => v !== null);
  const limit = trial.threshold;
  const all = limit === null ? values : [...values, limit];
  const low = Math.min(0, ...all);
  const high = Math.max(...all, low + 1e-9);
  const top = high + (high - low) * 0.08;
  const x = (ms: number): number =>
    LEFT + ((ms - trial.start_ms) / (trial.end_ms - trial.start_ms)) * (W - LEFT);
  const y = (v: number): number => H - BOTTOM - ((v - low) / (top - low)) * (H - BOTTOM);
  const gap = trial.picture.step_s * 2500;
  const path = (l: Trial["picture"]["lines"][number]): string => {
    let out = "";
    let last = Number.NEGATIVE_INFINITY;
    l.t_ms.forEach((t, i) => {
      const v = l.v[i];
      if (v === null || v === undefined) return;
      out += `${t - last > gap ? "M" : "L"}${x(t).toFixed(1)} ${y(v).toFixed(1)}`;
      last = t;
    });
    return out;
  };
  const ticks = (W < 600 ? [0, 0.5] : [0, 0.25, 0.5, 0.75]).map(
    (f) => trial.start_ms + f * (trial.end_ms - trial.start_ms),
  );
  const label = `The condition over ${spanText((trial.end_ms - trial.start_ms) / 1000)}: it would have fired ${trial.fired} times`;
  return (
    <svg class="trial" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={label}>
      {trial.episodes.map((e) => (
        <rect
          key={`${e.from_ms} ${JSON.stringify(e.labels)}`}
          class="trial-fired"
          x={x(e.from_ms)}
          y={0}
          width={Math.max(2, x(e.to_ms ?? trial.end_ms) - x(e.from_ms))}
          height={H - BOTTOM}
        >
          <title>{`would have fired from ${isoText(e.from_ms)}`}</title>
        </rect>
      ))}
      {ticks.map((t) => (
        <g key={t}>
          <line class="trial-grid" x1={x(t)} y1={0} x2={x(t)} y2={H - BOTTOM} />
          <text x={x(t) + 3} y={H - 5}>
            {dayText(t, trial.end_ms)} {new Date(t).toTimeString().slice(0, 5)}
          </text>
        </g>
      ))}
      {[low, (low + top) / 2, top].map((v) => (
        <text key={v} class="trial-y" x={LEFT - 5} y={Math.max(10, y(v) - 1)}>
          {formatValue(v, "")}
        </text>
      ))}
      {lines.map((l, i) => (
        <path key={JSON.stringify(l.labels)} class={`trial-line line-${(i % 8) + 1}`} d={path(l)} />
      ))}
      {limit !== null && (
        <g>
          <line class="trial-limit" x1={LEFT} y1={y(limit)} x2={W} y2={y(limit)} />
          <text class="trial-limit-word" x={W - 4} y={y(limit) - 4}>
            limit {trial.limit}
          </text>
        </g>
      )}
    </svg>
  );
}
