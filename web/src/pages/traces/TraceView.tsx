/**
 * One trace: what is odd about it, where the time went, the waterfall, and the span that is chosen. Must never hide that
 * spans are missing or clocks disagree.
 */
import { useEffect, useState } from "preact/hooks";
import { isAbort, serverNow } from "../../api/client";
import { traces, type WholeTrace } from "../../api/traces";
import { clockTime, dayText, isoText, zoneOf } from "../../format/time";
import { lineColours } from "../../state/theme";
import { Failure, Loading } from "../../ui/notice";
import { coloursOf, nsText } from "./layout";
import { SpanPanel } from "./SpanPanel";
import { own, set } from "./state";
import { Waterfall } from "./Waterfall";

const many = (n: number, one: string, more: string): string => `${n} ${n === 1 ? one : more}`;

/** What a reader must know before believing the drawing. */
export function oddities(t: WholeTrace): string[] {
  const out: string[] = [];
  if (t.is_cut) out.push("Only the first spans are shown: the trace has more than can be drawn.");
  if (t.orphans > 0)
    out.push(
      `${many(t.orphans, "span has", "spans have")} a parent that is not here: the trace is not whole.`,
    );
  if (t.circles > 0)
    out.push(`${many(t.circles, "circle", "circles")} of spans that are their own ancestors were cut.`);
  if (t.shifted > 0)
    out.push(
      `Clocks disagree: ${many(t.shifted, "span is", "spans are")} drawn where ${t.shifted === 1 ? "it" : "they"} must have been (hatched).`,
    );
  if (t.duplicates > 0) out.push(`${many(t.duplicates, "span", "spans")} came more than once.`);
  return out;
}

/** Own time of each service, as one bar. */
function Where({ trace }: { trace: WholeTrace }) {
  const colours = coloursOf(
    trace.services.map((s) => s.service),
    8,
  );
  const lines = lineColours();
  const total = trace.services.reduce((sum, s) => sum + s.critical_ns, 0) || 1;
  const list = [...trace.services].sort((a, b) => b.critical_ns - a.critical_ns);
  return (
    <section class="where" aria-label="Where the time went">
      <div class="where-bar" aria-hidden="true">
        {list.map((s) => (
          <i
            key={s.service}
            style={{
              width: `${(100 * s.critical_ns) / total}%`,
              background: lines[colours.get(s.service) ?? 0]!,
            }}
          />
        ))}
      </div>
      <ul class="where-list">
        {list.slice(0, 12).map((s) => (
          <li key={s.service}>
            <i class="wf-dot" style={{ background: lines[colours.get(s.service) ?? 0]! }} />
            {s.service || "(no service)"} <strong>{((100 * s.critical_ns) / total).toFixed(0)} %</strong>{" "}
            <span class="muted">
              {nsText(s.critical_ns)} of the critical path, {nsText(s.self_ns)} itself,{" "}
              {many(s.spans, "span", "spans")}
              {s.errors > 0 && `, ${many(s.errors, "error", "errors")}`}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

export function TraceView() {
  const id = own("trace");
  const [trace, setTrace] = useState<WholeTrace | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setError(null);
    traces
      .one(id, stop.signal)
      .then(setTrace)
      .catch((e) => !isAbort(e) && setError(e));
    return () => stop.abort();
  }, [id, round]);
  const back = (): void => set({ trace: "", span: "" }, "push");
  const fresh = trace?.trace_id === id.toLowerCase() ? trace : null;
  const at = fresh ? fresh.spans.findIndex((s) => s.span_id === own("span")) : -1;
  const chosen = at >= 0 ? at : null;
  const choose = (i: number): void => set({ span: fresh?.spans[i]?.span_id ?? "" }, "replace");
  const root = fresh?.spans[fresh.root ?? 0];
  return (
    <section
      class="trace-view"
      aria-label="Trace"
      onKeyDown={(e) => {
        if (e.key !== "Escape") return;
        e.stopPropagation();
        if (chosen !== null) set({ span: "" }, "replace");
        else back();
      }}
    >
      <p class="row">
        <button type="button" class="button" onClick={back}>
          ← All traces
        </button>
      </p>
      {error !== null && <Failure error={error} again={() => setRound((r) => r + 1)} once />}
      {!fresh && error === null && <Loading what="the trace" />}
      {fresh && (
        <>
          <h2>
            {root?.service || "(no service)"}: {root?.name}
          </h2>
          <p class="muted" title={isoText(fresh.start_ms)}>
            {dayText(fresh.start_ms, serverNow())} {clockTime(fresh.start_ms, true)} {zoneOf(fresh.start_ms)},{" "}
            {nsText(fresh.duration_ns)}, {many(fresh.spans.length, "span", "spans")} in{" "}
            {many(fresh.services.length, "service", "services")}, <code>{fresh.trace_id}</code>
          </p>
          {oddities(fresh).map((text) => (
            <p key={text} class="odd">
              {text}
            </p>
          ))}
          <Where trace={fresh} />
          <div class={`trace-body ${chosen === null ? "" : "trace-body-two"}`}>
            <Waterfall trace={fresh} chosen={chosen} choose={choose} />
            {chosen !== null && (
              <SpanPanel trace={fresh} at={chosen} close={() => set({ span: "" }, "replace")} />
            )}
          </div>
          <p class="muted">
            The dark line in a bar is the critical path: what the end of the trace waited for.
          </p>
        </>
      )}
    </section>
  );
}
