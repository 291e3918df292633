/**
 * All spans of a trace below one another, each where it was in time; only rows that are seen are in the page, so that ten
 * thousand are no more than forty. Arrows move, left folds, right unfolds. Must never ask for anything.
 */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { SpanOfTrace, WholeTrace } from "../../api/traces";
import { lineColours } from "../../state/theme";
import { axisOf, coloursOf, nsText, rowsOf, windowOf } from "./layout";

const ROW = 24;
const INDENT_MAX = 16;

function Row(props: {
  trace: WholeTrace;
  at: number;
  top: number;
  colour: string;
  critical: readonly [number, number, number][];
  chosen: boolean;
  folded: boolean;
  choose: (at: number) => void;
  fold: (at: number) => void;
}) {
  const { trace, at, top, colour, critical, chosen, folded, choose, fold } = props;
  const s = trace.spans[at]!;
  const part = (ns: number): string => `${(100 * ns) / Math.max(trace.duration_ns, 1)}%`;
  const error = s.status === "error";
  const end = s.offset_ns + s.duration_ns;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents lint/a11y/useFocusableInteractive: the tree has the focus and the keys
    <div
      id={`span-${at}`}
      class={`wf-row ${chosen ? "wf-chosen" : ""}`}
      role="treeitem"
      aria-level={s.depth + 1}
      aria-selected={chosen}
      aria-expanded={s.below > 0 ? !folded : undefined}
      aria-label={`${s.service} ${s.name}, ${nsText(s.duration_ns)}, at ${nsText(s.offset_ns)}${error ? ", error" : ""}${s.critical_ns > 0 ? ", on the critical path" : ""}`}
      style={{ top: `${top}px` }}
      onClick={() => choose(at)}
    >
      <div class="wf-name" style={{ paddingLeft: `${Math.min(s.depth, INDENT_MAX) * 12 + 4}px` }}>
        {s.below > 0 ? (
          <button
            type="button"
            class="wf-fold"
            tabIndex={-1}
            aria-hidden="true"
            onClick={(e) => {
              e.stopPropagation();
              fold(at);
            }}
          >
            {folded ? "▸" : "▾"}
          </button>
        ) : (
          <span class="wf-fold" />
        )}
        <i class="wf-dot" style={{ background: colour }} />
        <span class="wf-service">{s.service || "(no service)"}</span> <span>{s.name}</span>
        {error && <span class="wf-error" title={s.message || "error"} />}
        {s.is_orphan && (
          <span class="chip" title="Its parent is not here">
            orphan
          </span>
        )}
        {s.was_in_circle && (
          <span class="chip" title="It was its own ancestor">
            circle
          </span>
        )}
        {folded && <span class="muted"> +{s.below}</span>}
      </div>
      <div class="wf-lane">
        <div
          class={`wf-bar ${error ? "wf-bar-error" : ""} ${s.shift_ns !== 0 ? "wf-shifted" : ""}`}
          style={{ left: part(s.offset_ns), width: part(s.duration_ns), background: colour }}
        />
        {critical.map(([, a, b]) => (
          <div key={a} class="wf-critical" style={{ left: part(a), width: part(b - a) }} />
        ))}
        {s.events.slice(0, 50).map((e, i) => (
          <i key={i} class="wf-event" style={{ left: part(s.offset_ns + e.offset_ns) }} title={e.name} />
        ))}
        <span
          class="wf-long"
          style={
            end > trace.duration_ns * 0.8
              ? { right: part(trace.duration_ns - s.offset_ns) }
              : { left: part(end) }
          }
        >
          {nsText(s.duration_ns)}
        </span>
      </div>
    </div>
  );
}

