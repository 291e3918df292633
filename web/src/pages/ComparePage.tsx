/**
 * What else moved: every series of the shown time against a baseline, what moved together as one group, in the order in
 * which it began. It shows what was measured and never says why. Must never ask again by itself: an answer that changes
 * while it is read cannot be thought about.
 */
import { useEffect, useState } from "preact/hooks";
import { openAdvise } from "../actions/advise";
import { api, isAbort, serverNow } from "../api/client";
import type { Compared, ComparedGroup, ComparedSeries } from "../api/types";
import { clockTime, dayText, isoText, spanText, zoneOf } from "../format/time";
import { formatCount, formatValue } from "../format/units";
import { go, span, view } from "../state/app";
import { between } from "../state/range";
import { selectorOf } from "../state/selector";
import { defaults, toUrl } from "../state/url";
import { Failure, Loading, Notice } from "../ui/notice";
import { AGAINST, offsetText, picturePath } from "./compare";

/** Members that are shown before one asks for more. */
const FEW = 5;

function Picture({ one, stepS }: { one: ComparedSeries; stepS: number }) {
  const drawn = picturePath(one.picture);
  const about = `${formatValue(drawn.low, one.unit)} to ${formatValue(drawn.high, one.unit)}, ${spanText(
    stepS * one.picture.length,
  )}; the shaded part is what is compared`;
  return (
    <svg class="moved-picture" viewBox="0 0 144 30" preserveAspectRatio="none" role="img" aria-label={about}>
      <title>{about}</title>
      <rect x="48" y="0" width="96" height="30" class="moved-window" />
      <path d={drawn.path} />
      {drawn.dots.map((d) => (
        <circle key={`${d.x}`} cx={d.x} cy={d.y} r="1.4" />
      ))}
    </svg>
  );
}

const SIGNS: Record<ComparedSeries["how"], string> = {
  rose: "▲",
  fell: "▼",
  wider: "◆",
  calmer: "◇",
  appeared: "+",
  disappeared: "×",
};

function Member({ one, first, stepS }: { one: ComparedSeries; first: number; stepS: number }) {
  const metric = one.labels.__name__ ?? "";
  const selector = selectorOf(metric, one.labels);
  const range = span.value;
  const lead = (range.to - range.from) / 2;
  const open = toUrl({
    ...defaults("look"),
    range: between(range.from - lead, range.to),
    open: [selector],
  });
  const more = Object.entries(one.labels).filter(([name]) => !["__name__", "instance", "job"].includes(name));
  return (
    <li class="moved">
      <span class="moved-when" title={isoText(one.onset * 1000)}>
        {offsetText(one.onset - first)}
      </span>
      <Picture one={one} stepS={stepS} />
      <div class="moved-words">
        <a href={open} class="moved-title" title={selector}>
          {one.title}
        </a>{" "}
        <span class="muted">
          {one.entity.kind} {one.entity.title}
          {one.entity.parent !== "" && `, ${one.entity.parent}`}
        </span>
        <div>
          <span class={`moved-sign moved-${one.how}`} aria-hidden="true">
            {SIGNS[one.how]}
          </span>{" "}
          {one.sentence}
        </div>
        {more.length > 0 && (
          <div class="muted moved-labels">{more.map(([name, value]) => `${name}=${value}`).join("  ")}</div>
        )}
      </div>
      <span class="moved-score" title="How far it stands out, in spreads of its baseline; no probability">
        {one.score >= 100 ? formatCount(Math.round(one.score)) : one.score.toFixed(1)} ×
      </span>
    </li>
  );
}

function Group({ group, stepS, hide }: { group: ComparedGroup; stepS: number; hide: () => void }) {
  const [all, setAll] = useState(false);
  const shown = all ? group.members : group.members.slice(0, FEW);
  const first = group.members[0];
  if (!first) return null;
  const ms = group.onset * 1000;
  const together = group.count > 1 ? `${formatCount(group.count)} series moved together` : "one series moved";
  return (
    <section class="moved-group" aria-label={`${together} at ${clockTime(ms)}`}>
      <div class="moved-head">
        <h2>
          <time title={isoText(ms)}>{clockTime(ms)}</time> {together}
          {group.count > 1 && (
            <span class="muted">
              ; first: {first.title} of {first.entity.kind} {first.entity.title}
            </span>
          )}
        </h2>
        <button type="button" class="button" onClick={hide} title="Leave this group out of the list">
          Not this
        </button>
      </div>
      <ol class="moved-list">
        {shown.map((one) => (
          <Member key={selectorOf("", one.labels)} one={one} first={group.onset} stepS={stepS} />
        ))}
      </ol>
      {group.members.length > shown.length && (
        <button type="button" class="button" onClick={() => setAll(true)}>
          Show {group.members.length - FEW} more
        </button>
      )}
      {all && group.count > group.members.length && (
        <p class="muted">
          {formatCount(group.count - group.members.length)} more of the same shape are not listed.
        </p>
      )}
    </section>
  );
}

