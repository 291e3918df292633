/**
 * The large chart of one or several series: plot, legend, labels, earlier periods, and why a number may be missing.
 * Must never keep what is chosen here anywhere but in the view.
 */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { openLike } from "../actions/compare";
import { serverNow } from "../api/client";
import type { SeriesFacts } from "../api/types";
import { clockTime, dayText, isoText, zoneOf } from "../format/time";
import { unitName } from "../format/units";
import { fitsToken, withFilter } from "../look/query";
import { zoomRange } from "../shell/RangeControl";
import { go, openPage, tick, view } from "../state/app";
import { between } from "../state/range";
import { metricOf, withMatcher } from "../state/selector";
import { colour, colourEpoch, lineColours } from "../state/theme";
import { defaults, toUrl, type Under } from "../state/url";
import { Failure, Loading, Notice } from "../ui/notice";
import { ChangeMarks, marks, useMarks } from "./ChangeMarks";
import { type Merged, merge, openGap } from "./data";
import { type Area, ExemplarStrip } from "./ExemplarStrip";
import { Legend } from "./Legend";
import { chartError, facts, factsAsOf, OFFSETS, shown, startLoading } from "./load";
import { type Plot as PlotHandle, plot } from "./plot";
import { copyPromql, promql } from "./steps";
import { Why } from "./Why";

const UNDERS: readonly { under: Under; title: string }[] = [
  { under: "h", title: "an hour ago" },
  { under: "y", title: "yesterday" },
  { under: "w", title: "last week" },
];

function filterTo(name: string, value: string): void {
  const { q, match } = view.value;
  if (fitsToken(name, value)) go({ q: withFilter(q, name, value), open: [], why: false, at: "" }, "push");
  else go({ match: withMatcher(match, name, value), open: [], why: false, at: "" }, "push");
}

/** What is to be shaded: recorded gaps, and the one that is still open. */
function gapsOf(f: SeriesFacts | null, to: number): SeriesFacts["gaps"] {
  if (!f) return [];
  const open = openGap(f, Math.min(to, factsAsOf.value));
  return open ? [...f.gaps, open] : f.gaps;
}

function Plot(props: { data: Merged; onPoint: (i: number | null) => void; onArea: (area: Area) => void }) {
  const { data, onPoint, onArea } = props;
  const host = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => {
      // The observer may speak once more after the panel is gone.
      if (host.current) setSize({ width: host.current.clientWidth, height: host.current.clientHeight });
    });
    watch.observe(host.current!);
    return () => watch.disconnect();
  }, []);
  const epoch = colourEpoch.value;
  const span = shown.value?.span;
  const gaps = gapsOf(view.value.open.length === 1 ? facts.value : null, span?.to ?? 0);
  const marked = marks.value;
  const drawn = useRef<PlotHandle | null>(null);
  const [drags, setDrags] = useState(0);
  useLayoutEffect(
    () => () => {
      drawn.current?.destroy();
      drawn.current = null;
    },
    [],
  );
  // Dependencies: a change of colours draws anew.
  useLayoutEffect(() => {
    if (size.width < 50 || size.height < 50 || !span || !host.current) return;
    const colours = {
      text: colour("--muted"),
      grid: colour("--grid"),
      gap: colour("--gap"),
      change: colour("--accent"),
      lines: lineColours(),
    };
    const changes = marked.map((c) => c.time_ms);
    const input = { data, from: span.from / 1000, to: span.to / 1000, gaps, changes, colours, ...size };
    if (!drawn.current?.update(input)) {
      drawn.current?.destroy();
      drawn.current = plot(host.current, input, {
        zoom: (from, to, compare) =>
          compare ? openPage("compare", { range: between(from, to) }) : go({ range: between(from, to) }),
        point: onPoint,
        area: onArea,
        released: () => setDrags((n) => n + 1),
      });
    }
  }, [data, size, epoch, gaps, span, marked, drags]);
  return (
    <div class="plot" ref={host} role="img" aria-label="The chart; its statistics are in the table below" />
  );
}

