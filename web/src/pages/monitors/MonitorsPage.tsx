/**
 * Monitors by how they are, and what can be done about one. Must never hold what is chosen anywhere but in the address.
 */
import { serverNow } from "../../api/client";
import { type Monitor, type Monitors, monitors, type Silence } from "../../api/monitors";
import { agoText, clockTime, isoText, spanText, zoneOf } from "../../format/time";
import { formatCount } from "../../format/units";
import { go, say, view } from "../../state/app";
import { defaults, toUrl } from "../../state/url";
import { Columns } from "../../ui/columns";
import { Failure, Loading, Notice, StaleLine, Words } from "../../ui/notice";
import { usePoll } from "../../ui/poll";
import { FileProblems } from "../../ui/problems";
import { StateShape } from "../../ui/state";
import { Actions } from "./Actions";
import { Detail } from "./Detail";
import { Members } from "./Members";
import { NewForm } from "./NewForm";
import { OnCall } from "./OnCall";
import { ReviewView } from "./Review";
import { SilenceForm } from "./SilenceForm";
import { matcherText, STATES, saysOf, serviceOf, silences, sorted, tally, toldWords, unseen } from "./words";

const EVERY_MS = 3000;
const SHOWN = 500;

const own = (name: string): string => view.value.own[name] ?? "";

function set(change: Record<string, string>): void {
  const next = Object.entries({ ...view.value.own, ...change }).filter(([, v]) => v !== "");
  go({ own: Object.fromEntries(next) }, "push");
}

function Row({ monitor: m, quiet, chosen }: { monitor: Monitor; quiet: boolean; chosen: boolean }) {
  const state = STATES[m.state] ?? STATES.unknown;
  const url = toUrl({ ...view.value, own: { ...view.value.own, monitor: m.id, silence: "", form: "" } });
  const firing = m.alerts.filter((a) => a.state === "firing").length;
  return (
    <tr class={chosen ? "is-chosen" : undefined}>
      <th scope="row">
        <StateShape state={state.shape} />{" "}
        <a href={url} aria-current={chosen ? "true" : undefined}>
          {m.name}
        </a>
      </th>
      <td data-label="is">
        {state.word}
        {firing > 1 && ` (${formatCount(firing)})`}
        {quiet && <span class="chip">silenced</span>}
        {firing > 0 && unseen(m).length === 0 && <span class="chip">acknowledged</span>}
        {m.blind?.state === "firing" && <span class="chip">blind</span>}
        {m.why !== "" && <span class="reason">{m.why}</span>}
      </td>
      <td data-label="since" class={m.since_ms > 0 ? "" : "none"}>
        {m.since_ms > 0 ? <time title={isoText(m.since_ms)}>{agoText(m.since_ms, serverNow())}</time> : "–"}
      </td>
      <td data-label="service">{serviceOf(m)}</td>
      <td data-label="severity" class={m.labels.severity ? "" : "none"}>
        {m.labels.severity ?? "–"}
      </td>
      <td data-label="says">{saysOf(m)}</td>
    </tr>
  );
}

