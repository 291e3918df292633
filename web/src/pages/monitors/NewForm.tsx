/**
 * A new monitor, tried out on the past while it is written. Must never make one that was not shown first.
 */
import { useState } from "preact/hooks";
import { serverNow } from "../../api/client";
import { monitors } from "../../api/monitors";
import { say } from "../../state/app";
import { rememberedName, rememberName, useSending } from "../../ui/send";
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
        <label class="entry">
          <span>Name</span>
          <input name="name" required placeholder="HighLoad" autocomplete="off" />
        </label>
        <label class="entry">
          <span>How grave</span>
          <select name="severity">
            <option value="ticket">ticket: look at it in working hours</option>
            <option value="page">page: wake somebody</option>
            <option value="info">info</option>
          </select>
        </label>
        <label class="entry">
          <span>Service</span>
          <input name="service" autocomplete="off" />
        </label>
        <label class="entry">
          <span>Who makes it</span>
          <input name="user" value={rememberedName()} autocomplete="name" />
        </label>
      </div>
      <label class="entry">
        <span>What it says, first</span>
        <input
          name="summary"
          placeholder="{{ $labels.instance }} has a load of {{ $value | humanize }}"
          autocomplete="off"
        />
      </label>
      <div class="two">
        <label class="entry">
          <span>Why it matters</span>
          <input name="why" autocomplete="off" />
        </label>
        <label class="entry">
          <span>What to do</span>
          <input name="action" autocomplete="off" />
        </label>
      </div>
      <SendLine form={form} word="Make it" leave={leave} />
    </form>
  );
}