function Labels() {
  const f = facts.value;
  if (!f || view.value.open.length !== 1) return null;
  const entries = Object.entries(f.labels).filter(([name]) => name !== "__name__");
  return (
    <p class="labels">
      {entries.map(([name, value]) => (
        <button
          key={name}
          type="button"
          class="chip chip-button"
          title={`Find all series with ${name}=${value}`}
          onClick={() => filterTo(name, value)}
        >
          <span class="chip-name">{name}</span>
          {value}
        </button>
      ))}
    </p>
  );
}

function Head({ data }: { data: Merged | null }) {
  const v = view.value;
  const f = facts.value;
  const single = v.open.length === 1;
  const lines = data?.lines.filter((l) => l.offset === 0).length ?? v.open.length;
  const metric = metricOf(v.open[0] ?? "") || v.open[0];
  const mode = data?.lines[0]?.mode;
  const unit = data
    ? data.units
        .map((u) => unitName(u))
        .filter(Boolean)
        .join(", ")
    : "";
  const what = [
    f && single && f.kind !== "unknown" ? f.kind : "",
    mode === "rate" ? "shown as rate" : "",
    unit,
  ]
    .filter(Boolean)
    .join(" · ");
  return (
    <div class="chart-head">
      <div class="chart-title">
        <h2 tabIndex={-1}>{single ? metric : `${lines} series`}</h2>
        <span class="muted">{what}</span>
      </div>
      <div class="chart-tools">
        <button
          type="button"
          class="button"
          aria-pressed={v.raw}
          title="Counters as they are (r)"
          onClick={() => go({ raw: !v.raw })}
        >
          Raw
        </button>
        {UNDERS.map(({ under, title }) => (
          <button
            key={under}
            type="button"
            class="button"
            aria-pressed={v.under.includes(under)}
            title={`Lay ${title} under it (${under})`}
            onClick={() =>
              go({
                under: v.under.includes(under) ? v.under.filter((u) => u !== under) : [...v.under, under],
              })
            }
          >
            {title}
          </button>
        ))}
        <button
          type="button"
          class="button"
          title="What else moved in this time? (b)"
          onClick={() => openPage("compare")}
        >
          What else moved?
        </button>
        {single && (
          <button
            type="button"
            class="button"
            title="Every series with the shape of this one, earlier or later (s)"
            onClick={() => openLike(v.open[0]!)}
          >
            Lines like this
          </button>
        )}
        <button
          type="button"
          class="button"
          title="Where to look first in this time? (d)"
          onClick={() => openPage("advise")}
        >
          Advise
        </button>
        <button
          type="button"
          class="button"
          aria-pressed={v.why}
          title="Why is this number missing? (m)"
          onClick={() => go({ why: !v.why })}
        >
          Missing?
        </button>
        <a
          class="button"
          title="Watch this: be told when it passes a limit"
          href={toUrl({ ...defaults("monitors"), own: { form: "new", expr: watchText(data) } })}
        >
          Watch it
        </a>
        <button type="button" class="button" title={`${promql()} (c)`} onClick={() => void copyPromql()}>
          Copy PromQL
        </button>
        <button
          type="button"
          class="button close"
          aria-label="Close the chart"
          title="Close (Esc)"
          onClick={() => go({ open: [], why: false })}
        >
          ✕
        </button>
      </div>
      {f?.help && single && <p class="chart-help">{f.help}</p>}
    </div>
  );
}

/** A condition to begin with: what is shown, against a little more than it has reached. */
function watchText(data: Merged | null): string {
  const highest = Math.max(...(data?.lines ?? []).map((l) => l.line.stats.max ?? Number.NEGATIVE_INFINITY));
  const limit = Number.isFinite(highest) ? Number((highest * 1.2).toPrecision(2)) : 0;
  return `${promql().split("\n")[0] ?? ""} > ${limit}`;
}

