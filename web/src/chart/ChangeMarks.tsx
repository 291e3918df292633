/**
 * Changes that concern what a chart shows: a triangle below it for each, at its time, with the title on hover and focus and a
 * link to all of it; the chart draws the line. Must never draw a change that concerns something else.
 */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { isAbort, serverNow } from "../api/client";
import { type Change, changes } from "../api/traces";
import { clockTime, dayText } from "../format/time";
import { concerns } from "../pages/changes/list";
import type { Labels } from "../state/selector";
import { defaults, toUrl } from "../state/url";
import type { Area } from "./ExemplarStrip";
import { shown } from "./load";

/** More lines would be a wall. */
const MARKS_MAX = 60;

/** Changes that concern the chart that is shown. */
export const marks = signal<readonly Change[]>([]);

/** Asks for changes of the shown time, and keeps those that concern any of the shown series. */
export function useMarks(series: readonly Labels[]): void {
  const span = shown.value?.span;
  const key = JSON.stringify(series);
  useEffect(() => {
    if (!span) return;
    const stop = new AbortController();
    changes
      .list({ from: span.from, to: span.to, limit: 500 }, stop.signal)
      .then(({ changes: all }) => {
        marks.value = all.filter((c) => series.some((labels) => concerns(c, labels))).slice(0, MARKS_MAX);
      })
      .catch((e) => {
        // The chart is worth more than its marks: it stays.
        if (!isAbort(e)) marks.value = [];
      });
    return () => stop.abort();
  }, [span?.from, span?.to, key]);
}

export function ChangeMarks({ area }: { area: Area | null }) {
  const [at, setAt] = useState<string | null>(null);
  const span = shown.value?.span;
  const list = marks.value;
  if (list.length === 0 || !area || !span) return null;
  const chosen = list.find((c) => c.id === at);
  const x = (c: Change): number => area.left + ((c.time_ms - span.from) / (span.to - span.from)) * area.width;
  const url = (c: Change): string =>
    toUrl({
      ...defaults("changes"),
      range: { kind: "fixed", from: c.time_ms - 3_600_000, to: c.time_ms + 3_600_000 },
      own: { change: c.id },
    });
  return (
    <section class="change-lines" aria-label="Changes">
      <div class="change-marks">
        {list.map((c) => (
          <button
            key={c.id}
            type="button"
            class="change-mark"
            aria-label={`${c.kind} at ${clockTime(c.time_ms)}: ${c.title}`}
            aria-pressed={c.id === at}
            style={{ left: `${x(c)}px` }}
            onFocus={() => setAt(c.id)}
            onMouseEnter={() => setAt(c.id)}
            onClick={() => setAt(c.id)}
          />
        ))}
      </div>
      <p class="change-says" aria-live="polite">
        {chosen ? (
          <>
            <strong>{chosen.title}</strong>
            <span class="muted">
              {chosen.kind}, {dayText(chosen.time_ms, serverNow())} {clockTime(chosen.time_ms)}
            </span>
            <a href={url(chosen)}>Open the change</a>
          </>
        ) : (
          <span class="muted">
            {list.length} {list.length === 1 ? "change" : "changes"} in this time
          </span>
        )}
      </p>
    </section>
  );
}
