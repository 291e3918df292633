/**
 * What else moved: every series of the shown time against a baseline, what moved together as one group, in the order in
 * which it began. It shows what was measured and never says why. Must never ask again by itself: an answer that changes
 * while it is read cannot be thought about.
 */
import { useState } from "preact/hooks";
import { openAdvise } from "../actions/advise";
import { lookApi } from "../api/look";
import type { Compared, ComparedGroup, ComparedSeries } from "../api/types";
import { clockTime, isoText } from "../format/time";
import { formatCount, formatValue } from "../format/units";
import { span, view } from "../state/app";
import { between, type Span } from "../state/range";
import { selectorOf } from "../state/selector";
import { defaults, toUrl } from "../state/url";
import { Notice } from "../ui/notice";
import { Against } from "./Against";
import { Asking, useAsking } from "./asking";
import { offsetText, sentence, togetherText } from "./compare";
import { Fields } from "./FieldsThatDiffer";
import { LikePage } from "./LikePage";
import { Whose } from "./Narrowed";
import { Picture } from "./Picture";

/** Groups that are shown before one asks for more. */
const GROUPS_FEW = 8;
/** Members that are shown before one asks for more. */
const FEW = 5;

const SIGNS: Record<ComparedSeries["how"], string> = {
  rose: "▲",
  fell: "▼",
  wider: "◆",
  calmer: "◇",
  appeared: "+",
  disappeared: "×",
  higher: "▲",
  lower: "▼",
};

function Member(props: { one: ComparedSeries; first: number; isFirst: boolean; stepS: number }) {
  const { one, first, isFirst, stepS } = props;
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
        {isFirst || one.onset > first ? offsetText(one.onset - first) : "same time"}
      </span>
      <Picture values={one.picture} unit={one.unit} stepS={stepS} from={48} />
      <div class="moved-words">
        <a href={open} class="moved-title" title={selector}>
          {one.title}
        </a>{" "}
        <Whose entity={one.entity} />
        <a
          class="moved-like"
          href={toUrl({
            ...defaults("compare"),
            range: between(range.from - lead, range.to),
            own: { like: selector },
          })}
          title="Every series of this shape, earlier or later"
        >
          Lines like this
        </a>
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
        {one.score >= 100 ? formatCount(Math.round(one.score)) : one.score.toFixed(1)} × spread
      </span>
    </li>
  );
}

