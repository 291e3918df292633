/**
 * A new monitor, tried out on the past while it is written. Must never make one that was not shown first.
 */
import { useState } from "preact/hooks";
import { serverNow } from "../../api/client";
import { monitors } from "../../api/monitors";
import { say } from "../../state/app";
import { Entry, WhoEntry } from "../../ui/entry";
import { rememberName, useSending } from "../../ui/send";
import { SendLine } from "../../ui/sendline";
import { TryOut } from "./TryOut";

const HOLDS = ["0s", "1m", "5m", "15m", "1h"];

export function NewForm(props: { expr: string; done: (id: string) => void; leave: () => void }) {
  const { done, leave } = props;
  const [expr, setExpr] = useState(props.expr);
  const [hold, setHold] = useState("5m");
  const [now] = useState(serverNow());
  const form = useSending();
  const send = form.submit(async (text) => {
    const some = (pairs: Record<string, string>): Record<string, string> =>
      Object.fromEntries(Object.entries(pairs).filter(([, v]) => v !== ""));
    rememberName(text("user"));
    const { id } = await monitors.make({
      name: text("name"),
      expr,
      for: hold,
      labels: some({ severity: text("severity"), service: text("service") }),
      annotations: some({ summary: text("summary"), why: text("why"), action: text("action") }),
      user: text("user"),
    });
    say("The monitor is made, and judges from now on.");
    done(id);
  });
  return (
    <form class="change-panel change-form monitor-form" aria-label="Make a monitor" onSubmit={send}>
      <h2>Make a monitor</h2>
      <label class="entry">
        <span>It fires where this gives something</span>
        <textarea
          name="expr"
          rows={2}
          required
          spellcheck={false}
          value={expr}
          onInput={(e) => setExpr(e.currentTarget.value)}
        />
      </label>
      <fieldset class="row lengths">
        <legend>For at least</legend>
        {HOLDS.map((h) => (
          <button key={h} type="button" class="button" aria-pressed={h === hold} onClick={() => setHold(h)}>
            {h === "0s" ? "at once" : h}
          </button>
        ))}
      </fieldset>
      <TryOut expr={expr} hold={hold} now={now} />
      <div class="two">
        <Entry name="name" title="Name" hint="HighLoad" required />
        <label class="entry">
          <span>How grave</span>
          <select name="severity">
            <option value="ticket">ticket: look at it in working hours</option>
            <option value="page">page: wake somebody</option>
            <option value="info">info</option>
          </select>
        </label>
        <Entry name="service" title="Service" />
        <WhoEntry name="user" title="Who makes it" />
      </div>
      <Entry
        name="summary"
        title="What it says, first"
        hint="{{ $labels.instance }} has a load of {{ $value | humanize }}"
      />
      <div class="two">
        <Entry name="why" title="Why it matters" />
        <Entry name="action" title="What to do" />
      </div>
      <SendLine form={form} word="Make it" leave={leave} />
    </form>
  );
}
