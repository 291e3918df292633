/**
 * Logs: search with filters by field, counts over time, templates, records as they come, and one identifier through everything.
 * Must never show an empty page without saying how records come.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { formatCount } from "../format/units";
import { Bullet } from "../logs/Bullet";
import { Facets } from "../logs/Facets";
import { Histogram } from "../logs/Histogram";
import { Patterns } from "../logs/Patterns";
import { Records } from "../logs/Records";
import {
  ask,
  endTail,
  failure,
  histogram,
  isAsking,
  isPartial,
  isTailing,
  missed,
  queryBox,
  records,
  setQuery,
  switchTail,
} from "../logs/state";
import { go, span, view } from "../state/app";
import { Failure, Loading, Notice } from "../ui/notice";
import { FieldsButton } from "./FieldsThatDiffer";

function SearchLine() {
  const box = useRef<HTMLInputElement>(null);
  const { q } = view.value;
  const [text, setText] = useState(q);
  useEffect(() => setText(q), [q]);
  useEffect(() => {
    queryBox.value = box.current;
    return () => {
      queryBox.value = null;
    };
  }, []);
  return (
    <form
      class="log-search"
      onSubmit={(e) => {
        e.preventDefault();
        setQuery(text.trim());
        if (text.trim() === q) void ask();
      }}
    >
      <input
        ref={box}
        type="search"
        aria-label="Search log records"
        placeholder='timeout "connection refused" level:warn service:cart status>=500 -retry /regex/'
        spellcheck={false}
        autocomplete="off"
        value={text}
        onInput={(e) => setText(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === "Escape") e.currentTarget.blur();
        }}
      />
      <button type="submit" class="button">
        Search
      </button>
      <button
        type="button"
        class="button"
        aria-pressed={isTailing.value}
        title="Follow records as they come (f)"
        onClick={switchTail}
      >
        {isTailing.value ? "■ Stop" : "▶ Follow"}
      </button>
    </form>
  );
}

function BulletLine() {
  const { id } = view.value;
  const [text, setText] = useState(id);
  useEffect(() => setText(id), [id]);
  return (
    <form
      class="log-search"
      onSubmit={(e) => {
        e.preventDefault();
        go({ id: text.trim() }, "push");
      }}
    >
      <input
        type="search"
        id="bullet"
        aria-label="An identifier: trace, request, user, address, host, pod"
        placeholder="a trace, a request, a user, an address, a host, a pod"
        spellcheck={false}
        value={text}
        onInput={(e) => setText(e.currentTarget.value)}
      />
      <button type="submit" class="button">
        Trace it
      </button>
    </form>
  );
}

function Empty() {
  const { q } = view.value;
  if (q !== "") {
    return (
      <Notice title="No record fits in this range.">
        <button type="button" class="button" onClick={() => setQuery("")}>
          Show all
        </button>
      </Notice>
    );
  }
  return (
    <Notice title="No log records in this range yet.">
      <p>
        Send one: <code>curl {location.origin}/api/v1/logs --data-binary 'hello'</code>; or set an
        OpenTelemetry SDK's endpoint to <code>http://127.0.0.1:4318</code>, or name files in{" "}
        <code>[[logs.files]]</code>.
      </p>
    </Notice>
  );
}

function Search() {
  const { q, range } = view.value;
  const { from, to } = span.value;
  // A live range asks anew as it moves on; a page that is read in the middle stays as it is.
  useEffect(() => {
    const list = document.getElementById("records");
    if (!isTailing.peek() && (list?.scrollTop ?? 0) < 5) void ask();
  }, [q, JSON.stringify(range), Math.floor(to / 5000), Math.floor(from / 5000)]);
  useEffect(() => () => endTail(), []);
  return (
    <>
      <SearchLine />
      {histogram.value && histogram.value.total > 0 && <Histogram data={histogram.value} />}
      <FieldsButton
        question={{ signal: "logs", start: from / 1000, end: to / 1000, query: q }}
        others={q.trim() !== ""}
      />
      {isPartial.value && (
        <p class="stale" role="alert">
          A part of the data cannot be read: records may be missing.
        </p>
      )}
      {isTailing.value && (
        <p class="muted" role="status">
          Following: {formatCount(records.value.length)} shown
          {missed.value > 0 && `, ${formatCount(missed.value)} were too many to show`}.
        </p>
      )}
      {failure.value !== null && <Failure error={failure.value} again={() => void ask()} />}
      <div class="log-columns">
        <Facets />
        {records.value.length > 0 ? (
          <Records />
        ) : isAsking.value ? (
          <Loading what="records" />
        ) : (
          failure.value === null && <Empty />
        )}
      </div>
    </>
  );
}

const TABS = [
  { tab: "", title: "Search" },
  { tab: "patterns", title: "Patterns" },
  { tab: "bullet", title: "Bullet" },
] as const;

export function LogsPage() {
  const { tab, id } = view.value;
  const at = id !== "" ? "bullet" : tab;
  return (
    <main class="page logs">
      <h1>Logs</h1>
      <div class="log-tabs" role="tablist" aria-label="Ways to look at logs">
        {TABS.map((t) => (
          <button
            key={t.tab}
            type="button"
            role="tab"
            aria-selected={at === t.tab}
            onClick={() => go({ tab: t.tab, id: "" }, "push")}
          >
            {t.title}
          </button>
        ))}
      </div>
      {at === "patterns" ? (
        <Patterns />
      ) : at === "bullet" ? (
        <>
          <BulletLine />
          {id !== "" ? (
            <Bullet id={id} />
          ) : (
            <p class="muted">
              One identifier, and everything that is known of it: logs, spans, changes, exemplars.
            </p>
          )}
        </>
      ) : (
        <Search />
      )}
    </main>
  );
}
