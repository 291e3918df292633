/**
 * Why a rule that holds matters, what it rests on, and "not here, because ...", which takes it out for a thing. Must never take one out
 * without a reason.
 */
import { useState } from "preact/hooks";
import { critic } from "../api/critic";
import type { Evidence } from "../api/types";
import { say } from "../state/app";
import { Because, Wrong } from "../ui/because";
import { errorText } from "../ui/send";

export function RuleWords({ rule, entity }: { rule: NonNullable<Evidence["rule"]>; entity: string }) {
  const [asks, setAsks] = useState(false);
  const [wrong, setWrong] = useState("");
  const send = async (because: string): Promise<void> => {
    try {
      await critic.say({ rule: rule.id, verdict: "not_here", because, service: entity });
      say(`Left out for ${entity} from now on.`);
      setAsks(false);
      setWrong("");
    } catch (e) {
      setWrong(errorText(e));
    }
  };
  return (
    <details class="advice-rule">
      <summary>why a rule says so{rule.is_own ? "" : " of the machine beneath"}</summary>
      <p>{rule.why}</p>
      {rule.sources.length > 0 && <p class="muted">{rule.sources.join("; ")}</p>}
      <p class="row">
        <span class="muted">
          rule {rule.id}
          {rule.author !== "" && `, by ${rule.author}`}
        </span>
        <button type="button" class="button button-small" onClick={() => setAsks(!asks)}>
          Not here
        </button>
      </p>
      {asks && (
        <Because
          label={`Not for ${entity}, because`}
          send={(b) => void send(b)}
          leave={() => setAsks(false)}
        />
      )}
      <Wrong text={wrong} />
    </details>
  );
}
