/**
 * A box for what somebody is about to do about an alert: the critic answers on its own page. Must never stand between a person and
 * what they want to do: it is one line, and nothing waits for it.
 */
import { useState } from "preact/hooks";
import { openPage } from "../../state/app";
import { between } from "../../state/range";
import { defaults, toUrl } from "../../state/url";

/** Before an alert began, so that its beginning is seen, milliseconds. */
const LEAD_MS = 5 * 60_000;

export function PlanBox(props: { target: string; monitor: string; sinceMs: number; now: number }) {
  const { target, monitor, sinceMs, now } = props;
  const [plan, setPlan] = useState("");
  const range = between(Math.min(sinceMs, now - LEAD_MS), now);
  return (
    <form
      class="row plan-box"
      onSubmit={(e) => {
        e.preventDefault();
        if (plan.trim() !== "")
          openPage("critique", { range, own: { plan, monitor, ...(target === "" ? {} : { target }) } });
      }}
    >
      <a
        class="button"
        href={toUrl({ ...defaults("advise"), range, own: target === "" ? {} : { service: target } })}
      >
        Where to look first
      </a>
      <input
        type="text"
        class="field"
        aria-label="What you are about to do, or what you believe"
        placeholder={`restart ${target === "" ? "api-7" : target}; it is the database`}
        value={plan}
        maxLength={500}
        onInput={(e) => setPlan(e.currentTarget.value)}
      />
      <button type="submit" class="button" disabled={plan.trim() === ""}>
        What speaks against it?
      </button>
    </form>
  );
}
