/**
 * A new promise, or a changed one. Must never take over what the server does not understand.
 */
import { useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import { slos } from "../../api/slos";
import { say } from "../../state/app";
import { rememberedName, rememberName } from "../../ui/send";

type Kind = "ratio" | "latency" | "spans" | "value";
const KINDS: [Kind, string][] = [
  ["spans", "traces of a service"],
  ["ratio", "two counters"],
  ["latency", "a histogram"],
  ["value", "a value within a limit"],
];

function Field(props: {
  name: string;
  title: string;
  placeholder?: string;
  required?: boolean;
  value?: string;
}) {
  return (
    <label class="entry">
      <span>{props.title}</span>
      <input
        name={props.name}
        required={props.required}
        placeholder={props.placeholder}
        defaultValue={props.value}
        autocomplete="off"
        spellcheck={false}
      />
    </label>
  );
}

function Fields({ kind }: { kind: Kind }) {
  if (kind === "ratio") {
    return (
      <>
        <Field name="total" title="All requests" placeholder={'http_requests_total{job="shop"}'} required />
        <Field
          name="bad"
          title="The bad ones"
          placeholder={'http_requests_total{job="shop",code=~"5.."}'}
          required
        />
      </>
    );
  }
  if (kind === "latency") {
    return (
      <div class="two">
        <Field name="latency" title="Histogram" placeholder="http_request_duration_seconds" required />
        <Field name="below" title="At most" placeholder="300ms" required />
      </div>
    );
  }
  if (kind === "spans") {
    return (
      <div class="two">
        <Field name="spans" title="Service" placeholder="web" required />
        <Field name="operation" title="What it is asked for (empty: all)" placeholder="POST /checkout" />
        <Field name="below" title="Within (empty: however long)" placeholder="1s" />
      </div>
    );
  }
  return (
    <div class="two">
      <Field name="value" title="Value" placeholder="queue_oldest_seconds" required />
      <Field name="at_most" title="At most" placeholder="30" required />
    </div>
  );
}

export function SloForm(props: { yaml: string | null; done: (id: string) => void; leave: () => void }) {
  const { yaml, done, leave } = props;
  const [kind, setKind] = useState<Kind>("spans");
  const [wrong, setWrong] = useState("");
  const [sending, setSending] = useState(false);
  const send = async (form: HTMLFormElement): Promise<void> => {
    const all = Object.fromEntries(
      [...new FormData(form)].map(([name, value]): [string, string] => [name, String(value).trim()]),
    );
    const { user = "", yaml: text, kind: _, ...rest } = all;
    setSending(true);
    try {
      rememberName(user);
      const said = text !== undefined ? { yaml: `slos:\n${text}\n`, change: true } : { slo: rest };
      const made = await slos.put({ ...said, user });
      say(text === undefined ? "The promise is made, and is counted from now on." : "Changed.");
      done(made.slos[0]?.id ?? "");
    } catch (e) {
      setWrong(e instanceof ApiError ? `${e.message} ${e.hint}` : String(e));
    } finally {
      setSending(false);
    }
  };
  return (
    <form
      class="change-panel change-form monitor-form slo-form"
      aria-label={yaml === null ? "Make a promise" : "Change a promise"}
      onSubmit={(e) => {
        e.preventDefault();
        void send(e.currentTarget);
      }}
    >
      <h2>{yaml === null ? "Make a promise" : "Change it"}</h2>
      {yaml !== null ? (
        <label class="entry">
          <span>As it is written (the guide names all keys)</span>
          <textarea name="yaml" rows={14} required spellcheck={false} defaultValue={yaml.trimEnd()} />
        </label>
      ) : (
        <>
          <Field name="name" title="Name" placeholder="Checkout works" required />
          <Field name="about" title="The promise, in words" placeholder="Customers can pay." />
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
            <Field name="objective" title="How much has to be good" value="99.9 %" required />
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
            <Field name="service" title="Whose promise (service)" />
            <Field name="owner" title="Who minds it" />
          </div>
          <Field name="action" title="What to do when it breaks" />
        </>
      )}
      <label class="entry">
        <span>Who says so</span>
        <input name="user" defaultValue={rememberedName()} autocomplete="name" />
      </label>
      {wrong !== "" && (
        <p class="change-wrong" role="alert">
          {wrong}
        </p>
      )}
      <p class="row">
        <button type="submit" class="button" disabled={sending}>
          {yaml === null ? "Make it" : "Change it"}
        </button>
        <button type="button" class="button" onClick={leave}>
          Leave it
        </button>
      </p>
    </form>
  );
}
