/**
 * The list of records, of which only those in sight are in the page; a row opens to all its fields. Must never put text of a
 * record into the page as anything but text.
 */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { clockTime, isoText } from "../format/time";
import { say, view } from "../state/app";
import { defaults, toUrl } from "../state/url";
import { around, cursor, keyOf, more, next, open, records, setQuery, toggle } from "./state";
import { firstLine, harmless, levelSign, toggled } from "./text";
import type { LogRecord } from "./types";

const ROW = 24;
const BEYOND = 20;

function Field({ name, value }: { name: string; value: string }) {
  const q = view.value.q;
  return (
    <tr>
      <th scope="row">{harmless(name)}</th>
      <td>
        <span class="log-value">{harmless(value)}</span>
        <span class="log-do">
          <button
            type="button"
            title="Only with this"
            aria-label={`Only with ${name} ${value}`}
            onClick={() => setQuery(toggled(q, name, value))}
          >
            +
          </button>
          <button
            type="button"
            title="Without this"
            aria-label={`Without ${name} ${value}`}
            onClick={() => setQuery(toggled(q, name, value, true))}
          >
            −
          </button>
          <a
            href={toUrl({ ...defaults("logs"), range: view.value.range, id: value })}
            title="Everything known about this"
          >
            trace
          </a>
        </span>
      </td>
    </tr>
  );
}

function Details({ r }: { r: LogRecord }) {
  const range = { kind: "fixed", ...around(r) } as const;
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(JSON.stringify(r));
      say("The record is copied as JSON.");
    } catch {
      say("The browser does not let this page copy.");
    }
  };
  const all = [
    ["service", r.service],
    ["host", r.host],
    ["level", r.level],
    ...Object.entries(r.attributes),
    ...Object.entries(r.resource),
  ].filter(([, v]) => v !== "") as [string, string][];
  return (
    <div class="log-details">
      <pre class="log-body">{harmless(r.body)}</pre>
      {r.body_bytes !== undefined && <p class="muted">Shown is the beginning of {r.body_bytes} bytes.</p>}
      <p class="row">
        <time title={r.time_ns}>{r.time}</time>
        {r.trace_id && <a href={`/traces?trace=${r.trace_id}`}>its trace</a>}
        {r.trace_id && (
          <a href={toUrl({ ...defaults("logs"), range: view.value.range, id: r.trace_id })}>
            everything of this trace
          </a>
        )}
        {r.host !== "" && (
          <a href={toUrl({ ...defaults("look"), range, q: r.host })}>metrics of {r.host} then</a>
        )}
        {r.service !== "" && (
          <a href={toUrl({ ...defaults("look"), range, q: r.service })}>metrics of {r.service} then</a>
        )}
        {r.pattern && (
          <a href={toUrl({ ...defaults("logs"), range: view.value.range, q: `pattern:${r.pattern}` })}>
            lines like this
          </a>
        )}
        <button type="button" class="button" onClick={() => void copy()}>
          Copy
        </button>
      </p>
      <table class="log-fields">
        <tbody>
          {r.trace_id && <Field name="trace" value={r.trace_id} />}
          {r.span_id && <Field name="span_id" value={r.span_id} />}
          {all.map(([name, value], i) => (
            <Field key={`${name}${i}`} name={name} value={value} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ r, i }: { r: LogRecord; i: number }) {
  const isOpen = open.value.has(keyOf(r));
  const ms = Number(BigInt(r.time_ns) / 1_000_000n);
  return (
    <li class={`log-row ${cursor.value === i ? "at" : ""}`} data-row={i}>
      <button
        type="button"
        class="log-line"
        aria-expanded={isOpen}
        onClick={() => {
          cursor.value = i;
          toggle(r);
        }}
      >
        <time title={isoText(ms)}>{clockTime(ms, true)}</time>
        <span class={`level-word level-${r.level || "unknown"}`} title={r.level || "no level"}>
          <span aria-hidden="true">{levelSign(r.level)}</span>
          <span class="sr">{r.level || "no level"}</span>
        </span>
        <span class="log-service">{harmless(r.service)}</span>
        <span class="log-text">{harmless(firstLine(r.body))}</span>
      </button>
      {isOpen && <Details r={r} />}
    </li>
  );
}

export function Records() {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const all = records.value;
  const opened = open.value;
  useLayoutEffect(() => setHeight(box.current?.clientHeight ?? 600), []);
  useEffect(() => {
    const on = (): void => setHeight(box.current?.clientHeight ?? 600);
    addEventListener("resize", on);
    return () => removeEventListener("resize", on);
  }, []);
  // Open rows are taller than others: while any is open, rows from the top down are all there.
  const anyOpen = opened.size > 0;
  const first = anyOpen ? 0 : Math.max(0, Math.floor(top / ROW) - BEYOND);
  const count = Math.ceil(height / ROW) + 2 * BEYOND;
  const last = Math.min(all.length, anyOpen ? Math.max(Math.floor(top / ROW) + count, 200) : first + count);
  useEffect(() => {
    const row = box.current?.querySelector(`[data-row="${cursor.value}"]`);
    if (row) row.scrollIntoView({ block: "nearest" });
    else if (cursor.value >= 0 && box.current)
      box.current.scrollTop = Math.max(0, cursor.value * ROW - height / 2);
  }, [cursor.value]);
  return (
    <div
      class="log-list"
      id="records"
      ref={box}
      onScroll={(e) => {
        const el = e.currentTarget;
        setTop(el.scrollTop);
        if (el.scrollTop + el.clientHeight > el.scrollHeight - 40 * ROW) void more();
      }}
    >
      <ul
        aria-label="Log records, the newest first"
        style={{ paddingTop: `${first * ROW}px`, paddingBottom: `${(all.length - last) * ROW}px` }}
      >
        {all.slice(first, last).map((r, i) => (
          <Row key={`${keyOf(r)}${first + i}`} r={r} i={first + i} />
        ))}
      </ul>
      {next.value === null && all.length > 0 && <p class="muted log-end">These are all in this range.</p>}
    </div>
  );
}
