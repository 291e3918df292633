/**
 * Ask anything: one box for SQL and PromQL, the answer as a table or a chart. The address holds the question. Must never lose what
 * was typed, and never show an old answer as that of a new question.
 */
import { useEffect, useState } from "preact/hooks";
import { formatCount } from "../format/units";
import { copyLink, restored, view } from "../state/app";
import { Failure } from "../ui/notice";
import { Editor } from "./Editor";
import { learn } from "./known";
import { ResultChart } from "./ResultChart";
import { ResultTable } from "./ResultTable";
import { cancel, failure, hasRange, ROWS_FEW, ROWS_MANY, run, running, type Shown, shown } from "./run";
import { SavedQueries } from "./SavedQueries";
import { asked, editor, type Lang, naming, set } from "./state";

const EXAMPLES: readonly { lang: Lang; title: string; text: string; show: "table" | "chart" }[] = [
  {
    lang: "sql",
    title: "Which metrics have the most series?",
    text: "SELECT name, count(*) AS series, max(last_seen) AS last_seen\nFROM series\nGROUP BY name\nORDER BY series DESC\nLIMIT 20",
    show: "table",
  },
  {
    lang: "sql",
    title: "Load of this machine, each minute",
    text: "SELECT date_bin(interval '1 minute', time) AS minute, avg(value) AS load, max(value) AS peak\nFROM metrics\nWHERE name = 'node_load1' AND time BETWEEN $from AND $to\nGROUP BY minute\nORDER BY minute",
    show: "chart",
  },
  {
    lang: "sql",
    title: "The largest processes, by PromQL inside SQL",
    text: "SELECT labels['comm'] AS process, max(value) AS bytes\nFROM promql('sum by (comm) (process_memory_usage_bytes)', $from, $to, '15s')\nGROUP BY process\nORDER BY bytes DESC\nLIMIT 10",
    show: "table",
  },
  {
    lang: "promql",
    title: "What the processors do",
    text: "sum by (mode) (rate(node_cpu_seconds_total[1m]))",
    show: "chart",
  },
];

function Examples() {
  return (
    <section class="examples" aria-label="Examples">
      <h2>To begin with</h2>
      <ul>
        {EXAMPLES.map((e) => (
          <li key={e.title}>
            <button
              type="button"
              class="example"
              onClick={() => {
                set({ lang: e.lang, text: e.text, show: e.show }, "push");
                void run();
              }}
            >
              <span class="example-title">
                {e.title} <span class="muted">{e.lang === "sql" ? "SQL" : "PromQL"}</span>
              </span>
              <code>{e.text}</code>
            </button>
          </li>
        ))}
      </ul>
      <p class="muted">
        Tables: <code>metrics</code> (a row for each sample), <code>series</code>, <code>logs</code>,{" "}
        <code>spans</code> and <code>changes</code>. Labels are <code>labels['job']</code>; <code>$from</code>{" "}
        and <code>$to</code> are the range above. Nothing can be changed with a query. The same questions can
        be asked with <code>midwatch sql</code> and <code>psql</code>.
      </p>
    </section>
  );
}

function Languages() {
  const { lang } = asked.value;
  const tab = (to: Lang, title: string) => (
    <button
      type="button"
      class="button"
      aria-pressed={lang === to}
      onClick={() => {
        set({ lang: to });
        editor.value?.focus();
      }}
    >
      {title}
    </button>
  );
  return (
    <div class="row">
      {tab("sql", "SQL")}
      {tab("promql", "PromQL")}
    </div>
  );
}

function Seconds({ since }: { since: number }) {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 100);
    return () => clearInterval(timer);
  }, []);
  return <>{((now - since) / 1000).toFixed(1)} s</>;
}

