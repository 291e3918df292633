/**
 * Where to look first: a few directions for the shown time, each with what speaks for it and against it, every piece with
 * the way to where it can be seen. It never says why. Must never ask again by itself: an answer that changes while it is
 * read cannot be thought about.
 */
import { useEffect, useState } from "preact/hooks";
import { api, isAbort, serverNow } from "../api/client";
import type { Advice, Direction, Evidence } from "../api/types";
import { clockTime, dayText, isoText, zoneOf } from "../format/time";
import { formatCount, formatValue } from "../format/units";
import { go, span, view } from "../state/app";
import type { Span } from "../state/range";
import { Failure, Loading, Notice } from "../ui/notice";
import { bars, whereTo } from "./advise";
import { AGAINST, picturePath } from "./compare";

function Picture({ one }: { one: Evidence }) {
  if (one.picture) {
    const drawn = picturePath(one.picture);
    return (
      <svg class="moved-picture" viewBox="0 0 144 30" preserveAspectRatio="none" aria-hidden="true">
        <rect x="48" y="0" width="96" height="30" class="moved-window" />
        <path d={drawn.path} />
        {drawn.dots.map((d) => (
          <circle key={`${d.x}`} cx={d.x} cy={d.y} r="1.4" />
        ))}
      </svg>
    );
  }
  if (one.before === null || one.after === null) return <span class="moved-picture" />;
  const [before, after] = bars(one.before, one.after);
  return (
    <svg class="moved-picture" viewBox="0 0 144 30" preserveAspectRatio="none" aria-hidden="true">
      <rect x="0" y="5" width={Math.max(before, 1)} height="8" class="advice-before" />
      <rect x="0" y="17" width={Math.max(after, 1)} height="8" class="advice-after" />
    </svg>
  );
}

function Piece({ one, range, sign }: { one: Evidence; range: Span; sign: string }) {
  const href = whereTo(one.show, range);
  return (
    <li class="advice-piece">
      <span class="advice-sign" aria-hidden="true">
        {sign}
      </span>
      <Picture one={one} />
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
      </div>
    </li>
  );
}

function Card({ one, place, range }: { one: Direction; place: number; range: Span }) {
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
          <Piece key={e.sentence} one={e} range={range} sign="+" />
        ))}
      </ul>
      {one.against.length > 0 && (
        <>
          <h3>Speaks against it</h3>
          <ul class="advice-list advice-against">
            {one.against.map((e) => (
              <Piece key={e.sentence} one={{ ...e, picture: null, before: null }} range={range} sign="−" />
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
    </section>
  );
}

/** Directions that are shown before one asks for more. */
const FEW = 4;

const KNOWLEDGE: Record<string, string> = {
  statistics: "Numbers of this time against numbers of before",
  requests: "Single requests: their log records and spans",
  topology: "Who calls whom",
  changes: "What was changed",
};

function Answer({ data }: { data: Advice }) {
  const [weak, setWeak] = useState(false);
  const range = { from: data.window[0] * 1000, to: data.window[1] * 1000 };
  const seen = data.looked_at;
  const shown = weak ? data.directions : data.directions.filter((d) => d.stands_out).slice(0, FEW);
  return (
    <>
      <p>
        <strong>{data.sentence}</strong>{" "}
        <span class="muted">
          Looked at {formatCount(seen.series)} series, {formatCount(seen.log_records)} log records,{" "}
          {formatCount(seen.spans)} spans, {formatCount(seen.changes)} changes and {formatCount(data.calls)}{" "}
          calls between services, in {formatValue(data.elapsed_ms / 1000, "s")}. What is listed is where to
          look, not what is to blame.
        </span>
      </p>
      {data.partial.map((note) => (
        <p key={note} class="stale" role="alert">
          Not everything was looked at: {note}.
        </p>
      ))}
      {data.path && data.path.length > 1 && <p>From the symptom down the calls: {data.path.join(" → ")}</p>}
      {!data.stands_out && (
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
        <Card key={one.title} one={one} place={i + 1} range={range} />
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

interface State {
  data: Advice | null;
  error: unknown;
  asked: string;
  stopped: boolean;
}

export function AdvisePage() {
  const v = view.value;
  const given = v.own.against ?? "";
  const known = AGAINST.some(({ against }) => against === given) ? given : "";
  const service = v.own.service ?? "";
  const metric = v.own.metric ?? "";
  const range = span.value;
  const [state, setState] = useState<State>({ data: null, error: null, asked: "", stopped: false });
  const [round, setRound] = useState(0);
  const [stop, setStop] = useState<AbortController | null>(null);
  // A live range is frozen at the moment of the question.
  const asked = JSON.stringify([v.range, known, v.match, service, metric, round]);
  useEffect(() => {
    const control = new AbortController();
    setStop(control);
    setState({ data: null, error: null, asked, stopped: false });
    const question = {
      start: range.from / 1000,
      end: range.to / 1000,
      baseline: known === "" ? "before" : known,
      match: v.match,
      ...(service === "" ? {} : { symptom: { service, metric } }),
    };
    api
      .advise(question, control.signal)
      .then((data) => setState({ data, error: null, asked, stopped: false }))
      .catch((error: unknown) => {
        if (!isAbort(error)) setState({ data: null, error, asked, stopped: false });
      });
    return () => control.abort();
  }, [asked]);
  const { data, error, stopped } = state;
  const stretch = data?.window.map((s) => s * 1000) ?? [range.from, range.to];
  const own = (against: string): Record<string, string> => {
    const { against: _, ...rest } = v.own;
    return against === "" ? rest : { ...rest, against };
  };
  return (
    <main class="page advise">
      <h1>Where to look first</h1>
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
            onClick={() => go({ own: own(against) })}
          >
            {title}
          </button>
        ))}
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
        {service !== "" && (
          <button
            type="button"
            class="chip chip-button"
            onClick={() => go({ own: known === "" ? {} : { against: known } })}
            title="Without a symptom"
          >
            noticed in {metric === "" ? service : `${metric} of ${service}`} ✕
          </button>
        )}
      </p>
      {error !== null && <Failure error={error} again={() => setRound(round + 1)} />}
      {stopped && (
        <Notice title="Stopped.">
          <p>
            <button type="button" class="button" onClick={() => setRound(round + 1)}>
              Ask again
            </button>
          </p>
        </Notice>
      )}
      {data === null && error === null && !stopped && (
        <p class="row">
          <Loading what="series, log records, spans and changes of this time and its baseline" />
          <button
            type="button"
            class="button"
            onClick={() => {
              stop?.abort();
              setState({ data: null, error: null, asked, stopped: true });
            }}
          >
            Stop
          </button>
        </p>
      )}
      {data !== null && <Answer key={state.asked} data={data} />}
    </main>
  );
}
