/**
 * Why is this number missing? Where a series comes from, when it was seen, what is absent and what was refused. Must
 * never guess: all of it is what the server recorded.
 */
import { useEffect, useRef } from "preact/hooks";
import { serverNow } from "../api/client";
import type { SeriesFacts } from "../api/types";
import { agoText, isoText, momentText, spanText, zoneOf } from "../format/time";
import { formatCount } from "../format/units";
import { view } from "../state/app";
import { openGap } from "./data";
import { factsAsOf } from "./load";

const GAPS_SHOWN = 20;

function Moment({ ms }: { ms: number | null }) {
  if (ms === null) return <>never</>;
  const now = serverNow();
  return (
    <time title={isoText(ms)} dateTime={isoText(ms)}>
      {momentText(ms, now)} {zoneOf(ms)}, {agoText(ms, now)}
    </time>
  );
}

export function Why({ facts }: { facts: SeriesFacts | null }) {
  const panel = useRef<HTMLElement>(null);
  // On a narrow screen it comes below the chart: show that it came.
  useEffect(() => {
    if (matchMedia("(max-width: 720px)").matches) panel.current?.scrollIntoView({ block: "nearest" });
  }, []);
  if (!facts)
    return (
      <section class="why muted" ref={panel}>
        Nothing is known of this series: it may have been named wrongly, or not be there any more.
      </section>
    );
  const now = serverNow();
  const { range } = view.value;
  const open = range.kind === "last" ? openGap(facts, factsAsOf.value) : null;
  return (
    <section class="why" ref={panel} aria-label="Why is this number missing?">
      <h3>Why is this number missing?</h3>
      {facts.explanation.map((line) => (
        <p key={line} class="why-line">
          {line}
        </p>
      ))}
      <dl class="facts">
        <div>
          <dt>Source</dt>
          <dd>{facts.source.text || facts.source.kind}</dd>
        </div>
        <div>
          <dt>First seen</dt>
          <dd>
            <Moment ms={facts.first_seen_ms} />
          </dd>
        </div>
        <div>
          <dt>Last seen</dt>
          <dd>
            <Moment ms={facts.last_seen_ms} />
          </dd>
        </div>
        <div>
          <dt>Due</dt>
          <dd>{facts.interval_ms ? `every ${spanText(facts.interval_ms / 1000)}` : "no rhythm is known"}</dd>
        </div>
        <div>
          <dt>In this time</dt>
          <dd>{formatCount(facts.samples_in_range)} samples</dd>
        </div>
      </dl>
      <h4>Gaps in this time</h4>
      {facts.gaps.length === 0 && !open ? (
        <p class="muted">None.</p>
      ) : (
        <ul>
          {open && (
            <li title={`since ${isoText(open.from_ms)}`}>
              {momentText(open.from_ms, now)} – now (
              {spanText(Math.floor((open.to_ms - open.from_ms) / 1000))}, and still open)
            </li>
          )}
          {facts.gaps.slice(0, GAPS_SHOWN).map((g) => (
            <li key={g.from_ms} title={`${isoText(g.from_ms)} to ${isoText(g.to_ms)}`}>
              {momentText(g.from_ms, now)} – {momentText(g.to_ms, now)} (
              {spanText((g.to_ms - g.from_ms) / 1000)})
            </li>
          ))}
          {facts.gaps.length > GAPS_SHOWN && <li>and {formatCount(facts.gaps.length - GAPS_SHOWN)} more</li>}
        </ul>
      )}
      <h4>Dropped</h4>
      {facts.drops.length === 0 ? (
        <p class="muted">None.</p>
      ) : (
        <ul>
          {facts.drops.map((d) => (
            <li key={d.reason}>
              <code>{d.reason}</code>: {formatCount(d.samples)} samples, last <Moment ms={d.last_ms} />.{" "}
              {d.message}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
