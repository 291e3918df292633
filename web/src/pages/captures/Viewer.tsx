/**
 * One capture: charts of what went on, a scrubber over them, and the tables of the moment that it stands at. Opens at the
 * trigger. Must never show a row of another moment than the one it names.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import {
  type Capture,
  captures,
  type Difference,
  type Moment,
  type Timeline,
  type Verified,
} from "../../api/captures";
import { isAbort, serverNow } from "../../api/client";
import { clockTime, momentText, zoneOf } from "../../format/time";
import { formatCount, formatValue } from "../../format/units";
import { go, say, view } from "../../state/app";
import { defaults, toUrl } from "../../state/url";
import { Columns } from "../../ui/columns";
import { Failure, Loading } from "../../ui/notice";
import {
  causeWords,
  cellText,
  gaps,
  linePath,
  lineText,
  offsetWords,
  SHOWN,
  shownRows,
  TABLES,
  valueAt,
} from "./words";

const WIDTH = 400;
const HEIGHT = 44;
const ROWS = 200;
/** Characters of a cell that are shown at first: a command line must not push the others out of sight. */
const LONG = 140;
/** A moment is asked for when the scrubber rests so long, milliseconds. */
const REST_MS = 120;

const own = (name: string): string => view.value.own[name] ?? "";

function set(change: Record<string, string>, how: "push" | "replace" = "replace"): void {
  const next = Object.entries({ ...view.value.own, ...change }).filter(([, v]) => v !== "");
  go({ own: Object.fromEntries(next) }, how);
}

function textAt(values: readonly (number | null)[], unit: string, index: number): string {
  const value = valueAt(values, index);
  return value === null ? "not read" : lineText(value, unit);
}

function Charts({ line, at, move }: { line: Timeline; at: number; move: (ms: number) => void }) {
  const end = line.start_ms + Math.max(line.count - 1, 1) * line.step_ms;
  const x = (ms: number): number => ((ms - line.start_ms) / (end - line.start_ms)) * WIDTH;
  const index = Math.min(Math.max(Math.round((at - line.start_ms) / line.step_ms), 0), line.count - 1);
  return (
    <>
      <label class="capture-scrubber">
        <span>
          {clockTime(at)} {zoneOf(at)}, {offsetWords(at - line.trigger_ms)}
        </span>
        <input
          type="range"
          aria-label="The moment"
          aria-valuetext={`${clockTime(at)}, ${offsetWords(at - line.trigger_ms)}`}
          min={line.start_ms}
          max={end}
          step={line.step_ms}
          value={at}
          onInput={(e) => move(Number(e.currentTarget.value))}
        />
        <button type="button" class="button" onClick={() => move(line.trigger_ms)}>
          To the trigger
        </button>
      </label>
      <div class="capture-charts">
        {line.lines
          .filter((l) => l.values.some((v) => (v ?? 0) > 0))
          .map((l) => (
            <figure key={l.name}>
              <figcaption>
                {l.name}
                <span>
                  <b>{textAt(l.values, l.unit, index)}</b>, at most{" "}
                  {lineText(Math.max(...l.values.map((v) => v ?? 0)), l.unit)}
                </span>
              </figcaption>
              <svg
                viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
                preserveAspectRatio="none"
                aria-hidden="true"
                onClick={(e) => {
                  const box = e.currentTarget.getBoundingClientRect();
                  const share = (e.clientX - box.left) / box.width;
                  move(Math.round((line.start_ms + share * (end - line.start_ms)) / 1000) * 1000);
                }}
              >
                <line
                  class="capture-trigger"
                  x1={x(line.trigger_ms)}
                  x2={x(line.trigger_ms)}
                  y1="0"
                  y2={HEIGHT}
                />
                <path d={linePath(l.values, WIDTH, HEIGHT)} />
                <line class="capture-now" x1={x(at)} x2={x(at)} y1="0" y2={HEIGHT} />
              </svg>
            </figure>
          ))}
      </div>
    </>
  );
}

/** A long text by its beginning; the rest is one press away. */
function Cut({ text }: { text: string }) {
  if (text.length <= LONG) return <>{text}</>;
  return (
    <details class="capture-long">
      <summary>{text.slice(0, LONG)} …</summary>
      {text.slice(LONG)}
    </details>
  );
}