function Tools() {
  const under = running.value;
  return (
    <div class="query-tools">
      <Languages />
      {under ? (
        <button type="button" class="button" onClick={cancel} title="Cancel (Esc)">
          Cancel <kbd>Esc</kbd>
        </button>
      ) : (
        <button
          type="button"
          class="button button-main"
          disabled={asked.value.text.trim() === ""}
          onClick={() => void run()}
          title="Run (Ctrl Enter)"
        >
          Run <kbd>Ctrl ↵</kbd>
        </button>
      )}
      <button
        type="button"
        class="button"
        disabled={asked.value.text.trim() === ""}
        onClick={() => (naming.value = !naming.value)}
      >
        Save …
      </button>
      <button
        type="button"
        class="button"
        disabled={asked.value.text.trim() === ""}
        onClick={() => void copyLink()}
        title="A link that asks the same (u)"
      >
        Copy link
      </button>
      <span class="query-running muted" role="status">
        {under && (
          <>
            running <Seconds since={under.since} />
          </>
        )}
      </span>
    </div>
  );
}

function Shows({ hasChart }: { hasChart: boolean }) {
  const { show } = asked.value;
  const button = (to: "table" | "chart", title: string, off: boolean) => (
    <button
      type="button"
      class="button"
      aria-pressed={show === to}
      disabled={off}
      onClick={() => set({ show: to })}
    >
      {title}
    </button>
  );
  return (
    <div class="row">
      {button("table", "Table", false)}
      {button("chart", "Chart", !hasChart)}
    </div>
  );
}

function Result({ of }: { of: Shown }) {
  const { answer, chart } = of;
  const { lang, text, show } = asked.value;
  const isOld = of.text !== text || of.lang !== lang;
  const asChart = show === "chart" && chart !== null;
  return (
    <section class={`answer ${isOld ? "answer-old" : ""}`} aria-label="Answer">
      <div class="answer-head">
        <p class="muted" role="status">
          {formatCount(answer.rows.length)} {answer.rows.length === 1 ? "row" : "rows"} in{" "}
          {(of.ms / 1000).toFixed(2)} s{isOld && "; the query has changed since"}
        </p>
        <Shows hasChart={chart !== null} />
      </div>
      {answer.broken && (
        <p class="stale" role="alert">
          The answer broke off: {answer.broken.message} {answer.broken.hint} Shown is what came before.
        </p>
      )}
      {answer.warnings.map((w) => (
        <p class="stale" key={w} role="alert">
          {w}
        </p>
      ))}
      {answer.truncated && (
        <p class="stale" role="status">
          These are the first {formatCount(answer.rows.length)} rows; there are more.{" "}
          {answer.rows.length < ROWS_MANY && (
            <button type="button" class="button" onClick={() => void run(ROWS_MANY)}>
              Up to {formatCount(ROWS_MANY)}
            </button>
          )}
        </p>
      )}
      {show === "chart" && chart === null && answer.rows.length > 0 && (
        <p class="muted">A chart needs a column of times and a column of numbers, with two times at least.</p>
      )}
      {asChart ? <ResultChart shown={of} /> : <ResultTable answer={answer} />}
    </section>
  );
}

export function QueryPage() {
  useEffect(() => {
    const stop = new AbortController();
    void learn(stop.signal);
    editor.value?.focus();
    return () => {
      stop.abort();
      cancel();
    };
  }, []);
  // A link, and each step through the browser's history, shows its answer.
  const step = restored.value;
  useEffect(() => {
    if (asked.value.text.trim() === "") shown.value = null;
    else if (shown.value?.text !== asked.value.text || shown.value?.lang !== asked.value.lang)
      void run(ROWS_FEW);
  }, [step]);
  const failed = failure.value;
  const { lang, text } = asked.value;
  // Another range is another question where it is part of it.
  const { range } = view.value;
  useEffect(() => {
    const is = shown.value?.text === text && shown.value?.lang === lang;
    if (is && (lang === "promql" || hasRange(text))) void run();
  }, [range]);
  return (
    <main class="page query-page">
      <h1>Query</h1>
      <Tools />
      <div class="query-columns">
        <div class="query-main">
          <Editor />
          {lang === "sql" && hasRange(text) && (
            <p class="muted query-hint">
              <code>$from</code> and <code>$to</code> are the range above.
            </p>
          )}
          {failed !== null && failed.text === text ? (
            <Failure error={failed.error} />
          ) : shown.value ? (
            <Result of={shown.value} />
          ) : running.value ? (
            <p class="loading" role="status">
              Asking …
            </p>
          ) : (
            <Examples />
          )}
        </div>
        <SavedQueries />
      </div>
    </main>
  );
}
