/**
 * Diamonds under the chart, one for each example of what its series counted: what it was stands beside it on hover and
 * focus. They lie on the time axis alone: what one request took is no point on an axis of requests a second.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { serverNow } from "../api/client";
import { clockTime, dayText, isoText } from "../format/time";
import { type Shown, step, traceLabel, traceUrl } from "./exemplars";
import { exemplars, shown } from "./load";

/** Where the plot lies in its box, CSS pixels. */
export interface Area {
  left: number;
  width: number;
}

function Says({ one }: { one: Shown }) {
  const trace = traceLabel(one.labels);
  const at = one.atS * 1000;
  return (
    <span class="exemplar-says">
      <strong>{one.value}</strong>
      <span title={isoText(at)}>
        {dayText(at, serverNow())} {clockTime(at)}
      </span>
      {Object.entries(one.labels).map(([name, value]) => (
        <span key={name} class="chip">
          <span class="chip-name">{name}</span>
          {name === trace ? (
            <a class="trace-id" href={traceUrl(value, one.labels)} title="Open the trace">
              {value}
            </a>
          ) : (
            value
          )}
        </span>
      ))}
    </span>
  );
}

export function ExemplarStrip({ area }: { area: Area | null }) {
  const [at, setAt] = useState<number | null>(null);
  const strip = useRef<HTMLDivElement>(null);
  const span = shown.value?.span;
  const { shown: list, total } = exemplars.value;
  // Dependencies: other examples, none of them chosen.
  useEffect(() => setAt(null), [list]);
  if (list.length === 0 || !area || !span) return null;
  const chosen = at === null ? null : (list[at] ?? null);
  const here = Math.min(at ?? list.length - 1, list.length - 1);
  const x = (one: Shown): number =>
    area.left + ((one.atS * 1000 - span.from) / (span.to - span.from)) * area.width;
  const move = (e: KeyboardEvent): void => {
    const next = step(e.key, here, list.length);
    if (next === null) return;
    e.preventDefault();
    e.stopPropagation();
    strip.current?.querySelectorAll<HTMLButtonElement>(".exemplar")[next]?.focus();
  };
  return (
    <section class="exemplars" aria-label="Examples of what was counted">
      <div class="exemplar-line" ref={strip}>
        {list.map((one, i) => (
          <button
            key={`${one.atS} ${i}`}
            type="button"
            class="exemplar"
            aria-label={`${one.value} at ${clockTime(one.atS * 1000)}, ${Object.entries(one.labels)
              .map(([n, v]) => `${n} ${v}`)
              .join(", ")}`}
            aria-pressed={at === i}
            tabIndex={i === here ? 0 : -1}
            style={{ left: `${x(one)}px` }}
            onKeyDown={move}
            onFocus={() => setAt(i)}
            onClick={() => setAt(i)}
            onMouseEnter={() => setAt(i)}
          />
        ))}
      </div>
      <p class="exemplar-text" aria-live="polite">
        {chosen ? (
          <Says one={chosen} />
        ) : (
          <>
            {total} {total === 1 ? "example" : "examples"} of what was counted
            {total > list.length && `, the newest ${list.length} are shown`}
          </>
        )}
      </p>
    </section>
  );
}
