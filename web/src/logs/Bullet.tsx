/** One identifier, and everything that is known of it in the order of time. Must never leave out silently: what was cut is said. */
import { useEffect, useState } from "preact/hooks";
import { api, isAbort, serverNow } from "../api/client";
import { isoText, momentText } from "../format/time";
import { formatCount, formatValue } from "../format/units";
import { view } from "../state/app";
import { defaults, toUrl } from "../state/url";
import { Failure, Loading, Notice } from "../ui/notice";
import { harmless, levelSign } from "./text";
import type { BulletEvent, Bullet as Found } from "./types";

function What({ e }: { e: BulletEvent }) {
  if (e.log) {
    return (
      <>
        <span class={`level-word level-${e.log.level || "unknown"}`}>
          <span aria-hidden="true">{levelSign(e.log.level)}</span> {e.log.level}
        </span>{" "}
        <b>{harmless(e.log.service)}</b> <span class="log-value">{harmless(e.log.body)}</span>
      </>
    );
  }
  if (e.span) {
    return (
      <a href={`/traces?trace=${e.span.trace_id}`}>
        <b>{harmless(e.span.service)}</b> {harmless(e.span.name)},{" "}
        {formatValue(e.span.duration_ns / 1e9, "s")}
        {e.span.status === "error" && " – failed"}
      </a>
    );
  }
  if (e.change) {
    return (
      <>
        <b>{harmless(e.change.kind)}</b> {harmless(e.change.title)} {harmless(e.change.service)}
      </>
    );
  }
  return (
    <a href={toUrl({ ...defaults("look"), range: view.value.range, open: [e.exemplar?.series ?? ""] })}>
      {harmless(e.exemplar?.series ?? "")} = {e.exemplar?.value}
    </a>
  );
}

export function Bullet({ id }: { id: string }) {
  const [found, setFound] = useState<Found | null>(null);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    setFound(null);
    setError(null);
    api.bullet(id, stop.signal).then(setFound, (e: unknown) => !isAbort(e) && setError(e));
    return () => stop.abort();
  }, [id]);
  if (error !== null) return <Failure error={error} />;
  if (!found) return <Loading what={`everything about ${id}`} />;
  if (found.events.length === 0) {
    return (
      <Notice title={`Nothing is known about ${harmless(id)}.`}>
        <p>It is looked for as a whole word: a trace, a request, a user, an address, a host, a pod.</p>
      </Notice>
    );
  }
  return (
    <>
      <p class="muted">
        {formatCount(found.events.length)} events
        {found.cut && "; only the newest 500 of each kind are shown"}
        {found.partial && "; a part of the data cannot be read"}
      </p>
      <ol class="log-bullet" aria-label={`Everything about ${id}`}>
        {found.events.map((e, i) => {
          const ms = Number(BigInt(e.time_ns) / 1_000_000n);
          return (
            <li key={i} class={`bullet-${e.kind}`}>
              <time title={isoText(ms)}>{momentText(ms, serverNow())}</time>
              <span class="bullet-kind">{e.kind}</span>
              <span>
                <What e={e} />
              </span>
            </li>
          );
        })}
      </ol>
    </>
  );
}