function SilenceList({ list, again }: { list: Silence[]; again: () => void }) {
  const present = list.filter((s) => s.status.state !== "expired");
  if (present.length === 0) return null;
  const end = async (id: string): Promise<void> => {
    await monitors.unsilence(id).catch((e: unknown) => say(e instanceof Error ? e.message : String(e)));
    again();
  };
  return (
    <section aria-label="Silences">
      <h2>Silences</h2>
      <ul class="silences">
        {present.map((s) => (
          <li key={s.id}>
            <code>{s.matchers.map(matcherText).join(", ")}</code>{" "}
            {s.status.state === "pending"
              ? "soon"
              : `${spanText(Math.max(0, (Date.parse(s.endsAt) - serverNow()) / 1000))} more`}
            , by {s.createdBy}: {s.comment}{" "}
            <button type="button" class="button" onClick={() => void end(s.id)}>
              End it
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Told({ data }: { data: Monitors["notifications"] }) {
  const problems = data.receivers.flatMap((r) =>
    r.targets.filter((t) => t.problem !== "").map((t) => ({ ...t, name: r.name })),
  );
  return (
    <section aria-label="Who is told">
      <h2>Who is told</h2>
      <p>
        <Words text={toldWords(data)} />
        {data.heartbeat !== null &&
          (data.heartbeat.last_ms === null
            ? " No heartbeat was taken yet."
            : ` The last heartbeat was taken ${agoText(data.heartbeat.last_ms, serverNow())}.`)}
      </p>
      {problems.length > 0 && (
        <ul>
          {problems.map((p) => (
            <li key={p.name + p.kind} class="change-wrong">
              {p.name} ({p.kind}): {p.problem}; {p.waiting} wait, tried {p.tries} times
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Empty() {
  return (
    <Notice title="Nothing is watched yet.">
      <p>
        Make a monitor here, from any chart on <a href="/look">Look</a>, or name rule files of Prometheus in
        the configuration: <code>[monitors] files = ["rules/*.yml"]</code>. They work as they are.
      </p>
    </Notice>
  );
}

function List({ data }: { data: Monitors }) {
  const wanted = own("state");
  const all = sorted(data.monitors).filter((m) => wanted === "" || m.state === wanted);
  const quiet = (m: Monitor): boolean => {
    const active = m.alerts.filter((a) => a.state !== "inactive");
    const isQuiet = (a: (typeof active)[number]): boolean =>
      data.notifications.silences.some((s) => silences(s, a.labels));
    return active.length > 0 && active.every(isQuiet);
  };
  return (
    <>
      <table class="table" aria-label="Monitors">
        <Columns names={["monitor", "is", "since", "service", "severity", "says"]} />
        <tbody>
          {all.slice(0, SHOWN).map((m) => (
            <Row key={m.id} monitor={m} quiet={quiet(m)} chosen={m.id === own("monitor")} />
          ))}
        </tbody>
      </table>
      {all.length > SHOWN && <p class="muted">and {formatCount(all.length - SHOWN)} more</p>}
    </>
  );
}

export function MonitorsPage() {
  const { data, error, at, again } = usePoll((signal) => monitors.list(signal), EVERY_MS);
  const chosen = data?.monitors.find((m) => m.id === own("monitor"));
  const leave = (): void => set({ monitor: "", silence: "", form: "", expr: "" });
  const form = own("form") === "new";
  const silencing = own("silence");
  return (
    <main class="page page-wide">
      <div class="changes-head">
        <h1>{own("show") === "review" ? "Review of the week" : "Monitors"}</h1>
        <a
          class="button"
          href={toUrl({ ...defaults("monitors"), own: own("show") === "review" ? {} : { show: "review" } })}
        >
          {own("show") === "review" ? "All monitors" : "Review the week"}
        </a>
        {data !== null && data.monitors.length > 0 && own("show") !== "review" && (
          <label class="entry">
            <span>How they are</span>
            <select value={own("state")} onChange={(e) => set({ state: e.currentTarget.value })}>
              <option value="">all</option>
              {Object.entries(STATES).map(([key, s]) => (
                <option key={key} value={key}>
                  {s.word}
                </option>
              ))}
            </select>
          </label>
        )}
        <button type="button" class="button" onClick={() => set({ form: "new", monitor: "", silence: "" })}>
          Make a monitor
        </button>
      </div>
      {error !== null && data !== null && own("show") !== "review" && (
        <StaleLine error={error} since={`${clockTime(at)} ${zoneOf(at)}`} />
      )}
      {data === null &&
        own("show") !== "review" &&
        (error === null ? <Loading what="monitors" /> : <Failure error={error} again={again} />)}
      {own("show") === "review" && <ReviewView />}
      {data !== null && own("show") !== "review" && (
        <div class={`changes-body ${chosen || form || silencing ? "monitors-body-two" : ""}`}>
          <div>
            <FileProblems list={data.problems} />
            {data.monitors.length === 0 ? (
              <Empty />
            ) : (
              <>
                <p class="muted">{tally(data.monitors)}</p>
                <List data={data} />
              </>
            )}
            <SilenceList list={data.notifications.silences} again={again} />
            <OnCall />
            <Members />
            <Actions />
            <Told data={data.notifications} />
          </div>
          {silencing !== "" ? (
            <SilenceForm
              key={silencing}
              matchers={silencing}
              done={() => {
                set({ silence: "" });
                again();
              }}
            />
          ) : form ? (
            <NewForm
              expr={own("expr")}
              done={(id) => {
                set({ form: "", expr: "", monitor: id });
                again();
              }}
              leave={leave}
            />
          ) : (
            chosen && (
              <Detail
                key={chosen.id}
                monitor={chosen}
                silences={data.notifications.silences}
                silence={(matchers) => set({ silence: matchers })}
                leave={leave}
                again={again}
              />
            )
          )}
        </div>
      )}
    </main>
  );
}
