/**
 * A rule of thumb as three sentences: when I see, I look at, because. Must never send what was not written here.
 */
import { critic } from "../../api/critic";
import { say } from "../../state/app";
import { Entry } from "../../ui/entry";
import { useSending } from "../../ui/send";
import { SendLine } from "../../ui/sendline";

/** The server's bound of each sentence. */
const MAX = 500;

export function ThumbForm({ done }: { done: () => void }) {
  const form = useSending();
  const send = form.submit(async (_, filled) => {
    const fields = [...new FormData(filled)].map(([k, v]): [string, string] => [k, String(v).trim()]);
    await critic.write(Object.fromEntries(fields));
    say("Your rule is in force.");
    filled.reset();
    done();
  });
  return (
    <details class="critic-thumb">
      <summary>Write down a rule of thumb</summary>
      <form aria-label="A rule of thumb" onSubmit={send}>
        <Entry name="see" title="When I see" hint="checkout times out" max={MAX} required />
        <Entry
          name="see_query"
          title="as PromQL, where it can be measured"
          hint="rate(timeouts_total[5m]) > 1"
          max={MAX}
          code
        />
        <Entry name="look" title="I look at" hint="who holds the locks on orders" max={MAX} required />
        <Entry name="look_query" title="as PromQL" hint="max(pg_locks_count)" max={MAX} code />
        <Entry name="because" title="Because" hint="it was that three times last year" max={MAX} required />
        <div class="two">
          <Entry name="service" title="Only for the service" hint="any" max={MAX} />
          <Entry name="author" title="Who says so" max={MAX} fills="name" />
        </div>
        <SendLine form={form} word="Make it a rule">
          <span class="muted">
            It speaks when a plan says these words, or when the query finds something.
          </span>
        </SendLine>
      </form>
    </details>
  );
}
