/**
 * What is promised, and whether it is kept: all objectives, or one of them on a page of its own. Must never hold what is chosen
 * anywhere but in the address.
 */
import { serverNow } from "../../api/client";
import { type Slo, slos } from "../../api/slos";
import { agoText, clockTime, isoText, zoneOf } from "../../format/time";
import { go, view } from "../../state/app";
import { defaults, toUrl } from "../../state/url";
import { Columns } from "../../ui/columns";
import { Failure, Loading, Notice, StaleLine } from "../../ui/notice";
import { usePoll } from "../../ui/poll";
import { FileProblems } from "../../ui/problems";
import { StateShape } from "../../ui/state";
import { BudgetBar } from "./BudgetBar";
import { SloForm } from "./SloForm";
import { SloView } from "./SloView";
import { burnText, headline, STATES, sorted } from "./words";

const EVERY_MS = 5000;

const own = (name: string): string => view.value.own[name] ?? "";
const urlOf = (slo: string): string => toUrl({ ...defaults("slos"), own: slo === "" ? {} : { slo } });

function set(change: Record<string, string>): void {
  const next = Object.entries({ ...view.value.own, ...change }).filter(([, v]) => v !== "");
  go({ own: Object.fromEntries(next) }, "push");
}

function Row({ slo: s }: { slo: Slo }) {
  const state = STATES[s.state] ?? STATES.unknown;
  const fast = Math.max(
    ...(s.burns ?? []).filter((b) => b.window_ms === 3_600_000).map((b) => b.rate ?? 0),
    0,
  );
  return (
    <tr>
      <th scope="row">
        <StateShape state={state.shape} /> <a href={urlOf(s.id)}>{s.name}</a>
      </th>
      <td data-label="is">
        {state.word}
        {s.why !== "" && <span class="reason">{s.why}</span>}
      </td>
      <td data-label="budget">
        <BudgetBar budget={s.budget} />
      </td>
      <td data-label="burns">{s.burns === null ? "–" : burnText(fast)}</td>
      <td data-label="since" class={s.since_ms > 0 ? "" : "none"}>
        {s.since_ms > 0 ? <time title={isoText(s.since_ms)}>{agoText(s.since_ms, serverNow())}</time> : "–"}
      </td>
      <td data-label="service" class={s.service === "" ? "none" : ""}>
        {s.service === "" ? "–" : s.service}
      </td>
      <td data-label="promise">{s.promise}</td>
    </tr>
  );
}

function All() {
  const { data, error, at, again } = usePoll((signal) => slos.list(signal), EVERY_MS);
  const form = own("form") === "new";
  if (data === null) {
    return error === null ? <Loading what="objectives" /> : <Failure error={error} again={again} />;
  }
  const top = headline(data.slos);
  return (
    <>
      {error !== null && <StaleLine error={error} since={`${clockTime(at)} ${zoneOf(at)}`} />}
      <div class="changes-head">
        <h1>SLOs</h1>
        <button type="button" class="button" onClick={() => set({ form: "new" })}>
          Make a promise
        </button>
      </div>
      {form && (
        <SloForm
          yaml={null}
          done={(id) => {
            go({ own: { slo: id } }, "push");
            again();
          }}
          leave={() => set({ form: "" })}
        />
      )}
      <FileProblems list={data.problems} />
      {data.slos.length === 0 ? (
        <Notice title="Nothing is promised yet.">
          <p>
            Make a promise here, write a file (<code>[monitors] files = ["slos/*.yml"]</code>), or bring those
            that you have: <code>midwatch slo import openslo.yaml</code>. What is stored already is counted at
            once.
          </p>
        </Notice>
      ) : (
        <>
          <p class={`slos-top headline-${top.shape}`}>
            <StateShape state={top.shape} /> {top.text}
          </p>
          <table class="table slos-table" aria-label="Objectives">
            <Columns names={["promise", "is", "budget", "burns (1h)", "since", "service", "in words"]} />
            <tbody>
              {sorted(data.slos).map((s) => (
                <Row key={s.id} slo={s} />
              ))}
            </tbody>
          </table>
        </>
      )}
    </>
  );
}

function One({ id }: { id: string }) {
  const { data, error, at, again } = usePoll((signal) => slos.one(id, signal), EVERY_MS);
  return (
    <>
      <p>
        <a href={urlOf("")}>← All SLOs</a>
      </p>
      {data === null && <h1>SLO</h1>}
      {error !== null && data !== null && (
        <StaleLine error={error} since={`${clockTime(at)} ${zoneOf(at)}`} />
      )}
      {data === null &&
        (error === null ? <Loading what="the objective" /> : <Failure error={error} again={again} />)}
      {data !== null && own("form") === "change" && (
        <SloForm
          yaml={data.yaml}
          done={(id) => {
            go({ own: { slo: id } }, "push");
            again();
          }}
          leave={() => set({ form: "" })}
        />
      )}
      {data !== null && (
        <SloView slo={data} change={() => set({ form: "change" })} leave={() => go({ own: {} }, "push")} />
      )}
    </>
  );
}

export function SlosPage() {
  const id = own("slo");
  return <main class="page page-wide">{id === "" ? <All /> : <One key={id} id={id} />}</main>;
}