function Rows({ moment, words }: { moment: Moment; words: string }) {
  const shown = (SHOWN[moment.table] ?? []).filter(([name]) => moment.columns.includes(name));
  const rows = shownRows(moment, words);
  if (moment.rows.length === 0) return <p class="muted">There is nothing of this at this moment.</p>;
  return (
    <section class="room-scroll capture-rows" aria-label={`Rows of ${moment.table}`}>
      <table class="table" aria-label={`${moment.table} at the moment`}>
        <Columns names={shown.map(([, heading]) => heading)} />
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              {shown.map(([name, heading]) => {
                const cell = row[moment.columns.indexOf(name)] ?? null;
                return (
                  <td
                    key={name}
                    data-label={heading.toLowerCase()}
                    class={typeof cell === "number" && name !== "time" ? "number" : undefined}
                  >
                    <Cut text={cellText(name, cell)} />
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length < moment.rows_total && (
        <p class="muted">
          {formatCount(rows.length)} of {formatCount(moment.rows_total)} rows; all are in the files.
        </p>
      )}
    </section>
  );
}

const KINDS: Record<string, string> = {
  kernel: "The kernel said",
  log: "Logged",
  process: "Process",
  cpu: "CPU, of the last minute",
  memory: "Memory",
  listening: "Listening",
  connections: "Connections",
};

function Differences({ list }: { list: Difference[] }) {
  if (list.length === 0) return <p class="muted">Nothing of weight is different.</p>;
  const value = (d: Difference, n: number): string =>
    n === 0
      ? "none"
      : d.kind === "cpu"
        ? formatValue(n / 1000, "s")
        : formatValue(n, d.kind === "memory" ? "bytes" : "");
  return (
    <div class="room-scroll capture-differences">
      <table class="table" aria-label="What is different">
        <Columns names={["Kind", "What", "This time", "The other time"]} />
        <tbody>
          {list.map((d) => (
            <tr key={`${d.kind} ${d.what}`}>
              <td data-label="kind">{KINDS[d.kind] ?? d.kind}</td>
              <th scope="row">{d.what}</th>
              <td class="number" data-label="this time">
                {value(d, d.here)}
              </td>
              <td class="number" data-label="the other time">
                {value(d, d.there)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Asks when something changed, and keeps the last answer until the next is there. */
function useAnswer<T>(key: string, restMs: number, question: (signal: AbortSignal) => Promise<T> | null) {
  const [state, setState] = useState<{ data: T | null; error: unknown }>({ data: null, error: null });
  const last = useRef(state);
  last.current = state;
  // Dependencies: `key` names the question.
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      question(stop.signal)
        ?.then((data) => setState({ data, error: null }))
        .catch((error) => !isAbort(error) && setState({ data: last.current.data, error }));
    }, restMs);
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [key]);
  return state;
}

/** What was not the same in another capture. */
function Compared({ capture, other }: { capture: Capture; other: string }) {
  const { data, error } = useAnswer(`${capture.id} ${other}`, 0, (s) =>
    captures.compare(capture.id, other, s),
  );
  if (error !== null) return <Failure error={error} />;
  return data === null ? <Loading what="both captures" /> : <Differences list={data.differences} />;
}

function Compare({ capture, others }: { capture: Capture; others: Capture[] }) {
  const other = own("with");
  if (others.length === 0) return null;
  return (
    <section class="capture-compare" aria-label="Compared with another capture">
      <label>
        What is different from{" "}
        <select class="field" value={other} onChange={(e) => set({ with: e.currentTarget.value }, "push")}>
          <option value="">choose another capture</option>
          {others
            .filter((c) => c.before)
            .map((c) => (
              <option key={c.id} value={c.id}>
                {momentText(c.before?.trigger_ms ?? 0, serverNow())}: {causeWords(c.before?.causes[0])}
              </option>
            ))}
        </select>
      </label>
      {other !== "" && <Compared key={other} capture={capture} other={other} />}
    </section>
  );
}

export function Viewer(props: { capture: Capture; others: Capture[]; changed: () => void }) {
  const { capture } = props;
  const manifest = capture.before;
  const [verified, setVerified] = useState<Verified | null>(null);
  const table = TABLES.includes(own("table")) ? own("table") : "processes";
  const trigger = manifest?.trigger_ms ?? 0;
  const at = Number(own("moment")) || Math.floor(trigger / 1000) * 1000;
  const [words, setWords] = useState("");
  const part = capture.after ? "whole" : "before";
  const line = useAnswer(`${capture.id} ${part}`, 0, (s) => captures.timeline(capture.id, s));
  // The reading of a second may be some milliseconds late: the moment is the end of its second.
  const moment = useAnswer(`${capture.id} ${part} ${table} ${at}`, REST_MS, (s) =>
    captures.at(capture.id, table, Math.max(at + 999, 0), ROWS, s),
  );
  if (!manifest) return <Failure error={new Error(capture.problem ?? "This capture cannot be read.")} />;
  const told = gaps(capture);
  const range = { kind: "fixed" as const, from: manifest.from_ms, to: (capture.after ?? manifest).to_ms };
  const act = (what: Promise<unknown>): void => {
    what.then(props.changed).catch((e) => say(e instanceof Error ? e.message : String(e)));
  };
  return (
    <section class="capture">
      <h2>
        {momentText(trigger, serverNow())} {zoneOf(trigger)}: {causeWords(manifest.causes[0])}
      </h2>
      <p class="muted">
        {manifest.host} · {formatValue(capture.bytes, "bytes")} · durable {manifest.took_ms} ms after the
        trigger · {capture.after ? "with the time after" : "the time after is still to come"}
        {(capture.after?.causes ?? []).map((c) => (
          <span key={`${c.kind}${c.name}${c.at_ms}`}> · then {causeWords(c)}</span>
        ))}
      </p>
      <p class="capture-actions">
        <a class="button" href={captures.exportPath(capture.id)} download>
          Export
        </a>
        <button
          type="button"
          class="button"
          onClick={() => captures.verify(capture.id).then(setVerified, (e) => say(String(e.message ?? e)))}
        >
          Read every checksum back
        </button>
        <button
          type="button"
          class="button"
          onClick={() => act(captures.pin(capture.id, capture.pinned === null, "kept by hand"))}
        >
          {capture.pinned === null ? "Pin" : "Let go"}
        </button>
        <a href={toUrl({ ...defaults("look"), range })}>Look at this time</a>
        <a href={toUrl({ ...defaults("logs"), range })}>Logs of this time</a>
        <a href={toUrl({ ...defaults("advise"), range })}>Advise</a>
      </p>
      {verified !== null && (
        <p class={verified.is_whole ? "capture-whole" : "capture-damaged"} role="status">
          {verified.is_whole
            ? `Whole: ${verified.files} files, every checksum read back. It lies on the machine that it tells of: export it, and read it back elsewhere, before that is destroyed.`
            : `Damaged: ${verified.problems.join("; ")}`}
        </p>
      )}
      {told.length > 0 && (
        <details>
          <summary>{told.length === 1 ? "One thing is" : `${told.length} things are`} not in it</summary>
          <ul>
            {told.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </details>
      )}
      <Compare capture={capture} others={props.others} />
      {line.error !== null && <Failure error={line.error} />}
      {line.data === null && line.error === null && <Loading what="the capture" />}
      {line.data !== null && <Charts line={line.data} at={at} move={(ms) => set({ moment: String(ms) })} />}
      <div class="capture-tables">
        <div role="tablist" aria-label="Tables of the moment" class="capture-tabs">
          {TABLES.map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              class="button"
              aria-selected={name === table}
              onClick={() => set({ table: name })}
            >
              {name}
            </button>
          ))}
        </div>
        <input
          type="search"
          class="field"
          aria-label="Rows with these words"
          placeholder="Rows with these words"
          value={words}
          onInput={(e) => setWords(e.currentTarget.value)}
        />
      </div>
      {moment.error !== null && <Failure error={moment.error} />}
      {moment.data !== null && moment.data.table === table && (
        <>
          <p class="muted capture-as-of">
            {table === "kernel" || table === "logs"
              ? `Up to ${clockTime(at)} ${zoneOf(at)}`
              : moment.data.time_ms !== null &&
                `As read at ${clockTime(moment.data.time_ms, true)} ${zoneOf(moment.data.time_ms)}`}
          </p>
          <Rows moment={moment.data} words={words} />
        </>
      )}
    </section>
  );
}
