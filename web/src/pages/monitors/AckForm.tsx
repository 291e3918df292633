/**
 * "I take care of it": one press once the name is known. Must never acknowledge more than what is shown beside it.
 */
import { monitors } from "../../api/monitors";
import { say } from "../../state/app";
import { Entry, WhoEntry } from "../../ui/entry";
import { rememberName, useSending } from "../../ui/send";
import { SendLine } from "../../ui/sendline";

export function AckForm(props: { fingerprints: string[]; done: () => void; leave: () => void }) {
  const { fingerprints, done, leave } = props;
  const form = useSending();
  const send = form.submit(async (text) => {
    rememberName(text("user"));
    await monitors.acknowledge({ fingerprints, user: text("user"), reason: text("note") });
    say("You take care of it: it is told no more until it is over.");
    done();
  });
  return (
    <form class="change-form" aria-label="Acknowledge" onSubmit={send}>
      <div class="two">
        <WhoEntry name="user" title="Who takes care of it" required />
        <Entry name="note" title="What others should know" hint="restarting it" />
      </div>
      <SendLine form={form} word="I take care of it" leave={leave} />
    </form>
  );
}
