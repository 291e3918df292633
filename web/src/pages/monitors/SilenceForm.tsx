/**
 * A silence: what, for how long, who says so and why. Must never send one without a person and a reason.
 */
import { useState } from "preact/hooks";
import { serverNow } from "../../api/client";
import { monitors } from "../../api/monitors";
import { say } from "../../state/app";
import { Entry, WhoEntry } from "../../ui/entry";
import { rememberName, useSending } from "../../ui/send";
import { SendLine } from "../../ui/sendline";
import { readMatchers } from "./words";

const LENGTHS: [string, number][] = [
  ["1 hour", 3600],
  ["4 hours", 4 * 3600],
  ["1 day", 86_400],
  ["1 week", 7 * 86_400],
];

export function SilenceForm({ matchers, done }: { matchers: string; done: () => void }) {
  const [seconds, setSeconds] = useState(3600);
  const form = useSending();
  const send = form.submit(async (text) => {
    const found = readMatchers(text("matchers"));
    if (found === null) {
      form.refuse('Which alerts? Write labels such as alertname="HighLoad", instance=~"db-.*".');
      return;
    }
    rememberName(text("author"));
    const now = serverNow();
    await monitors.silence({
      matchers: found,
      startsAt: new Date(now).toISOString(),
      endsAt: new Date(now + seconds * 1000).toISOString(),
      createdBy: text("author"),
      comment: text("reason"),
    });
    say("Silenced: nobody is told until it ends.");
    done();
  });
  return (
    <form class="change-panel change-form" aria-label="Silence alerts" onSubmit={send}>
      <h2>Silence alerts</h2>
      <Entry name="matchers" title="Which alerts, by their labels" value={matchers} required code />
      <fieldset class="row lengths">
        <legend>For how long</legend>
        {LENGTHS.map(([word, s]) => (
          <button
            key={word}
            type="button"
            class="button"
            aria-pressed={s === seconds}
            onClick={() => setSeconds(s)}
          >
            {word}
          </button>
        ))}
      </fieldset>
      <div class="two">
        <WhoEntry name="author" title="Who" required />
        <Entry name="reason" title="Why" hint="moving the database, ticket 4711" required />
      </div>
      <SendLine form={form} word="Silence" leave={done} />
    </form>
  );
}
