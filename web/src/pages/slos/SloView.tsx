/**
 * One objective in plain words: the promise, how it is now, the budget, how fast it burns, what to do. Must never hide that something
 * was not measured.
 */
import { useState } from "preact/hooks";
import { ApiError, serverNow } from "../../api/client";
import { type SloAlert, slos, type WholeSlo } from "../../api/slos";
import { agoText, isoText, spanText, zoneOf } from "../../format/time";
import { formatCount, formatValue } from "../../format/units";
import { say } from "../../state/app";
import { defaults, toUrl } from "../../state/url";
import { Columns } from "../../ui/columns";
import { StateShape } from "../../ui/state";
import { BudgetBar } from "./BudgetBar";
import { BudgetChart } from "./BudgetChart";
import { Evidence } from "./Evidence";
import { burnText, STATES } from "./words";

function When({ ms }: { ms: number }) {
  return <time title={isoText(ms)}>{agoText(ms, serverNow())}</time>;
}

function AlertRow({ alert: a, events }: { alert: SloAlert; events: string }) {
  const shape = a.fires ? (a.severity === "page" || a.severity === "critical" ? "bad" : "look") : "fine";
  const is = a.fires ? "fires" : a.held_back ? "too little to judge" : "quiet";
  return (
    <tr>
      <th scope="row">
        <StateShape state={a.held_back ? "silent" : shape} word={false} /> {a.long.window} and{" "}
        {a.short.window}
      </th>
      <td data-label="is">{is}</td>
      <td data-label="burns">
        {burnText(a.long.rate)} and {burnText(a.short.rate)}
      </td>
      <td data-label="told at">{burnText(a.factor)}</td>
      <td data-label="bad">
        {formatCount(Math.round(a.long.bad))} of {formatCount(Math.round(a.long.total))} {events}
      </td>
      <td data-label="then">{a.severity}</td>
    </tr>
  );
}

function Burning({ slo }: { slo: WholeSlo }) {
  if (slo.alerts === null || slo.alerts.length === 0) return null;
  return (
    <section aria-label="How fast the budget burns">
      <h2>How fast it burns</h2>
      <table class="table" aria-label="Burn rates">
        <Columns names={["over the last", "is", "burns", "told at", "went wrong", "then"]} />
        <tbody>
          {slo.alerts.map((a) => (
            <AlertRow key={a.words} alert={a} events={slo.events} />
          ))}
        </tbody>
      </table>
      <p class="muted">
        1× is what the promise allows: the budget then lasts exactly {slo.window_words}. Nobody is told before{" "}
        {formatCount(slo.enough)} {slo.events} went wrong.
        {slo.lasts_ms !== null && slo.lasts_ms < 366 * 86_400_000 && (
          <> At the pace of the last hour the budget is spent in {spanText(slo.lasts_ms / 1000)}.</>
        )}
      </p>
    </section>
  );
}

function Badge({ slo }: { slo: WholeSlo }) {
  const url = new URL(slos.badge(slo.id), location.href).href;
  const page = location.href;
  const copy = async (): Promise<void> => {
    const text = `[![${slo.name.replace(/[[\]]/g, "")}](${url})](${page})`;
    try {
      await navigator.clipboard.writeText(text);
      say("Copied, as Markdown.");
    } catch {
      say(text);
    }
  };
  return (
    <p class="row slo-badge">
      <img src={url} alt={`${slo.name}: ${slo.state_words}`} height={20} />
      <button type="button" class="button" onClick={() => void copy()}>
        Copy this badge
      </button>
    </p>
  );
}

