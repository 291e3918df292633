/**
 * What stored data say of an objective's last hour or day: who is affected, what the bad requests have in common, who takes the time. Must
 * never leave out that an answer does not cover everything.
 */
import { useState } from "preact/hooks";
import { serverNow } from "../../api/client";
import { type Impact, type Spent, slos, type Tiers, type WholeSlo } from "../../api/slos";
import { agoText, isoText } from "../../format/time";
import { formatCount, formatValue } from "../../format/units";
import { Columns } from "../../ui/columns";
import { Failure, Loading, Words } from "../../ui/notice";
import { usePoll } from "../../ui/poll";
import { StateShape } from "../../ui/state";

const EVERY_MS = 30_000;
const LASTS: [string, string][] = [
  ["15m", "15 minutes"],
  ["1h", "hour"],
  ["1d", "day"],
];

function Who({ data, events }: { data: Impact; events: string }) {
  const r = data.requests;
  return (
    <>
      {r !== null && (
        <p>
          {r.bad < 1 ? `None of ${formatCount(Math.round(r.total))}` : null}
          {r.bad >= 1 && (
            <>
              <strong>{formatCount(Math.round(r.bad))}</strong> of {formatCount(Math.round(r.total))}
            </>
          )}{" "}
          {events} went wrong
          {r.first_bad_ms !== null && r.bad >= 1 && (
            <>
              , the first <time title={isoText(r.first_bad_ms)}>{agoText(r.first_bad_ms, serverNow())}</time>
            </>
          )}
          .
        </p>
      )}
      {data.who.length > 0 && (
        <ul class="slo-who">
          {data.who.map((w) => (
            <li key={w.whom}>
              <strong>
                {formatCount(w.count)}
                {data.is_cut ? "+" : ""} {w.whom}
              </strong>{" "}
              <span class="muted">({w.field})</span>:{" "}
              {w.most.map((m, i) => (
                <span key={m.value}>
                  {i > 0 && ", "}
                  <a href={`/logs?id=${encodeURIComponent(m.value)}&tab=bullet`}>{m.value}</a>
                  {m.count > 1 && <span class="muted"> {formatCount(m.count)}×</span>}
                </span>
              ))}
              {w.count > w.most.length && ` and ${formatCount(w.count - w.most.length)} more`}
            </li>
          ))}
        </ul>
      )}
      <p class="muted">
        <Words text={data.why} />
        {data.who.length > 0 &&
          ` From ${formatCount(data.looked_at ?? 0)} ${data.source} that failed${data.is_cut ? "; there were more" : ""}, of which ${formatCount(data.named ?? 0)} name somebody.`}
        {typeof data.kept === "number" &&
          data.kept < 0.999 &&
          ` Of its traces ${formatValue(data.kept * 100, "")} % are kept: there are more people.`}
      </p>
    </>
  );
}

function On({ data }: { data: Spent }) {
  const first = data.labels[0];
  if (data.why !== "" || first === undefined)
    return (
      <p class="muted">
        <Words text={data.why} />
      </p>
    );
  const most = first.shares[0]!;
  const says = (s: Spent["labels"][number]["shares"][number]): string =>
    `${formatCount(Math.round(s.bad))} of ${formatCount(Math.round(s.total))} bad`;
  return (
    <>
      <p>
        <strong>
          {first.label} = {most.value === "" ? "(none)" : most.value}
        </strong>{" "}
        has {formatValue((most.bad / Math.max(data.bad ?? 1, 1)) * 100, "", 2)} % of what went wrong.
      </p>
      <table class="table" aria-label="On what the budget is spent">
        <Columns names={["label", "value", "bad", "share of its own", "share of all bad"]} />
        <tbody>
          {data.labels.slice(0, 3).flatMap((l) =>
            l.shares.slice(0, 3).map((s, i) => (
              <tr key={`${l.label} ${s.value}`}>
                <th scope="row">{i === 0 ? l.label : ""}</th>
                <td data-label="value">{s.value === "" ? "(none)" : s.value}</td>
                <td data-label="bad">{says(s)}</td>
                <td data-label="share of its own">
                  {formatValue((s.bad / Math.max(s.total, 1)) * 100, "", 2)} %
                </td>
                <td data-label="share of all bad">
                  {formatValue((s.bad / Math.max(data.bad ?? 1, 1)) * 100, "", 2)} %
                </td>
              </tr>
            )),
          )}
        </tbody>
      </table>
    </>
  );
}

function Time({ data }: { data: Tiers }) {
  if (data.tiers.length === 0)
    return (
      <p class="muted">
        <Words text={data.why} />
      </p>
    );
  const seconds = (v: number | null): string => (v === null ? "–" : formatValue(v, "s"));
  const over = data.tiers.find((t) => t.is_over === true);
  const top = over ?? data.tiers[0]!;
  const of = top.budget_s ?? data.budget_s;
  return (
    <>
      <p>
        <strong>{top.name}</strong> takes {seconds(top.slow_s)}
        {of !== null && ` of ${seconds(of)}`} in slow requests{over ? ": more than its part" : ""}.
      </p>
      <table class="table" aria-label="Who takes the time">
        <Columns names={["tier", "typical", "slow (1 of 20)", "may take", "share of the time"]} />
        <tbody>
          {data.tiers.map((t) => (
            <tr key={t.name}>
              <th scope="row">
                {t.is_over !== null && <StateShape state={t.is_over ? "look" : "fine"} />} {t.name}
              </th>
              <td data-label="typical">{seconds(t.typical_s)}</td>
              <td data-label="slow">{seconds(t.slow_s)}</td>
              <td data-label="may take" class={t.budget_s === null ? "none" : ""}>
                {seconds(t.budget_s)}
              </td>
              <td data-label="share" class={t.share === null ? "none" : ""}>
                {t.share === null ? "–" : `${formatValue(t.share * 100, "", 2)} %`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="muted">
        {data.requests > 0 &&
          `On the critical path of ${formatCount(data.requests)} requests${data.is_cut ? ", the newest" : ""}; a whole one takes ${seconds(data.typical_s)}, a slow one ${seconds(data.slow_s)}.`}
      </p>
    </>
  );
}

function Part<T>(props: {
  title: string;
  question: (signal: AbortSignal) => Promise<T>;
  show: (data: T) => preact.JSX.Element;
}) {
  const { data, error, again } = usePoll(props.question, EVERY_MS);
  return (
    <section aria-label={props.title}>
      <h2>{props.title}</h2>
      {data === null && (error === null ? <Loading what="it" /> : <Failure error={error} again={again} />)}
      {data !== null && props.show(data)}
    </section>
  );
}

export function Evidence({ slo }: { slo: WholeSlo }) {
  const [last, setLast] = useState("1h");
  return (
    <>
      <fieldset class="row lengths slo-last">
        <legend>Look at the last</legend>
        {LASTS.map(([code, title]) => (
          <button
            key={code}
            type="button"
            class="button"
            aria-pressed={code === last}
            onClick={() => setLast(code)}
          >
            {title}
          </button>
        ))}
      </fieldset>
      <Part
        key={`who ${last}`}
        title="Who is affected"
        question={(signal) => slos.impact(slo.id, last, signal)}
        show={(data) => <Who data={data} events={slo.events} />}
      />
      <Part
        key={`on ${last}`}
        title="On what it is spent"
        question={(signal) => slos.spent(slo.id, last, signal)}
        show={(data) => <On data={data} />}
      />
      <Part
        key={`time ${last}`}
        title="Who takes the time"
        question={(signal) => slos.tiers(slo.id, last, signal)}
        show={(data) => <Time data={data} />}
      />
    </>
  );
}
