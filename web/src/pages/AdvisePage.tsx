/**
 * Where to look first: a few directions for the shown time, each with what speaks for it and against it, every piece with
 * the way to where it can be seen. It never says why. Must never ask again by itself: an answer that changes while it is
 * read cannot be thought about.
 */
import { useState } from "preact/hooks";
import { type Judged, lookApi } from "../api/look";
import type { Advice, Direction, Evidence } from "../api/types";
import { clockTime, isoText } from "../format/time";
import { countText, formatCount, formatValue } from "../format/units";
import { go, span, view } from "../state/app";
import type { Span } from "../state/range";
import { Notice } from "../ui/notice";
import { Against } from "./Against";
import { bars, timesOf, whereTo } from "./advise";
import { Asking, useAsking } from "./asking";
import { ownAgainst, sentence } from "./compare";
import { Judge } from "./Judge";
import { Picture } from "./Picture";
import { RuleWords } from "./RuleWords";

function Shown({ one }: { one: Evidence }) {
  if (one.picture) return <Picture values={one.picture} unit="" stepS={0} from={48} />;
  if (one.before === null || one.after === null) return <span class="moved-picture" />;
  const [before, after] = bars(one.before, one.after);
  return (
    <svg class="moved-picture" viewBox="0 0 144 30" preserveAspectRatio="none" aria-hidden="true">
      <rect x="0" y="5" width={Math.max(before, 1)} height="8" class="advice-before" />
      <rect x="0" y="17" width={Math.max(after, 1)} height="8" class="advice-after" />
    </svg>
  );
}

function Piece(props: { one: Evidence; range: Span; sign: string; entity: string }) {
  const { one, range, sign, entity } = props;
  const href = whereTo(one.show, range);
  return (
    <li class="advice-piece">
      <span class="advice-sign" aria-hidden="true">
        {sign}
      </span>
      <Shown one={one} />
      <div class="advice-words">
        {href === "" ? (
          one.sentence
        ) : (
          <a href={href} class="advice-open">
            {one.sentence}
          </a>
        )}
        {one.onset !== null && (
          <span class="muted" title={isoText(one.onset * 1000)}>
            {" "}
            since {clockTime(one.onset * 1000)}
          </span>
        )}
        {timesOf(one.show).map((t) => (
          <a key={t.href} class="advice-then" href={t.href} title={`Where to look first at ${t.title}`}>
            {t.title}
          </a>
        ))}
        {one.rule && <RuleWords rule={one.rule} entity={entity} />}
      </div>
    </li>
  );
}

function Card(props: {
  one: Direction;
  place: number;
  range: Span;
  id: string | null;
  said: (j: Judged) => void;
}) {
  const { one, place, range, id, said } = props;
  const kind = Object.keys(one.entity)[0] ?? "";
  return (
    <section class="advice-card" aria-label={`Direction ${place}: ${one.title}`}>
      <div class="advice-head">
        <h2>
          <span class="advice-place">{place}</span> {one.title} <span class="muted">{kind}</span>
        </h2>
        <span class="advice-knowledge">
          {one.knowledge.map((k) => (
            <span key={k} class="chip" title={KNOWLEDGE[k]}>
              {k}
            </span>
          ))}
        </span>
      </div>
      <h3>Speaks for it</h3>
      <ul class="advice-list">
        {one.for.map((e) => (
          <Piece key={e.sentence} one={e} range={range} sign="+" entity={one.title} />
        ))}
      </ul>
      {one.against.length > 0 && (
        <>
          <h3>Speaks against it</h3>
          <ul class="advice-list advice-against">
            {one.against.map((e) => (
              <Piece
                key={e.sentence}
                one={{ ...e, picture: null, before: null }}
                range={range}
                sign="−"
                entity={one.title}
              />
            ))}
          </ul>
        </>
      )}
      {one.next.length > 0 && (
        <p class="advice-next">
          <span class="muted">Look next at</span>{" "}
          {one.next.map((n) => (
            <a key={n.text} class="chip chip-button advice-open" href={whereTo(n.show, range)}>
              {n.text}
            </a>
          ))}
        </p>
      )}
      <p class="muted advice-risk">{one.risk}</p>
      {id !== null && one.stands_out && <Judge one={one} id={id} said={said} />}
    </section>
  );
}

/** Directions that the server keeps, of those that stand out. */
const BOOKED = 3;

/** Directions that are shown before one asks for more. */
const FEW = 4;

