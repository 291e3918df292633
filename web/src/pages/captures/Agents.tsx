/**
 * The machines that send here and are captured too: when each was heard of, what waits on it, what it lost. Nothing is shown
 * where there are none. Must never ask an agent: the server knows what they told.
 */
import { type Agent, agents } from "../../api/agents";
import { serverNow } from "../../api/client";
import { agoText, spanText } from "../../format/time";
import { formatCount, formatValue } from "../../format/units";
import { Columns } from "../../ui/columns";
import { usePoll } from "../../ui/poll";
import { StateShape } from "../../ui/state";

const EVERY_MS = 5000;
/** One that is less behind than this keeps up. */
const BEHIND_MS = 15_000;

function shape(agent: Agent): { state: string; says: string } {
  if (!agent.is_alive) return { state: "bad", says: "not heard of" };
  if (agent.dropped_samples > 0) return { state: "look", says: "lost some" };
  if (agent.behind_ms > BEHIND_MS && agent.buffered_samples > 0) return { state: "look", says: "behind" };
  return { state: "fine", says: "keeps up" };
}

function waits(agent: Agent): string {
  if (agent.buffered_samples === 0) return "nothing";
  return `${formatCount(agent.buffered_samples)} samples of ${spanText(agent.behind_ms / 1000)}`;
}

function Row({ agent }: { agent: Agent }) {
  const { state, says } = shape(agent);
  return (
    <tr>
      <th scope="row">
        <StateShape state={state} word={false} /> {agent.host} <span class="muted">{agent.address}</span>
      </th>
      <td>
        {says} <span class="muted">{agoText(agent.last_ms, serverNow())}</span>
      </td>
      <td data-label="waits there">{waits(agent)}</td>
      <td class="number" data-label="buffer">
        {formatValue(agent.buffer_bytes, "bytes")} of {formatValue(agent.buffer_bytes_max, "bytes")}
      </td>
      <td class="number" data-label="lost">
        {formatCount(agent.dropped_samples)}
      </td>
      <td data-label="cannot">{agent.problems.join("; ")}</td>
    </tr>
  );
}

export function Agents() {
  const { data } = usePoll((signal) => agents(signal), EVERY_MS);
  if (data === null || data.agents.length === 0) return null;
  const gone = data.agents.filter((a) => !a.is_alive).length;
  return (
    <details class="capture-ring" open={gone > 0}>
      <summary>
        {data.agents.length === 1 ? "1 other machine sends" : `${data.agents.length} other machines send`}{" "}
        here and {data.agents.length === 1 ? "is" : "are"} captured too
        {gone > 0 && `; ${gone === 1 ? "1 was" : `${gone} were`} not heard of lately`}.
      </summary>
      <div class="room-scroll">
        <table class="table" aria-label="Agents">
          <Columns names={["Host", "State", "Waits there", "Buffer", "Lost", "Cannot"]} />
          <tbody>
            {data.agents.map((agent) => (
              <Row key={agent.id} agent={agent} />
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
