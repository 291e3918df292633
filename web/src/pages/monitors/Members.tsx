/**
 * Members of systems that vote: the list against the living, and what to do next. Must never call alive what did not answer.
 */
import { serverNow } from "../../api/client";
import { monitors } from "../../api/monitors";
import { agoText } from "../../format/time";
import { formatValue } from "../../format/units";
import { usePoll } from "../../ui/poll";
import { StateShape } from "../../ui/state";

const EVERY_MS = 5000;

export function Members() {
  const { data } = usePoll((signal) => monitors.membership(signal), EVERY_MS);
  if (data === null || data.clusters.length === 0) return null;
  return (
    <section aria-label="Members">
      <h2>Members</h2>
      {data.clusters.map((c) => (
        <div key={c.cluster}>
          <p>
            <StateShape state={c.spare < 0 ? "bad" : c.spare < 1 || c.alive < c.listed ? "look" : "fine"} />{" "}
            <strong>
              {c.system} {c.cluster}
            </strong>
            : {c.says}.{" "}
            <span class="muted">
              asked {agoText(c.at_ms, serverNow())}
              {c.problem !== "" && `; the list is one of before: ${c.problem}`}
            </span>
          </p>
          <ul class="members">
            {c.members.map((m) => (
              <li key={m.id}>
                <StateShape state={m.alive ? "fine" : "bad"} /> {m.name === "" ? "(never started)" : m.name}{" "}
                <span class="muted">
                  {m.id}
                  {m.leader && ", leads"}
                  {m.learner && ", learns"}
                  {!m.alive && ", does not answer"}
                  {m.db_bytes !== null && `, ${formatValue(m.db_bytes, "B")} on disk`}
                  {m.fsync_p99_s !== null && `, 99 % of syncs within ${formatValue(m.fsync_p99_s, "s")}`}
                </span>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </section>
  );
}
