/**
 * One change: what was said of it, the measures of its service and host before and after, and whether it worked, as a person
 * says. Must never say by itself that a change has failed: it shows what differs.
 */
import { useEffect, useState } from "preact/hooks";
import { ApiError, isAbort, serverNow } from "../../api/client";
import { type Change, type Changes, type Comparison, changes } from "../../api/traces";
import { agoText, clockTime, dayText, isoText, spanText } from "../../format/time";
import { formatValue } from "../../format/units";
import { say } from "../../state/app";
import { between } from "../../state/range";
import { withMatcher } from "../../state/selector";
import { defaults, toUrl } from "../../state/url";
import { Columns } from "../../ui/columns";
import { saidOf, verdictOf } from "./list";

const WINDOWS = ["5m", "15m", "1h", "6h"];

const UNITS: Record<string, (v: number) => string> = {
  ratio: (v) => `${(v * 100).toPrecision(3)} %`,
  per_second: (v) => `${formatValue(v, "")}/s`,
  s: (v) => formatValue(v, "s"),
  bytes: (v) => formatValue(v, "bytes"),
};

const WORDS: Record<string, string> = {
  worse: "Something is worse since then.",
  better: "It is better since then, and nothing is worse.",
  same: "Nothing differs by more than usual.",
  unknown: "Nothing was measured that could be compared.",
};

function Measures({ change }: { change: Change }) {
  const [window, setWindow] = useState("15m");
  const [data, setData] = useState<Comparison | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    changes
      .compare(change.id, window, stop.signal)
      .then(setData)
      .catch((e) => !isAbort(e) && setData(null));
    return () => stop.abort();
  }, [change.id, window]);
  const value = (v: number | null, unit: string): string => (v === null ? "–" : (UNITS[unit] ?? String)(v));
  return (
    <section>
      <h3>Before and after</h3>
      <p class="row">
        {WINDOWS.map((w) => (
          <button
            key={w}
            type="button"
            class="button"
            aria-pressed={w === window}
            onClick={() => setWindow(w)}
          >
            {w}
          </button>
        ))}
      </p>
      {data && data.measures.length > 0 && (
        <table class="table" aria-label="Measures before and after the change">
          <Columns names={["measure", "before", "after", ""]} />
          <tbody>
            {data.measures.map((m) => (
              <tr key={m.name}>
                <th scope="row">{m.name}</th>
                <td data-label="before">{value(m.before, m.unit)}</td>
                <td data-label="after">{value(m.after, m.unit)}</td>
                <td class={`verdict-${m.verdict}`}>{m.verdict === "unknown" ? "" : m.verdict}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {data && (
        <p class="muted" aria-live="polite">
          {WORDS[verdictOf(data)]}
          {data.after_ms < data.window_ms &&
            ` Only ${spanText(Math.round(data.after_ms / 1000))} are over since.`}
        </p>
      )}
    </section>
  );
}

export function Detail(props: { change: Change; known: Changes; again: () => void; leave: () => void }) {
  const { change, known, again, leave } = props;
  const outcome = change.attributes.outcome ?? "";
  const mark = async (word: string): Promise<void> => {
    try {
      await changes.record({ id: change.id, outcome: word });
      say(`Marked: ${word}.`);
      again();
    } catch (e) {
      say(e instanceof ApiError ? `${e.message} ${e.hint}` : String(e));
    }
  };
  const isIncident = change.kind === "incident";
  const monitors = (change.attributes.monitor_ids ?? "").split(",").filter((id) => id !== "");
  const range = between(change.time_ms - 15 * 60_000, change.time_ms + 15 * 60_000);
  const match = change.service
    ? withMatcher("", "service_name", change.service)
    : change.host
      ? withMatcher("", "instance", change.host)
      : "";
  return (
    <aside class="change-panel" aria-label="The change">
      <div class="span-head">
        <h2>{change.title}</h2>
        <button
          type="button"
          class="button"
          aria-label="Close the change"
          title="Close (Esc)"
          onClick={leave}
        >
          ✕
        </button>
      </div>
      <p class="muted" title={isoText(change.time_ms)}>
        {change.kind}, {dayText(change.time_ms, serverNow())} {clockTime(change.time_ms)},{" "}
        {agoText(change.time_ms, serverNow())}
        {change.author && `, said by ${change.author}`}
      </p>
      <p class="row">
        <a class="button" href={toUrl({ ...defaults("look"), match, range })}>
          Look at that moment
        </a>
        {change.service !== "" && (
          <a class="button" href={toUrl({ ...defaults("traces"), range, own: { service: change.service } })}>
            Traces then
          </a>
        )}
        {change.link !== "" && (
          <a class="button" href={change.link} target="_blank" rel="noreferrer noopener">
            {new URL(change.link).host}
          </a>
        )}
      </p>
      <dl class="pairs">
        {change.service !== "" && (
          <div>
            <dt>service</dt>
            <dd>{change.service}</dd>
          </div>
        )}
        {change.host !== "" && (
          <div>
            <dt>host</dt>
            <dd>{change.host}</dd>
          </div>
        )}
        {monitors.length > 0 && (
          <div>
            <dt>told by</dt>
            <dd>
              {monitors.map((id, i) => (
                <span key={id}>
                  {i > 0 && ", "}
                  <a href={toUrl({ ...defaults("monitors"), own: { monitor: id } })}>
                    {monitors.length === 1 ? "its monitor" : `monitor ${i + 1}`}
                  </a>
                </span>
              ))}
            </dd>
          </div>
        )}
        {saidOf(change, known.questions).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {(change.service !== "" || change.host !== "") && <Measures change={change} />}
      <h3>{isIncident ? "What became of it?" : "Did it work?"}</h3>
      <p class="row">
        {(isIncident ? ["mitigated", "over"] : ["worked", "failed", "rolled back"]).map((word) => (
          <button
            key={word}
            type="button"
            class="button"
            aria-pressed={outcome === word}
            onClick={() => void mark(word)}
          >
            {word}
          </button>
        ))}
      </p>
    </aside>
  );
}
