/**
 * Templates of lines: what is new, what vanished, what comes at another rate, and what comes most. Must never call something new
 * without saying since when.
 */
import { api, serverNow } from "../api/client";
import { agoText, isoText } from "../format/time";
import { formatCount } from "../format/units";
import { view } from "../state/app";
import { defaults, toUrl } from "../state/url";
import { Failure, Loading } from "../ui/notice";
import { usePoll } from "../ui/poll";
import { harmless, levelSign } from "./text";
import type { LogPattern } from "./types";

const EVERY_MS = 10_000;

function Spark({ counts }: { counts: number[] }) {
  const most = Math.max(1, ...counts);
  return (
    <svg
      class="log-spark"
      viewBox={`0 0 ${counts.length} 16`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${formatCount(counts.reduce((a, b) => a + b, 0))} in the last hour`}
    >
      {counts.map(
        (n, i) =>
          n > 0 && <rect key={i} x={i} width={0.8} y={16 - (n / most) * 15} height={(n / most) * 15} />,
      )}
    </svg>
  );
}

function word(p: LogPattern): string {
  if (p.expected !== undefined) return `about ${formatCount(p.expected)} would have come since`;
  if (p.now_per_10m !== undefined)
    return `${formatCount(p.now_per_10m)} in 10 min, ${formatCount(p.before_per_10m ?? 0)} before`;
  if (p.is_service_new === true) return "its service is new, too";
  return "";
}

function Row({ p }: { p: LogPattern }) {
  const to = toUrl({ ...defaults("logs"), range: view.value.range, q: `pattern:${p.id}` });
  return (
    <li class="log-pattern">
      <span class={`level-word level-${p.level || "unknown"}`} title={p.level || "no level"}>
        <span aria-hidden="true">{levelSign(p.level)}</span>
        <span class="sr">{p.level || "no level"}</span>
      </span>
      <span class="log-service">{harmless(p.service)}</span>
      <a class="drill log-template" href={to} title={harmless(p.example)}>
        {harmless(p.text)}
      </a>
      <Spark counts={p.per_minute} />
      <span class="muted">
        {formatCount(p.count)} ×, first{" "}
        <time title={isoText(p.first_ms)}>{agoText(p.first_ms, serverNow())}</time>
        {p.host !== "" && ` on ${harmless(p.host)}`}, last{" "}
        <time title={isoText(p.last_ms)}>{agoText(p.last_ms, serverNow())}</time>
        {word(p) !== "" && <b>; {word(p)}</b>}
      </span>
    </li>
  );
}

function List({ title, all, none }: { title: string; all: LogPattern[]; none: string }) {
  return (
    <>
      <h2>
        {title} <span class="tally">{formatCount(all.length)}</span>
      </h2>
      {all.length === 0 ? (
        <p class="muted">{none}</p>
      ) : (
        <ul class="log-patterns" aria-label={title}>
          {all.map((p) => (
            <Row key={p.id} p={p} />
          ))}
        </ul>
      )}
    </>
  );
}

export function Patterns() {
  const found = usePoll((signal) => api.logPatterns(signal), EVERY_MS);
  if (!found.data) {
    return found.error === null ? (
      <Loading what="patterns" />
    ) : (
      <Failure error={found.error} again={found.again} />
    );
  }
  const d = found.data;
  return (
    <div class="log-patterns-all">
      <List title="New in the last hour" all={d.new} none="No line that was not there before." />
      <List title="Vanished" all={d.vanished} none="Nothing that came steadily has stopped." />
      <List title="At another rate" all={d.changed} none="Everything comes about as often as before." />
      <List title="Most frequent in the last hour" all={d.most} none="No records yet." />
      <p class="muted">{formatCount(d.known)} templates are known.</p>
    </div>
  );
}