function Answer({ data }: { data: Compared }) {
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const groups = data.groups.map((group, i) => ({ group, i })).filter(({ i }) => !hidden.has(i));
  if (data.compared === 0)
    return (
      <Notice title="There is nothing to compare.">
        <p>No series has samples in this time and in its baseline. Take another time, or another baseline.</p>
      </Notice>
    );
  return (
    <>
      <p>
        <strong>{formatCount(data.moved)}</strong> of {formatCount(data.compared)} series moved;{" "}
        {formatCount(data.still)} never move at all. Compared in {formatValue(data.elapsed_ms / 1000, "s")}.
        {data.left_out.buckets > 0 && (
          <span class="muted">
            {" "}
            {formatCount(data.left_out.buckets)} buckets of histograms were left out: their sums and counts
            are here.
          </span>
        )}
      </p>
      {data.warnings.map((w) => (
        <p key={w} class="stale" role="alert">
          {w}
        </p>
      ))}
      {data.groups.length === 0 && (
        <Notice title="Nothing stands out.">
          <p>
            Every series went on as in the baseline. Try another baseline, or a time that begins at the
            trouble.
          </p>
        </Notice>
      )}
      {groups.map(({ group, i }) => (
        <Group key={i} group={group} stepS={data.picture_s} hide={() => setHidden(new Set([...hidden, i]))} />
      ))}
      {hidden.size > 0 && (
        <p>
          <button type="button" class="button" onClick={() => setHidden(new Set())}>
            Show the {hidden.size} left out
          </button>
        </p>
      )}
      {data.groups_total > data.groups.length && (
        <p class="muted">
          {formatCount(data.groups_total - data.groups.length)} more groups stand out less and are not listed.
        </p>
      )}
    </>
  );
}

export function ComparePage() {
  const v = view.value;
  const given = v.own.against ?? "";
  const known = AGAINST.some(({ against }) => against === given) ? given : "";
  const range = span.value;
  const [state, setState] = useState<{ data: Compared | null; error: unknown; asked: string }>({
    data: null,
    error: null,
    asked: "",
  });
  const [round, setRound] = useState(0);
  // A live range is frozen at the moment of the question.
  const asked = JSON.stringify([v.range, known, v.match, round]);
  useEffect(() => {
    const stop = new AbortController();
    setState({ data: null, error: null, asked });
    const question = {
      start: range.from / 1000,
      end: range.to / 1000,
      baseline: known === "" ? "before" : known,
      match: v.match,
    };
    api
      .compare(question, stop.signal)
      .then((data) => setState({ data, error: null, asked }))
      .catch((error: unknown) => {
        if (!isAbort(error)) setState({ data: null, error, asked });
      });
    return () => stop.abort();
  }, [asked]);
  const { data, error } = state;
  const stretch = data?.window.map((s) => s * 1000) ?? [range.from, range.to];
  return (
    <main class="page compare">
      <h1>What moved</h1>
      <p class="row">
        <span class="muted">
          {dayText(stretch[0]!, serverNow())} {clockTime(stretch[0]!)} to {clockTime(stretch[1]!)}{" "}
          {zoneOf(stretch[0]!)}, against
        </span>
        {AGAINST.map(({ against, title }) => (
          <button
            key={against}
            type="button"
            class="button"
            aria-pressed={known === against}
            onClick={() => go({ own: against === "" ? {} : { against } })}
          >
            {title}
          </button>
        ))}
        <button
          type="button"
          class="button"
          title="The same time, weighed together with log records, traces and changes (d)"
          onClick={openAdvise}
        >
          Where to look first?
        </button>
        {v.match !== "" && (
          <button
            type="button"
            class="chip chip-button"
            onClick={() => go({ match: "" })}
            title="All series again"
          >
            only {v.match} ✕
          </button>
        )}
      </p>
      {error !== null && <Failure error={error} again={() => setRound(round + 1)} />}
      {data === null && error === null && <Loading what="every series of this time and its baseline" />}
      {data !== null && <Answer key={state.asked} data={data} />}
    </main>
  );
}