/** The next row that a key leads to, with what it folds or unfolds. */
function moved(
  key: string,
  rows: readonly number[],
  place: number,
  spans: readonly SpanOfTrace[],
  folded: ReadonlySet<number>,
): { to: number; fold?: boolean } | null {
  const at = rows[place]!;
  switch (key) {
    case "ArrowDown":
      return { to: rows[Math.min(place + 1, rows.length - 1)]! };
    case "ArrowUp":
      return { to: rows[Math.max(place - 1, 0)]! };
    case "PageDown":
      return { to: rows[Math.min(place + 20, rows.length - 1)]! };
    case "PageUp":
      return { to: rows[Math.max(place - 20, 0)]! };
    case "Home":
      return { to: rows[0]! };
    case "End":
      return { to: rows[rows.length - 1]! };
    case "ArrowLeft":
      if (spans[at]!.below > 0 && !folded.has(at)) return { to: at, fold: true };
      return { to: spans[at]!.parent ?? at };
    case "ArrowRight":
      if (folded.has(at)) return { to: at, fold: false };
      return { to: rows[Math.min(place + 1, rows.length - 1)]! };
    default:
      return null;
  }
}

export function Waterfall(props: { trace: WholeTrace; chosen: number | null; choose: (at: number) => void }) {
  const { trace, chosen, choose } = props;
  const [folded, setFolded] = useState<ReadonlySet<number>>(new Set());
  const [view, setView] = useState({ top: 0, height: 600 });
  const box = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => rowsOf(trace.spans, folded), [trace, folded]);
  const colours = useMemo(
    () =>
      coloursOf(
        trace.services.map((s) => s.service),
        8,
      ),
    [trace],
  );
  const critical = useMemo(() => {
    const by = new Map<number, [number, number, number][]>();
    for (const c of trace.critical) by.set(c[0], [...(by.get(c[0]) ?? []), c]);
    return by;
  }, [trace]);
  const fold = (at: number): void => {
    const next = new Set(folded);
    if (!next.delete(at)) next.add(at);
    setFolded(next);
  };
  useLayoutEffect(() => {
    const watch = new ResizeObserver(
      () => box.current && setView((v) => ({ ...v, height: box.current!.clientHeight })),
    );
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  const place = Math.max(0, chosen === null ? 0 : rows.indexOf(chosen));
  // Dependencies: another span is to be seen.
  useEffect(() => {
    const b = box.current;
    if (!b || chosen === null) return;
    const y = place * ROW;
    if (y < b.scrollTop) b.scrollTop = y;
    if (y + ROW > b.scrollTop + b.clientHeight) b.scrollTop = y + ROW - b.clientHeight;
  }, [chosen, place]);
  const { first, last } = windowOf(view.top, view.height, ROW, rows.length);
  const lines = lineColours();
  const ticks = axisOf(trace.duration_ns, innerWidth < 720 ? 2 : 6);
  return (
    <div class="wf">
      <div class="wf-axis" aria-hidden="true">
        <div class="wf-name muted">service and operation</div>
        <div class="wf-lane">
          {ticks.map((t) => (
            <span key={t} style={{ left: `${(100 * t) / Math.max(trace.duration_ns, 1)}%` }}>
              {nsText(t)}
            </span>
          ))}
        </div>
      </div>
      <div
        class="wf-rows"
        ref={box}
        role="tree"
        tabIndex={0}
        aria-label={`${trace.spans.length} spans; arrows move and fold`}
        aria-activedescendant={`span-${rows[place] ?? 0}`}
        onScroll={(e) => setView({ top: e.currentTarget.scrollTop, height: e.currentTarget.clientHeight })}
        onKeyDown={(e) => {
          if (e.ctrlKey || e.metaKey || e.altKey) return;
          const next = moved(e.key, rows, place, trace.spans, folded);
          if (!next) return;
          e.preventDefault();
          e.stopPropagation();
          if (next.fold !== undefined) fold(next.to);
          choose(next.to);
        }}
      >
        <div class="wf-all" style={{ height: `${rows.length * ROW}px` }}>
          {rows.slice(first, last).map((at, i) => (
            <Row
              key={at}
              trace={trace}
              at={at}
              top={(first + i) * ROW}
              colour={lines[colours.get(trace.spans[at]!.service) ?? 0]!}
              critical={critical.get(at) ?? []}
              chosen={at === chosen}
              folded={folded.has(at)}
              choose={choose}
              fold={fold}
            />
          ))}
        </div>
      </div>
    </div>
  );
}
