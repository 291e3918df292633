/**
 * A rule of thumb as three sentences: when I see, I look at, because. Must never send what was not written here.
 */
import { useState } from "preact/hooks";
import { ApiError } from "../../api/client";
import { critic } from "../../api/critic";
import { say } from "../../state/app";

function Entry(props: { name: string; title: string; hint: string; required?: boolean; code?: boolean }) {
  return (
    <label class="entry">
      <span>{props.title}</span>
      <input
        name={props.name}
        placeholder={props.hint}
        required={props.required}
        maxLength={500}
        autocomplete="off"
        spellcheck={!props.code}
        class={props.code ? "code" : undefined}
      />
    </label>
  );
}

export function ThumbForm({ done }: { done: () => void }) {
  const [wrong, setWrong] = useState("");
  const [sending, setSending] = useState(false);
  const send = async (form: HTMLFormElement): Promise<void> => {
    setSending(true);
    try {
      const fields = [...new FormData(form)].map(([k, v]): [string, string] => [k, String(v).trim()]);
      await critic.write(Object.fromEntries(fields));
      say("Your rule is in force.");
      form.reset();
      setWrong("");
      done();
    } catch (e) {
      setWrong(e instanceof ApiError ? `${e.message} ${e.hint}` : String(e));
    } finally {
      setSending(false);
    }
  };
  return (
    <details class="critic-thumb">
      <summary>Write down a rule of thumb</summary>
      <form
        aria-label="A rule of thumb"
        onSubmit={(e) => {
          e.preventDefault();
          void send(e.currentTarget);
        }}
      >
        <Entry name="see" title="When I see" hint="checkout times out" required />
        <Entry
          name="see_query"
          title="as PromQL, where it can be measured"
          hint="rate(timeouts_total[5m]) > 1"
          code
        />
        <Entry name="look" title="I look at" hint="who holds the locks on orders" required />
        <Entry name="look_query" title="as PromQL" hint="max(pg_locks_count)" code />
        <Entry name="because" title="Because" hint="it was that three times last year" required />
        <div class="two">
          <Entry name="service" title="Only for the service" hint="any" />
          <Entry name="author" title="Who says so" hint="" />
        </div>
        {wrong !== "" && (
          <p class="change-wrong" role="alert">
            {wrong}
          </p>
        )}
        <p class="row">
          <button type="submit" class="button" disabled={sending}>
            Make it a rule
          </button>
          <span class="muted">
            It speaks when a plan says these words, or when the query finds something.
          </span>
        </p>
      </form>
    </details>
  );
}
