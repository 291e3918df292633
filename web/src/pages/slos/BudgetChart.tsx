/**
 * How the budget of the window was spent: a line of what was left, bars of what went wrong, and hatching where there was no
 * data. Must never draw a line through a time of which nothing is known.
 */
import type { BudgetPoint, WholeSlo } from "../../api/slos";
import { dayText, isoText } from "../../format/time";
import { formatCount } from "../../format/units";

/** Units of the drawing: on a telephone fewer, so that its words stay as large as others. */
const W = innerWidth < 600 ? 340 : 860;
const H = 200;
const LEFT = 46;
const BOTTOM = 20;
/** The part of the height that the bars of bad events take. */
const BARS = 0.28;

export function BudgetChart({ slo }: { slo: WholeSlo }) {
  const picture = slo.picture;
  if (picture === null || picture.points.length < 2) return null;
  const { from_ms, to_ms, step_ms, points } = picture;
  const lefts = points.map((p) => p[3]).filter((v): v is number => v !== null);
  const low = Math.min(0, ...lefts.map((v) => Math.max(v, -1)));
  const x = (ms: number): number => LEFT + ((ms - from_ms) / Math.max(1, to_ms - from_ms)) * (W - LEFT);
  const y = (v: number): number => 8 + ((1 - Math.max(v, low)) / (1 - low)) * (H - BOTTOM - 8);
  const badMax = Math.max(...points.map((p) => p[1]), 1);
  let path = "";
  let was = false;
  for (const [at, , , left, known] of points) {
    if (known && left !== null) {
      path += `${was ? "L" : "M"}${x(at).toFixed(1)} ${y(left).toFixed(1)}`;
    }
    was = known && left !== null;
  }
  const gaps: [number, number][] = [];
  for (const p of points) {
    if (p[4]) continue;
    const last = gaps.at(-1);
    if (last && last[1] >= p[0] - step_ms) last[1] = p[0];
    else gaps.push([p[0] - step_ms, p[0]]);
  }
  const bar = (p: BudgetPoint): number => (p[1] / badMax) * (H - BOTTOM) * BARS;
  const ticks = (W < 600 ? [0, 0.5] : [0, 0.25, 0.5, 0.75]).map((f) => from_ms + f * (to_ms - from_ms));
  const last = lefts.at(-1);
  const label = `The budget over ${slo.window_words}: ${last === undefined ? "nothing is known" : `${Math.floor(last * 100)} % is left`}; ${formatCount(Math.round(slo.budget?.bad ?? 0))} ${slo.events} were bad`;
  const values = low < 0 ? [1, 0, low] : [1, 0.5, 0];
  return (
    <svg class="trial budget-chart" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={label}>
      <defs>
        <pattern
          id="no-data"
          width="6"
          height="6"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <rect width="6" height="6" class="hatch-ground" />
          <line x1="0" y1="0" x2="0" y2="6" class="hatch" />
        </pattern>
      </defs>
      {gaps.map(([a, b]) => (
        <rect
          key={a}
          x={x(Math.max(a, from_ms))}
          y={0}
          width={Math.max(0.5, x(b) - x(Math.max(a, from_ms)))}
          height={H - BOTTOM}
          fill="url(#no-data)"
        >
          <title>{`no data until ${isoText(b)}`}</title>
        </rect>
      ))}
      {ticks.map((t) => (
        <g key={t}>
          <line class="trial-grid" x1={x(t)} y1={0} x2={x(t)} y2={H - BOTTOM} />
          <text x={x(t) + 3} y={H - 5}>
            {dayText(t, to_ms)} {new Date(t).toTimeString().slice(0, 5)}
          </text>
        </g>
      ))}
      {values.map((v) => (
        <g key={v}>
          <line class={v === 0 ? "trial-limit" : "trial-grid"} x1={LEFT} y1={y(v)} x2={W} y2={y(v)} />
          <text class="trial-y" x={LEFT - 5} y={Math.max(10, y(v) + 4)}>
            {Math.round(v * 100)} %
          </text>
        </g>
      ))}
      {points
        .filter((p) => p[1] > 0)
        .map((p) => (
          <rect
            key={p[0]}
            class="budget-bad-bar"
            x={x(p[0] - step_ms)}
            y={H - BOTTOM - bar(p)}
            width={Math.max(1, x(p[0]) - x(p[0] - step_ms) - 0.5)}
            height={bar(p)}
          >
            <title>{`${formatCount(Math.round(p[1]))} of ${formatCount(Math.round(p[2]))} bad until ${isoText(p[0])}`}</title>
          </rect>
        ))}
      <path class="trial-line" d={path} />
      {gaps.some(([a, b]) => x(b) - x(Math.max(a, from_ms)) > 60) && (
        <text
          x={x(Math.max(from_ms, gaps.reduce((m, g) => (g[1] - g[0] > m[1] - m[0] ? g : m))[0])) + 6}
          y={16}
        >
          no data
        </text>
      )}
    </svg>
  );
}
