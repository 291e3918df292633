/**
 * What became of a direction: followed, rejected with a reason, right or wrong in the end. It is how the share that is shown gets
 * measured. Must never be in the way of the answer.
 */
import { useState } from "preact/hooks";
import { type Judged, lookApi, type Verdict } from "../api/look";
import type { Direction } from "../api/types";
import { Because, Wrong } from "../ui/because";
import { errorText, rememberedName } from "../ui/send";

const CHOICES: readonly { verdict: Verdict; title: string; about: string; why: boolean }[] = [
  { verdict: "accepted", title: "I look there", about: "It is worth a look", why: false },
  { verdict: "rejected", title: "Not there", about: "You know that it leads nowhere", why: true },
  { verdict: "right", title: "It was there", about: "In the end the trouble was there", why: false },
  { verdict: "wrong", title: "It was not", about: "In the end the trouble was elsewhere", why: true },
];

export function Judge(props: { one: Direction; id: string; said: (judged: Judged) => void }) {
  const { one, id, said } = props;
  const [asks, setAsks] = useState<Verdict | "">("");
  const [done, setDone] = useState<Verdict | "">("");
  const [wrong, setWrong] = useState("");
  const send = async (verdict: Verdict, because: string): Promise<void> => {
    try {
      said(await lookApi.judge({ id, entity: one.title, verdict, because, author: rememberedName() }));
      setDone(verdict);
      setAsks("");
      setWrong("");
    } catch (e) {
      setWrong(errorText(e));
    }
  };
  return (
    <div class="advice-judge">
      {CHOICES.map(({ verdict, title, about, why }) => (
        <button
          key={verdict}
          type="button"
          class="button button-small"
          aria-pressed={done === verdict}
          aria-label={`${title}: ${one.title}`}
          title={about}
          onClick={() => (why ? setAsks(asks === verdict ? "" : verdict) : void send(verdict, ""))}
        >
          {title}
        </button>
      ))}
      {done !== "" && (
        <span class="muted" role="status">
          Kept.
        </span>
      )}
      {asks !== "" && (
        <Because label="Because" send={(because) => void send(asks, because)} leave={() => setAsks("")} />
      )}
      <Wrong text={wrong} />
    </div>
  );
}
