/**
 * A new promise, or a changed one. Must never take over what the server does not understand.
 */
import { useState } from "preact/hooks";
import { slos } from "../../api/slos";
import { say } from "../../state/app";
import { Entry, WhoEntry } from "../../ui/entry";
import { rememberName, useSending } from "../../ui/send";
import { SendLine } from "../../ui/sendline";

type Kind = "ratio" | "latency" | "spans" | "value";
const KINDS: [Kind, string][] = [
  ["spans", "traces of a service"],
  ["ratio", "two counters"],
  ["latency", "a histogram"],
  ["value", "a value within a limit"],
];

function Fields({ kind }: { kind: Kind }) {
  if (kind === "ratio") {
    return (
      <>
        <Entry code name="total" title="All requests" hint={'http_requests_total{job="shop"}'} required />
        <Entry
          code
          name="bad"
          title="The bad ones"
          hint={'http_requests_total{job="shop",code=~"5.."}'}
          required
        />
      </>
    );
  }
  if (kind === "latency") {
    return (
      <div class="two">
        <Entry code name="latency" title="Histogram" hint="http_request_duration_seconds" required />
        <Entry code name="below" title="At most" hint="300ms" required />
      </div>
    );
  }
  if (kind === "spans") {
    return (
      <div class="two">
        <Entry code name="spans" title="Service" hint="web" required />
        <Entry code name="operation" title="What it is asked for (empty: all)" hint="POST /checkout" />
        <Entry code name="below" title="Within (empty: however long)" hint="1s" />
      </div>
    );
  }
  return (
    <div class="two">
      <Entry code name="value" title="Value" hint="queue_oldest_seconds" required />
      <Entry code name="at_most" title="At most" hint="30" required />
    </div>
  );
}

export function SloForm(props: { yaml: string | null; done: (id: string) => void; leave: () => void }) {
  const { yaml, done, leave } = props;
  const [kind, setKind] = useState<Kind>("spans");
  const form = useSending();
  const send = form.submit(async (_, filled) => {
    const all = Object.fromEntries(
      [...new FormData(filled)].map(([name, value]): [string, string] => [name, String(value).trim()]),
    );
    const { user = "", yaml: text, kind: _kind, ...rest } = all;
    rememberName(user);
    const said = text !== undefined ? { yaml: `slos:\n${text}\n`, change: true } : { slo: rest };
    const made = await slos.put({ ...said, user });
    say(text === undefined ? "The promise is made, and is counted from now on." : "Changed.");
    done(made.slos[0]?.id ?? "");
  });
  return (
    <form
      class="change-panel change-form monitor-form slo-form"
      aria-label={yaml === null ? "Make a promise" : "Change a promise"}
      onSubmit={send}
    >
      <h2>{yaml === null ? "Make a promise" : "Change it"}</h2>
      {yaml !== null ? (
        <label class="entry">
          <span>As it is written (the guide names all keys)</span>
          <textarea name="yaml" rows={14} required spellcheck={false} defaultValue={yaml.trimEnd()} />
        </label>
      ) : (
        <>
          <Entry name="name" title="Name" hint="Checkout works" required />
          <Entry name="about" title="The promise, in words" hint="Customers can pay." />
          <fieldset class="row lengths">
            <legend>Measured by</legend>
            {KINDS.map(([key, title]) => (
              <button
                key={key}
                type="button"
                class="button"
                aria-pressed={key === kind}
                onClick={() => setKind(key)}
              >
                {title}
              </button>
            ))}
          </fieldset>
          <Fields key={kind} kind={kind} />
          <div class="two">
            <Entry code name="objective" title="How much has to be good" value="99.9 %" required />
            <label class="entry">
              <span>Over</span>
              <select name="window">
                <option value="30d">30 days</option>
                <option value="7d">7 days</option>
                <option value="90d">90 days</option>
                <option value="calendar month">this month (UTC)</option>
                <option value="calendar quarter">this quarter (UTC)</option>
              </select>
            </label>
            <Entry name="service" title="Whose promise (service)" />
            <Entry name="owner" title="Who minds it" />
          </div>
          <Entry name="action" title="What to do when it breaks" />
        </>
      )}
      <WhoEntry name="user" title="Who says so" />
      <SendLine form={form} word={yaml === null ? "Make it" : "Change it"} leave={leave} />
    </form>
  );
}
