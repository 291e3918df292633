/**
 * Commands that ran because a monitor fired, and whether they held. Must never start one.
 */
import { serverNow } from "../../api/client";
import { monitors } from "../../api/monitors";
import { agoText, isoText } from "../../format/time";
import { usePoll } from "../../ui/poll";
import { matchersText } from "./words";

const EVERY_MS = 5000;
const SHOWN = 10;

export function Actions() {
  const { data } = usePoll((signal) => monitors.actions(signal), EVERY_MS);
  if (data === null || !data.configured) return null;
  return (
    <section aria-label="Actions">
      <h2>Actions</h2>
      <p class="muted">
        {data.actions.length === 0
          ? "No command may run."
          : `May run: ${data.actions.map((a) => `${a.name} (approved by ${a.approved_by})`).join(", ")}.`}
      </p>
      {data.problems.map((p) => (
        <p key={`${p.line} ${p.what}`} class="change-wrong">
          {p.file}:{p.line}: {p.what}
        </p>
      ))}
      <ul class="members">
        {data.runs.slice(0, SHOWN).map((r) => (
          <li key={`${r.action} ${r.at_ms}`}>
            <time title={isoText(r.at_ms)}>{agoText(r.at_ms, serverNow())}</time> {r.action}:{" "}
            <strong>{r.did_it_hold}</strong> <span class="muted">{r.how}</span>{" "}
            <span class="muted">{matchersText(r.alert)}</span>
          </li>
        ))}
        {data.held_back.map((h) => (
          <li key={`${h.action} ${h.why}`}>
            {h.action} did not run: {h.why}
          </li>
        ))}
      </ul>
    </section>
  );
}
