/**
 * Recording a change, with the six questions for those that are risky. Must never send what was not written here.
 */
import { type Changes, changes } from "../../api/traces";
import { say } from "../../state/app";
import { Entry, WhoEntry } from "../../ui/entry";
import { rememberName, useSending } from "../../ui/send";
import { SendLine } from "../../ui/sendline";

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
    rememberName(fields.author ?? "");
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
      <Entry name="title" title="What changes, in a sentence" hint="deployed api 1.42" required />
      <div class="two">
        <Entry name="kind" title="Kind" hint="deploy" list={known.kinds} />
        <Entry name="time" title="When" hint="now" />
        <Entry name="service" title="Service" />
        <Entry name="host" title="Host" />
        <WhoEntry name="author" title="Who" />
        <Entry name="link" title="Link" hint="https://" type="url" />
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
