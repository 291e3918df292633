/**
 * Recording a change, with the six questions for those that are risky. Must never send what was not written here.
 */
import { type Changes, changes } from "../../api/traces";
import { say } from "../../state/app";
import { useSending } from "../../ui/send";
import { SendLine } from "../../ui/sendline";

function Line(props: {
  name: string;
  title: string;
  hint?: string;
  list?: readonly string[];
  required?: boolean;
}) {
  const { name, title, hint, list, required } = props;
  return (
    <label class="entry">
      <span>{title}</span>
      <input
        type={name === "link" ? "url" : "text"}
        name={name}
        placeholder={hint}
        required={required}
        list={list ? `change-${name}` : undefined}
        autocomplete="off"
      />
      {list && (
        <datalist id={`change-${name}`}>
          {list.map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
    </label>
  );
}

export function Form(props: { known: Changes; done: (id: string) => void; leave: () => void }) {
  const { known, done, leave } = props;
  const form = useSending();
  const send = form.submit(async (_, filled) => {
    const fields = Object.fromEntries(
      [...new FormData(filled)].map(([k, v]) => [k, String(v).trim()]).filter(([, v]) => v !== ""),
    ) as Record<string, string>;
    const answers: Record<string, string> = {};
    for (const { name } of known.questions) {
      if (fields[name]) answers[name] = fields[name]!;
      delete fields[name];
    }
    const { id } = await changes.record({ ...fields, answers });
    say("The change is recorded.");
    done(id);
  });
  return (
    <form
      class="change-panel change-form"
      aria-label="Record a change"
      onSubmit={send}
      onKeyDown={(e) => {
        if (e.key !== "Escape") return;
        e.stopPropagation();
        leave();
      }}
    >
      <h2>Record a change</h2>
      <Line name="title" title="What changes, in a sentence" hint="deployed api 1.42" required />
      <div class="two">
        <Line name="kind" title="Kind" hint="deploy" list={known.kinds} />
        <Line name="time" title="When" hint="now" />
        <Line name="service" title="Service" />
        <Line name="host" title="Host" />
        <Line name="author" title="Who" />
        <Line name="link" title="Link" hint="https://" />
      </div>
      <details>
        <summary>Six questions, for a change that is risky</summary>
        {known.questions.map((q) => (
          <label key={q.name} class="entry">
            <span>{q.asks}</span>
            <textarea name={q.name} rows={1} />
          </label>
        ))}
      </details>
      <SendLine form={form} word="Record" leave={leave} />
    </form>
  );
}
