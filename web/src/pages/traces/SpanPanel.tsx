/**
 * Everything that was said of one span, and where to look at the same moment. Must never put text of it into the page as
 * anything but text.
 */
import type { SpanOfTrace, WholeTrace } from "../../api/traces";
import { clockTime, isoText } from "../../format/time";
import { between } from "../../state/range";
import { withMatcher } from "../../state/selector";
import { defaults, toUrl } from "../../state/url";
import { nsText } from "./layout";
import { openTrace } from "./state";

function Pairs({ title, pairs }: { title: string; pairs: Record<string, string> }) {
  const entries = Object.entries(pairs);
  if (entries.length === 0) return null;
  return (
    <section>
      <h4>{title}</h4>
      <dl class="pairs">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** A minute before to a minute after, so that a chart has something to show. */
function around(trace: WholeTrace, s: SpanOfTrace) {
  const from = trace.start_ms + s.offset_ns / 1e6;
  return between(from - 60_000, from + s.duration_ns / 1e6 + 60_000);
}

function Links({ trace, span: s }: { trace: WholeTrace; span: SpanOfTrace }) {
  const range = around(trace, s);
  const look = (match: string): string => toUrl({ ...defaults("look"), match, range });
  const time =
    range.kind === "fixed"
      ? `&from=${new Date(range.from).toISOString()}&to=${new Date(range.to).toISOString()}`
      : "";
  return (
    <p class="row">
      <a class="button" href={`/logs?q=${encodeURIComponent(trace.trace_id)}${time}`}>
        Logs of this trace
      </a>
      {s.host !== "" && (
        <a class="button" href={look(withMatcher("", "instance", s.host))}>
          The host {s.host} then
        </a>
      )}
      {s.service !== "" && (
        <a class="button" href={look(withMatcher("", "service_name", s.service))}>
          {s.service} then
        </a>
      )}
    </p>
  );
}

export function SpanPanel({ trace, at, close }: { trace: WholeTrace; at: number; close: () => void }) {
  const s = trace.spans[at]!;
  const begin = trace.start_ms + s.offset_ns / 1e6;
  return (
    <aside class="span-panel" aria-label="The span">
      <div class="span-head">
        <h3>
          {s.service || "(no service)"}: {s.name}
        </h3>
        <button type="button" class="button" aria-label="Close the span" title="Close (Esc)" onClick={close}>
          ✕
        </button>
      </div>
      <p class="muted">
        {[s.kind, s.host && `on ${s.host}`, `began ${clockTime(begin, true)}`].filter(Boolean).join(", ")}
        <span class="sr"> {isoText(begin)}</span>
      </p>
      <dl class="figures figures-small">
        <div class="figure">
          <dt>took</dt>
          <dd>{nsText(s.duration_ns)}</dd>
        </div>
        <div class="figure">
          <dt>itself</dt>
          <dd>{nsText(s.self_ns)}</dd>
        </div>
        <div class="figure">
          <dt>of the critical path</dt>
          <dd>{nsText(s.critical_ns)}</dd>
        </div>
      </dl>
      {s.status === "error" && <p class="span-error">Error{s.message && `: ${s.message}`}</p>}
      {s.shift_ns !== 0 && (
        <p class="muted">
          Its clock disagrees with its caller's: it is drawn {nsText(Math.abs(s.shift_ns))}{" "}
          {s.shift_ns > 0 ? "later" : "earlier"} than it says.
        </p>
      )}
      {s.is_orphan && <p class="muted">Its parent {s.parent_id} is not here.</p>}
      <Links trace={trace} span={s} />
      {s.events.length > 0 && (
        <section>
          <h4>Events</h4>
          {s.events.map((e, i) => (
            <details key={i} open={e.name === "exception"}>
              <summary>
                {nsText(e.offset_ns)} {e.name || "(no name)"}
              </summary>
              <Pairs title="" pairs={e.attributes} />
            </details>
          ))}
        </section>
      )}
      <Pairs title="Attributes" pairs={s.attributes} />
      <Pairs title="Resource" pairs={s.resource} />
      {s.links.length > 0 && (
        <section>
          <h4>Linked spans</h4>
          {s.links.map((l) => (
            <p key={l.trace_id + l.span_id}>
              <button type="button" class="button" onClick={() => openTrace(l.trace_id, l.span_id)}>
                {l.trace_id.slice(0, 8)}… {l.span_id}
              </button>
            </p>
          ))}
        </section>
      )}
      <p class="muted">
        span <code>{s.span_id}</code> of trace <code>{trace.trace_id}</code>
      </p>
    </aside>
  );
}