const KNOWLEDGE: Record<string, string> = {
  statistics: "Numbers of this time against numbers of before",
  requests: "Single requests: their log records and spans",
  topology: "Who calls whom",
  changes: "What was changed",
  rule: "What experienced people know of such things",
  history: "What was before: the same signs, what was done, what people said in the end",
};

function Answer({ data, isWhole }: { data: Advice; isWhole: boolean }) {
  const [weak, setWeak] = useState(false);
  const [judged, setJudged] = useState<Judged | null>(null);
  const measured = (judged?.measured ?? data.ledger.measured)?.sentence ?? "";
  const range = { from: data.window[0] * 1000, to: data.window[1] * 1000 };
  const seen = data.looked_at;
  const shown = weak ? data.directions : data.directions.filter((d) => d.stands_out).slice(0, FEW);
  return (
    <>
      <p>
        <strong>{isWhole ? data.sentence : "So far:"}</strong>{" "}
        <span class="muted">
          Looked at {formatCount(seen.series)} series, {countText(seen.log_records, "log record")},{" "}
          {countText(seen.spans, "span")}, {countText(seen.changes, "change")} and{" "}
          {countText(data.calls, "call")} between services
          {isWhole && `, in ${formatValue(data.elapsed_ms / 1000, "s")}`}. What is listed is where to look,
          not what is to blame.
        </span>
      </p>
      {measured !== "" && data.stands_out && <p class="advice-measured">{measured}</p>}
      {data.ledger.note !== "" && <p class="stale">{sentence(data.ledger.note)}</p>}
      {data.left_out_here.map((a) => (
        <p key={a.rule + a.entity} class="muted">
          The rule {a.rule} holds of {a.entity} and is left out there, because {a.because}.
        </p>
      ))}
      {data.note !== "" && <p class="muted">{sentence(data.note)}</p>}
      {data.partial.map((note) => (
        <p key={note} class="stale" role="alert">
          Not everything was looked at: {note}.
        </p>
      ))}
      {data.path && data.path.length > 1 && <p>From the symptom down the calls: {data.path.join(" → ")}</p>}
      {!data.stands_out && isWhole && (
        <Notice title="Nothing stands out.">
          <p>
            Nothing in this time is far from what it was in the baseline. Try a time that begins at the
            trouble, or another baseline.
          </p>
          {data.directions.length > 0 && !weak && (
            <p>
              <button type="button" class="button" onClick={() => setWeak(true)}>
                Show what is least ordinary
              </button>
            </p>
          )}
        </Notice>
      )}
      {shown.map((one, i) => (
        <Card
          key={one.title}
          one={one}
          place={i + 1}
          range={range}
          id={i < BOOKED ? data.ledger.id : null}
          said={setJudged}
        />
      ))}
      {data.stands_out && data.directions.length > shown.length && (
        <p>
          <button type="button" class="button" onClick={() => setWeak(true)}>
            Show {data.directions.length - shown.length} more, which speak less
          </button>
        </p>
      )}
    </>
  );
}

export function AdvisePage() {
  const v = view.value;
  const baseline = v.own.against || "before";
  const service = v.own.service ?? "";
  const metric = v.own.metric ?? "";
  const range = span.value;
  // A live range is frozen at the moment of the question.
  const key = JSON.stringify([v.range, baseline, v.match, service, metric]);
  const asked = useAsking<Advice>(key, (signal, watching) =>
    lookApi.advise(
      {
        start: range.from / 1000,
        end: range.to / 1000,
        baseline,
        match: v.match,
        ...(service === "" ? {} : { symptom: { service, metric } }),
      },
      signal,
      watching,
    ),
  );
  const { data } = asked;
  const shown = data ? { from: data.window[0] * 1000, to: data.window[1] * 1000 } : range;
  return (
    <main class="page advise">
      <h1>Where to look first</h1>
      <Against shown={shown} hosts={false}>
        {service !== "" && (
          <button
            type="button"
            class="chip chip-button"
            onClick={() => go({ own: ownAgainst({}, v.own.against ?? "") })}
            title="Without a symptom"
          >
            noticed in {metric === "" ? service : `${metric} of ${service}`} ✕
          </button>
        )}
      </Against>
      <Asking asked={asked} what="series, log records, spans and changes of this time and its baseline" />
      {data !== null && <Answer key={asked.key} data={data} isWhole={asked.isWhole} />}
    </main>
  );
}