function Group(props: {
  group: ComparedGroup;
  stepS: number;
  isPeers: boolean;
  hide: () => void;
  only: () => void;
}) {
  const { group, stepS } = props;
  const [all, setAll] = useState(false);
  const shown = all ? group.members : group.members.slice(0, FEW);
  const first = group.members[0];
  if (!first) return null;
  const ms = group.onset * 1000;
  const together = togetherText(group.count, props.isPeers);
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
        <span class="moved-tools">
          <button type="button" class="button" onClick={props.only} title="Leave all other groups out">
            Show only
          </button>
          <button type="button" class="button" onClick={props.hide} title="Leave this group out of the list">
            Not this
          </button>
        </span>
      </div>
      <ol class="moved-list">
        {shown.map((one, i) => (
          <Member
            key={selectorOf("", one.labels)}
            one={one}
            first={group.onset}
            isFirst={i === 0}
            stepS={stepS}
          />
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

/** How much was looked at, and what of it moved. */
function Counts({ data }: { data: Compared }) {
  return (
    <p>
      <strong>{formatCount(data.moved)}</strong> of {formatCount(data.compared)} series{" "}
      {data.is_peers ? "differ from their peers" : "moved"};{" "}
      {data.is_peers
        ? `${formatCount(data.left_out.without_peers)} have no peers on two other hosts.`
        : `${formatCount(data.still)} never move at all.`}
      {data.elapsed_ms !== undefined && ` Compared in ${formatValue(data.elapsed_ms / 1000, "s")}.`}
      {data.left_out.buckets > 0 && (
        <span class="muted">
          {" "}
          {formatCount(data.left_out.buckets)} buckets of histograms were left out: their sums and counts are
          here.
        </span>
      )}
      {data.moved > 0 && !data.is_peers && (
        <span class="muted"> “× spread” says how far outside its usual range a series went.</span>
      )}
    </p>
  );
}

function Answer({ data, isWhole }: { data: Compared; isWhole: boolean }) {
  const [hidden, setHidden] = useState<ReadonlySet<number>>(new Set());
  const [all, setAll] = useState(false);
  const groups = data.groups.map((group, i) => ({ group, i })).filter(({ i }) => !hidden.has(i));
  if (data.compared === 0 && isWhole)
    return (
      <Notice title="There is nothing to compare.">
        <p>No series has samples in this time and in its baseline. Take another time, or another baseline.</p>
      </Notice>
    );
  return (
    <>
      <Counts data={data} />
      {data.note !== "" && <p class="muted">{sentence(data.note)}</p>}
      {data.warnings.map((w) => (
        <p key={w} class="stale" role="alert">
          {w}
        </p>
      ))}
      {data.groups.length === 0 && isWhole && (
        <Notice title="Nothing stands out.">
          <p>
            Every series went on as in the baseline. Try another baseline, or a time that begins at the
            trouble.
          </p>
        </Notice>
      )}
      {(all ? groups : groups.slice(0, GROUPS_FEW)).map(({ group, i }) => (
        <Group
          key={i}
          group={group}
          stepS={data.picture_s}
          isPeers={data.is_peers}
          hide={() => setHidden(new Set([...hidden, i]))}
          only={() => setHidden(new Set(data.groups.map((_, n) => n).filter((n) => n !== i)))}
        />
      ))}
      {!all && groups.length > GROUPS_FEW && (
        <p>
          <button type="button" class="button" onClick={() => setAll(true)}>
            Show {groups.length - GROUPS_FEW} more, which stand out less
          </button>
        </p>
      )}
      {hidden.size > 0 && (
        <p>
          <button type="button" class="button" onClick={() => setHidden(new Set())}>
            Show the {hidden.size} left out
          </button>
        </p>
      )}
      {isWhole && data.groups_total > data.groups.length && (
        <p class="muted">
          {formatCount(data.groups_total - data.groups.length)} more groups stand out less and are not listed.
        </p>
      )}
    </>
  );
}

export function ComparePage() {
  return view.value.own.like === undefined ? <Moved /> : <LikePage />;
}

/** The fields of log records and spans of this time; below what moved, for it is another kind of answer. */
function Records({ shown, baseline }: { shown: Span; baseline: string }) {
  const [signal, setSignal] = useState<"logs" | "spans">("logs");
  return (
    <section class="moved-group" aria-label="Fields that differ">
      <div class="moved-head">
        <h2>Fields that differ</h2>
        <span class="moved-tools">
          {(["logs", "spans"] as const).map((one) => (
            <button
              key={one}
              type="button"
              class="button"
              aria-pressed={signal === one}
              onClick={() => setSignal(one)}
            >
              {one === "logs" ? "log records" : "spans"}
            </button>
          ))}
        </span>
      </div>
      <Fields key={signal} question={{ signal, start: shown.from / 1000, end: shown.to / 1000, baseline }} />
    </section>
  );
}

function Moved() {
  const v = view.value;
  const range = span.value;
  const baseline = v.own.against || "before";
  // A live range is frozen at the moment of the question.
  const asked = useAsking<Compared>(JSON.stringify([v.range, baseline, v.match]), (signal, watching) =>
    lookApi.compare(
      { start: range.from / 1000, end: range.to / 1000, baseline, match: v.match },
      signal,
      watching,
    ),
  );
  const { data } = asked;
  const shown = data ? { from: data.window[0] * 1000, to: data.window[1] * 1000 } : range;
  return (
    <main class="page compare">
      <h1>What moved</h1>
      <Against shown={shown} hosts>
        <button
          type="button"
          class="button"
          title="The same time, weighed together with log records, traces and changes (d)"
          onClick={openAdvise}
        >
          Where to look first?
        </button>
      </Against>
      <Asking asked={asked} what="every series of this time and its baseline" />
      {data !== null && <Answer key={asked.key} data={data} isWhole={asked.isWhole} />}
      {data !== null && asked.isWhole && !data.is_peers && (
        <Records key={asked.key} shown={shown} baseline={baseline} />
      )}
    </main>
  );
}
