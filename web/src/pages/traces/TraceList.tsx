/**
 * Traces that were found, each with its shape drawn small. Must never draw more than the server gave.
 */
import { serverNow } from "../../api/client";
import type { TraceSummary } from "../../api/traces";
import { agoText, clockTime, dayText, isoText } from "../../format/time";
import { view } from "../../state/app";
import { lineColours } from "../../state/theme";
import { toUrl } from "../../state/url";
import { coloursOf, nsText } from "./layout";

const ROW = 3;
const WIDE = 240;

/** Bars one below the other, as in the large drawing. */
function Shape({ trace, colours }: { trace: TraceSummary; colours: Map<string, number> }) {
  const lines = lineColours();
  return (
    <svg
      class="shape"
      viewBox={`0 0 ${WIDE} ${Math.max(trace.bars.length * ROW, 12)}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {trace.bars.map(([service, from, length, failed], i) => {
        const name = trace.services[service]?.service ?? "";
        const stroke = failed ? "var(--bad)" : lines[(colours.get(name) ?? 0) % lines.length];
        return (
          <rect
            key={i}
            x={from * WIDE}
            y={i * ROW}
            width={Math.max(length * WIDE, 1)}
            height={ROW - 0.6}
            fill={stroke}
          />
        );
      })}
    </svg>
  );
}

export function TraceList({ list }: { list: readonly TraceSummary[] }) {
  const colours = coloursOf([...new Set(list.flatMap((t) => t.services.map((s) => s.service)))], 8);
  const url = (t: TraceSummary): string =>
    toUrl({ ...view.value, own: { ...view.value.own, trace: t.trace_id } });
  return (
    <ol class="traces" aria-label="Traces">
      {list.map((t) => (
        <li key={t.trace_id}>
          <a class="trace" href={url(t)}>
            <span class="trace-name">
              <strong>{t.root_service || "(no service)"}</strong> {t.root_name || t.trace_id}
              {!t.is_whole && (
                <span class="chip" title="Its beginning is missing: not sent, not kept, or not arrived yet">
                  not whole
                </span>
              )}
              {t.errors > 0 && (
                <span class="chip chip-bad">
                  {t.errors} {t.errors === 1 ? "error" : "errors"}
                </span>
              )}
            </span>
            <span class="trace-when" title={isoText(t.start_ms)}>
              {dayText(t.start_ms, serverNow())} {clockTime(t.start_ms, true)},{" "}
              {agoText(t.start_ms, serverNow())}
            </span>
            <span class="trace-shape">
              <Shape trace={t} colours={colours} />
            </span>
            <span class="trace-long">{nsText(t.duration_ns)}</span>
            <span class="trace-who muted">
              {t.spans} {t.spans === 1 ? "span" : "spans"} in{" "}
              {t.services
                .slice(0, 5)
                .map((s) => s.service || "(no service)")
                .join(", ")}
              {t.services.length > 5 && ` and ${t.services.length - 5} more`}
            </span>
          </a>
        </li>
      ))}
    </ol>
  );
}
