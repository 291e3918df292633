/**
 * One monitor: how it is and why, its alerts, what it looks at, and what can be done. Must never hide that it is not judged.
 */
import { useEffect, useState } from "preact/hooks";
import { captures } from "../../api/captures";
import { serverNow } from "../../api/client";
import { type Monitor, type MonitorAlert, monitors, type Silence } from "../../api/monitors";
import { review } from "../../api/review";
import { agoText, isoText } from "../../format/time";
import { countText, formatValue } from "../../format/units";
import { openPage, say } from "../../state/app";
import { errorText, rememberedName } from "../../ui/send";
import { StateShape } from "../../ui/state";
import { PlanBox } from "../critic/PlanBox";
import { AckForm } from "./AckForm";
import { IncidentForm } from "./IncidentForm";
import { TryOut } from "./TryOut";
import { aboutOf, matchersText, STATES, silences, unseen } from "./words";

const TITLES: [string, string][] = [
  ["summary", "What"],
  ["description", "What exactly"],
  ["why", "Why it matters"],
  ["action", "What to do"],
  ["runbook_url", "Runbook"],
  ["dashboard_url", "Dashboard"],
  ["owner", "Owner"],
];
const ALERTS_SHOWN = 50;

function When({ ms }: { ms: number }) {
  return <time title={isoText(ms)}>{agoText(ms, serverNow())}</time>;
}

function Alert(props: {
  alert: MonitorAlert;
  monitor: string;
  silenced: boolean;
  silence: (matchers: string) => void;
}) {
  const { alert, silenced, silence } = props;
  const shape = alert.state === "firing" ? "bad" : alert.state === "pending" ? "look" : "fine";
  const since = alert.state === "inactive" ? alert.resolved_at_ms : (alert.fired_at_ms ?? alert.active_at_ms);
  const { alertname: _, ...own } = alert.labels;
  return (
    <li>
      <StateShape state={shape} /> {alert.state === "inactive" ? "over" : alert.state}{" "}
      {since !== null && <When ms={since} />}, at <strong>{formatValue(Number(alert.value), "")}</strong>{" "}
      <span class="muted">{matchersText(own)}</span>
      {alert.annotations.summary && <div>{alert.annotations.summary}</div>}
      {silenced && <span class="chip">silenced</span>}
      {alert.ack && (
        <div class="muted">
          {alert.ack.author} takes care of it since <When ms={alert.ack.at_ms} />
          {alert.ack.note !== "" && `: ${alert.ack.note}`}
        </div>
      )}
      {alert.state !== "inactive" && !silenced && (
        <button type="button" class="button" onClick={() => silence(matchersText(alert.labels))}>
          Silence
        </button>
      )}
      {alert.state !== "inactive" && (
        <PlanBox
          target={aboutOf(own)}
          monitor={props.monitor}
          sinceMs={alert.fired_at_ms ?? alert.active_at_ms ?? serverNow()}
          now={serverNow()}
        />
      )}
    </li>
  );
}

