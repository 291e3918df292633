/**
 * "It is an incident": a mark on the line of time that counts for the monitor. Must never be sent by itself: what an incident is, people
 * say.
 */
import type { Monitor } from "../../api/monitors";
import { changes } from "../../api/traces";
import { say } from "../../state/app";
import { Entry, WhoEntry } from "../../ui/entry";
import { rememberName, useSending } from "../../ui/send";
import { SendLine } from "../../ui/sendline";
import { aboutOf } from "./words";

export function IncidentForm(props: { monitor: Monitor; done: () => void; leave: () => void }) {
  const { monitor: m, done, leave } = props;
  const firing = m.alerts.filter((a) => a.state === "firing");
  const began = Math.min(...firing.map((a) => a.fired_at_ms ?? a.active_at_ms));
  const service = m.labels.service ?? aboutOf(firing[0]?.labels ?? {});
  const form = useSending();
  const send = form.submit(async (text) => {
    rememberName(text("author"));
    await changes.record({
      kind: "incident",
      title: text("title"),
      link: text("link"),
      author: text("author"),
      service,
      // When it began to fire, so that the line stands where the trouble is.
      ...(Number.isFinite(began) ? { time: began / 1000 } : {}),
      attributes: { monitor: m.id },
    });
    say("Recorded as an incident: it counts in the review, and stands as a line in charts.");
    done();
  });
  return (
    <form class="change-form" aria-label="It is an incident" onSubmit={send}>
      <Entry
        name="title"
        title="What broke, for whom"
        value={firing[0]?.annotations.summary ?? `${m.name}: an incident`}
        max={300}
        required
      />
      <div class="two">
        <WhoEntry name="author" title="Who says so" required />
        <Entry name="link" title="Where to read more (a link)" hint="https://" type="url" />
      </div>
      <SendLine form={form} word="It is an incident" leave={leave} />
    </form>
  );
}