export function ChartPanel() {
  useEffect(startLoading, []);
  const panel = useRef<HTMLElement>(null);
  const [point, setPoint] = useState<number | null>(null);
  const [area, keepArea] = useState<Area | null>(null);
  // The same place again draws nothing anew.
  const setArea = (next: Area): void =>
    keepArea((old) => (old && old.left === next.left && old.width === next.width ? old : next));
  const v = view.value;
  const s = shown.value;
  const key = v.open.slice(0, 20).join("\n");
  const fresh = s !== null && s.key === key;
  const f = facts.value;
  const data = useMemo(() => {
    if (!fresh) return null;
    return merge(s.answers, () => (v.open.length === 1 && f ? f.labels : undefined));
  }, [s, fresh, f, v.open.length]);
  // Dependencies: another series takes the focus to its title.
  useEffect(() => {
    const there = panel.current?.contains(document.activeElement);
    if (!there && document.activeElement?.id !== "wall")
      panel.current?.querySelector("h2")?.focus({ preventScroll: true });
    setPoint(null);
  }, [key]);
  useMarks(useMemo(() => (data?.lines ?? []).slice(0, 20).map((l) => l.line.labels), [data]));
  const empty = data?.lines.every((l) => l.line.stats.count === 0) ?? false;
  const words = metricOf(v.open[0] ?? "").replaceAll("_", " ");
  // An earlier period that brings nothing must say so, or it seems that the key does nothing.
  const absent =
    data === null || empty
      ? []
      : UNDERS.filter(
          ({ under }) => v.under.includes(under) && !data.lines.some((l) => l.offset === OFFSETS[under]),
        );
  const at = data && point !== null ? data.t[point] : undefined;
  return (
    <section class="chart" ref={panel} role="dialog" aria-label="Chart">
      <Head data={data} />
      <div class="chart-body">
        <div class="chart-main">
          {chartError.value !== null && (
            <Failure error={chartError.value}>
              <button type="button" class="button" onClick={() => go({ open: [], why: false })}>
                Close this chart
              </button>
            </Failure>
          )}
          {data === null && chartError.value === null && <Loading what="the chart" />}
          {empty && (
            <Notice title="No samples in this time.">
              <p class="row">
                <button type="button" class="button" onClick={() => zoomRange(4)}>
                  Zoom out
                </button>
                {!v.why && (
                  <button type="button" class="button" onClick={() => go({ why: true })}>
                    Why?
                  </button>
                )}
                <button
                  type="button"
                  class="button"
                  onClick={() => go({ open: [], why: false, match: "", q: words }, "push")}
                >
                  Find what is named like it
                </button>
              </p>
            </Notice>
          )}
          {data !== null && !empty && <Plot data={data} onPoint={setPoint} onArea={setArea} />}
          {data !== null && !empty && <ChangeMarks area={area} />}
          {data !== null && !empty && <ExemplarStrip area={area} />}
          <p
            class={`chart-at ${data === null || empty ? "hidden" : ""}`}
            title={at === undefined ? "" : isoText(at * 1000)}
          >
            {at === undefined
              ? `Times are ${zoneOf(tick.value)}. Drag to zoom, with Shift to ask what else moved.`
              : `${dayText(at * 1000, serverNow())} ${clockTime(at * 1000)} ${zoneOf(at * 1000)}`}
            {data?.truncated && " Only the first series are shown: narrow the selector."}
            {data &&
              data.summarisedToMs !== null &&
              ` Before ${dayText(data.summarisedToMs, serverNow())} ${clockTime(data.summarisedToMs)} summaries: samples that old are removed.`}
            {data && data.units.length > 1 && " The units differ: each has its own scale."}
          </p>
          {data !== null && data.lines.length > 0 && (
            <Legend data={data} point={point} colours={colourEpoch.value >= 0 ? lineColours() : []} />
          )}
          {absent.map(({ title }) => (
            <p key={title} class="chart-absent">
              {title[0]!.toUpperCase() + title.slice(1)}: nothing was recorded of this then.
            </p>
          ))}
          <Labels />
        </div>
        {v.why && <Why facts={f} />}
      </div>
    </section>
  );
}