function Definition({ slo }: { slo: WholeSlo }) {
  return (
    <section aria-label="How it is measured">
      <h2>How it is measured</h2>
      <dl class="facts">
        {Object.entries(slo.asks).map(([key, text]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>
              <code>{text}</code>
            </dd>
          </div>
        ))}
        <div>
          <dt>Data</dt>
          <dd>
            {slo.budget === null
              ? "not looked at yet"
              : `for ${spanText((slo.budget.measured * (slo.now_ms - slo.budget.from_ms)) / 1000)} of ${slo.window_words}${slo.budget.unread > 0.01 ? `; ${formatValue(slo.budget.unread * 100, "")} % of it is still being counted` : ""}`}
          </dd>
        </div>
        {slo.past_problem !== "" && (
          <div>
            <dt>The past</dt>
            <dd class="change-wrong">{slo.past_problem}</dd>
          </div>
        )}
        <div>
          <dt>Written in</dt>
          <dd>
            {slo.file}, line {slo.line}
          </dd>
        </div>
        {slo.monitors.length > 0 && (
          <div>
            <dt>Alerts</dt>
            <dd>
              {slo.monitors.map((m, i) => (
                <span key={m.id}>
                  {i > 0 && ", "}
                  <a href={toUrl({ ...defaults("monitors"), own: { monitor: m.id } })}>{m.name}</a> ({m.state}
                  )
                </span>
              ))}
            </dd>
          </div>
        )}
      </dl>
    </section>
  );
}

function Changes({ slo }: { slo: WholeSlo }) {
  if (slo.changes.length < 2) return null;
  return (
    <section aria-label="How it was">
      <h2>How it was</h2>
      <ul class="episodes">
        {[...slo.changes]
          .reverse()
          .slice(0, 12)
          .map((c) => (
            <li key={c.at_ms}>
              <StateShape state={(STATES[c.state] ?? STATES.unknown).shape} word={false} />{" "}
              {(STATES[c.state] ?? STATES.unknown).word} since <When ms={c.at_ms} />
            </li>
          ))}
      </ul>
    </section>
  );
}

export function SloView(props: { slo: WholeSlo; change: () => void; leave: () => void }) {
  const { slo, change, leave } = props;
  const [sure, setSure] = useState(false);
  const state = STATES[slo.state] ?? STATES.unknown;
  const remove = async (): Promise<void> => {
    if (!sure) {
      setSure(true);
      return;
    }
    try {
      await slos.remove(slo.id);
      say("The promise is removed. What was recorded stays.");
      leave();
    } catch (e) {
      say(e instanceof ApiError ? e.message : String(e));
    }
  };
  return (
    <article class="slo" aria-label={`Objective ${slo.name}`}>
      <h1 class={`headline headline-${state.shape}`}>
        <StateShape state={state.shape} /> {slo.name}
        <span class="slo-state">{state.word}</span>
      </h1>
      <div class="slo-words">
        {slo.about !== "" && <p class="slo-about">{slo.about}</p>}
        <p>
          <strong>{slo.promise}</strong> {slo.says}
        </p>
        <p class="muted">
          {slo.service !== "" && <>Service {slo.service}. </>}
          {slo.owner !== "" && <>Minded by {slo.owner}. </>}
          {slo.since_ms > 0 && (
            <>
              So since <When ms={slo.since_ms} />.
            </>
          )}
        </p>
        {slo.action !== "" && slo.state !== "fine" && (
          <p>
            <strong>What to do:</strong> {slo.action}
          </p>
        )}
      </div>
      <section aria-label="The budget">
        <h2>
          What may still go wrong <BudgetBar budget={slo.budget} />
        </h2>
        <BudgetChart slo={slo} />
        {slo.budget !== null && slo.budget.total > 0 && (
          <p class="muted">
            {formatCount(Math.round(slo.budget.bad))} {slo.events} of{" "}
            {formatCount(Math.round(slo.budget.total))} were bad;{" "}
            {formatCount(Math.floor(slo.budget.allowed))} might have been. The line is what was left, the bars
            are what went wrong; times are {zoneOf(slo.now_ms)}.
          </p>
        )}
      </section>
      <Burning slo={slo} />
      <Evidence slo={slo} />
      <Definition slo={slo} />
      <Changes slo={slo} />
      <Badge slo={slo} />
      {slo.is_own && (
        <p class="row">
          <button type="button" class="button" onClick={change}>
            Change it
          </button>
          <button type="button" class="button" onClick={() => void remove()}>
            {sure ? "Yes, remove it" : "Remove"}
          </button>
        </p>
      )}
    </article>
  );
}
