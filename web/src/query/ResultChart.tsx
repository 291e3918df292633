/** The lines of an answer, drawn as the large chart of Look draws them. Must never draw more lines than a person tells apart. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ChartLine } from "../api/types";
import type { Merged } from "../chart/data";
import { type Plot, plot } from "../chart/plot";
import { clockTime } from "../format/time";
import { formatValue } from "../format/units";
import { go, say } from "../state/app";
import { between } from "../state/range";
import { colour, colourEpoch, lineColours } from "../state/theme";
import type { ChartOf } from "./result";
import { hasRange, type Shown } from "./run";

/** Figures of a line belong to the large chart of Look alone. */
const NO_LINE: ChartLine = {
  labels: {},
  offset_s: 0,
  avg: [],
  min: [],
  max: [],
  stats: { count: 0, min: null, max: null, mean: null, p50: null, p95: null, first: null, last: null },
};

function merged(chart: ChartOf): Merged {
  const t = [...new Set(chart.lines.flatMap((l) => l.points.map((p) => p[0])))].sort((a, b) => a - b);
  const at = new Map(t.map((s, i) => [s, i]));
  const columns = chart.lines.map((line) => {
    const avg: (number | null)[] = new Array(t.length).fill(null);
    for (const [s, v] of line.points) avg[at.get(s)!] = v;
    return { avg, min: avg, max: avg };
  });
  const lines = chart.lines.map((line, i) => ({
    selector: line.name,
    name: line.name,
    unit: line.unit,
    mode: "raw",
    line: NO_LINE,
    colour: i,
    offset: 0,
  }));
  return {
    t,
    lines,
    columns,
    units: [...new Set(chart.lines.map((l) => l.unit))],
    truncated: false,
    summarisedToMs: null,
  };
}

export function ResultChart({ shown }: { shown: Shown }) {
  const host = useRef<HTMLDivElement>(null);
  const drawn = useRef<Plot | null>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [point, setPoint] = useState<number | null>(null);
  const [drags, setDrags] = useState(0);
  const chart = shown.chart!;
  const data = useMemo(() => merged(chart), [chart]);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => {
      if (host.current) setSize({ width: host.current.clientWidth, height: host.current.clientHeight });
    });
    watch.observe(host.current!);
    return () => {
      watch.disconnect();
      drawn.current?.destroy();
      drawn.current = null;
    };
  }, []);
  const epoch = colourEpoch.value;
  useLayoutEffect(() => {
    if (size.width < 50 || size.height < 50) return;
    const colours = {
      text: colour("--muted"),
      grid: colour("--grid"),
      gap: colour("--gap"),
      change: colour("--muted"),
      lines: lineColours(),
    };
    const input = { data, from: shown.from, to: shown.to, gaps: [], changes: [], colours, ...size };
    if (drawn.current?.update(input)) return;
    drawn.current?.destroy();
    drawn.current = plot(host.current!, input, {
      area: () => undefined,
      point: setPoint,
      released: () => setDrags((n) => n + 1),
      zoom: (from, to) => {
        if (shown.lang === "sql" && !hasRange(shown.text)) {
          say("This query names its own time: write $from and $to in it to zoom.");
          return;
        }
        go({ range: between(from, to) }, "push");
      },
    });
  }, [data, size, shown, epoch, drags]);
  const colours = lineColours();
  return (
    <figure class="result-chart" aria-label={`Chart of ${chart.lines.length} lines`}>
      <div class="result-plot" ref={host} />
      <figcaption>
        <p class="muted result-moment">
          {point === null || data.t[point] === undefined ? " " : clockTime(data.t[point]! * 1000)}
        </p>
        <ul class="result-legend">
          {data.lines.map((line, i) => {
            const values = data.columns[i]!.avg;
            const value = point === null ? values.findLast((v) => v !== null) : values[point];
            return (
              <li key={line.name}>
                <span class="swatch" style={{ background: colours[i % colours.length] }} />
                <span class="result-name">{line.name}</span>
                <span class="result-value">
                  {value === null || value === undefined ? "–" : formatValue(value, line.unit)}
                </span>
              </li>
            );
          })}
        </ul>
        {chart.more > 0 && (
          <p class="muted">{chart.more} more lines are not drawn; the table has all of them.</p>
        )}
      </figcaption>
    </figure>
  );
}