export function Detail(props: {
  monitor: Monitor;
  silences: Silence[];
  silence: (matchers: string) => void;
  leave: () => void;
  again: () => void;
}) {
  const { monitor: m, silence, leave, again } = props;
  const [now] = useState(serverNow());
  const [sure, setSure] = useState(false);
  const [filling, setFilling] = useState<"" | "ack" | "incident">("");
  const [capturing, setCapturing] = useState(false);
  const open = unseen(m);
  const state = STATES[m.state] ?? STATES.unknown;
  // That somebody looked while it fires is what the review counts as seen.
  const fires = m.state === "firing";
  useEffect(() => {
    if (fires) review.seen(m.id).catch(() => {});
  }, [m.id, fires]);
  const acted = async (): Promise<void> => {
    try {
      await review.acted(m.id, rememberedName());
      say("Noted: this monitor was of use.");
    } catch (e) {
      say(errorText(e));
    }
  };
  const filled = (): void => {
    setFilling("");
    again();
  };
  const capture = async (): Promise<void> => {
    setCapturing(true);
    try {
      const taken = await captures.take(rememberedName(), m.id);
      openPage("captures", { own: { capture: taken.id } });
    } catch (e) {
      say(errorText(e));
      setCapturing(false);
    }
  };
  const remove = async (): Promise<void> => {
    if (!sure) {
      setSure(true);
      return;
    }
    try {
      await monitors.remove(m.id);
      say("The monitor is removed.");
      leave();
      again();
    } catch (e) {
      say(errorText(e));
    }
  };
  return (
    <section class="change-panel monitor-detail" aria-label={`Monitor ${m.name}`}>
      <h2>
        <StateShape state={state.shape} /> {m.name}
      </h2>
      <p>
        {state.word}
        {m.since_ms > 0 && (
          <>
            {" "}
            since <When ms={m.since_ms} />
          </>
        )}
        : {state.says}.{m.why !== "" && <span class="change-wrong"> {m.why}</span>}
      </p>
      <pre class="code">{m.expr}</pre>
      <p class="muted">
        for {m.for}
        {m.keep_firing_for !== "0s" && `, kept firing for ${m.keep_firing_for}`}
        {m.enough !== null && `, judged only where ${m.enough}`}; looked at every{" "}
        {formatValue(m.interval_ms / 1000, "s")}.
      </p>
      {m.blind?.state === "firing" && (
        <p class="change-wrong">
          It was judged before, and sees nothing since <When ms={m.blind.since_ms} />: people are told.
        </p>
      )}
      {m.alerts.length > 0 && (
        <ul class="monitor-alerts">
          {m.alerts.slice(0, ALERTS_SHOWN).map((a) => (
            <Alert
              key={JSON.stringify(a.labels)}
              alert={a}
              monitor={m.id}
              silenced={props.silences.some((s) => silences(s, a.labels))}
              silence={silence}
            />
          ))}
          {m.alerts.length > ALERTS_SHOWN && <li class="muted">and {m.alerts.length - ALERTS_SHOWN} more</li>}
        </ul>
      )}
      <TryOut
        expr={m.expr}
        hold={m.for}
        keep={m.keep_firing_for}
        interval={`${Math.max(1, Math.round(m.interval_ms / 1000))}s`}
        now={now}
      />
      <dl class="facts">
        {TITLES.filter(([key]) => m.annotations[key] && !(key === "summary" && m.alerts.length > 0)).map(
          ([key, title]) => (
            <div key={key}>
              <dt>{title}</dt>
              <dd>
                {/^https?:/.test(m.annotations[key]!) ? (
                  <a href={m.annotations[key]} rel="noreferrer">
                    {m.annotations[key]}
                  </a>
                ) : (
                  m.annotations[key]
                )}
              </dd>
            </div>
          ),
        )}
        <div>
          <dt>Detection</dt>
          <dd>
            {m.detection_ms === null
              ? "not measured yet"
              : `a sample is judged ${formatValue(m.detection_ms / 1000, "s")} after it was taken; the worst lately was ${formatValue((m.detection_worst_ms ?? 0) / 1000, "s")}`}
          </dd>
        </div>
        <div>
          <dt>Fired</dt>
          <dd>{m.fired === 0 ? "never" : countText(m.fired, "time")} since the program was started</dd>
        </div>
        <div>
          <dt>Written in</dt>
          <dd>
            {m.file}, line {m.line}, group {m.group}
          </dd>
        </div>
      </dl>
      {filling === "ack" && <AckForm fingerprints={open} done={filled} leave={() => setFilling("")} />}
      {filling === "incident" && <IncidentForm monitor={m} done={filled} leave={() => setFilling("")} />}
      <p class="row">
        {open.length > 0 && filling !== "ack" && (
          <button type="button" class="button" onClick={() => setFilling("ack")}>
            I take care of it
          </button>
        )}
        <button type="button" class="button" onClick={() => void acted()}>
          I did something about it
        </button>
        {filling !== "incident" && (
          <button
            type="button"
            class="button"
            title="Something broke for somebody: it counts in the review, and stands as a line in charts"
            onClick={() => setFilling("incident")}
          >
            It is an incident
          </button>
        )}
        {fires && (
          <button
            type="button"
            class="button"
            title="Keep the last minutes of everything on this machine"
            disabled={capturing}
            onClick={() => void capture()}
          >
            {capturing ? "Capturing" : "Capture now"}
          </button>
        )}
        <button type="button" class="button" onClick={() => silence(matchersText({ alertname: m.name }))}>
          Silence all of it
        </button>
        {m.is_own && (
          <button type="button" class="button" onClick={() => void remove()}>
            {sure ? "Yes, remove it" : "Remove"}
          </button>
        )}
        <button type="button" class="button" onClick={leave}>
          Close
        </button>
      </p>
    </section>
  );
}
