/**
 * A silence: what, for how long, who says so and why. Must never send one without a person and a reason.
 */
import { useState } from "preact/hooks";
import { ApiError, serverNow } from "../../api/client";
import { monitors } from "../../api/monitors";
import { say } from "../../state/app";
import { readMatchers } from "./words";

const LENGTHS: [string, number][] = [
  ["1 hour", 3600],
  ["4 hours", 4 * 3600],
  ["1 day", 86_400],
  ["1 week", 7 * 86_400],
];
const NAME = "midwatch-name";

/** Who sits here, as they said the last time. */
export function rememberedName(): string {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

export function rememberName(name: string): void {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // A browser that keeps nothing is asked again the next time.
  }
}

export function SilenceForm({ matchers, done }: { matchers: string; done: () => void }) {
  const [seconds, setSeconds] = useState(3600);
  const [wrong, setWrong] = useState("");
  const [sending, setSending] = useState(false);
  const send = async (form: HTMLFormElement): Promise<void> => {
    const text = (name: string): string => String(new FormData(form).get(name) ?? "").trim();
    const found = readMatchers(text("matchers"));
    if (found === null) {
      setWrong('Which alerts? Write labels such as alertname="HighLoad", instance=~"db-.*".');
      return;
    }
    setSending(true);
    try {
      rememberName(text("author"));
      const now = serverNow();
      await monitors.silence({
        matchers: found,
        startsAt: new Date(now).toISOString(),
        endsAt: new Date(now + seconds * 1000).toISOString(),
        createdBy: text("author"),
        comment: text("reason"),
      });
      say("Silenced: nobody is told until it ends.");
      done();
    } catch (e) {
      setWrong(e instanceof ApiError ? `${e.message} ${e.hint}` : String(e));
    } finally {
      setSending(false);
    }
  };
  return (
    <form
      class="change-panel change-form"
      aria-label="Silence alerts"
      onSubmit={(e) => {
        e.preventDefault();
        void send(e.currentTarget);
      }}
    >
      <h2>Silence alerts</h2>
      <label class="entry">
        <span>Which alerts, by their labels</span>
        <input name="matchers" required value={matchers} autocomplete="off" spellcheck={false} />
      </label>
      <fieldset class="row lengths">
        <legend>For how long</legend>
        {LENGTHS.map(([word, s]) => (
          <button
            key={word}
            type="button"
            class="button"
            aria-pressed={s === seconds}
            onClick={() => setSeconds(s)}
          >
            {word}
          </button>
        ))}
      </fieldset>
      <div class="two">
        <label class="entry">
          <span>Who</span>
          <input name="author" required value={rememberedName()} autocomplete="name" />
        </label>
        <label class="entry">
          <span>Why</span>
          <input name="reason" required placeholder="moving the database, ticket 4711" autocomplete="off" />
        </label>
      </div>
      {wrong !== "" && (
        <p class="change-wrong" role="alert">
          {wrong}
        </p>
      )}
      <p class="row">
        <button type="submit" class="button" disabled={sending}>
          Silence
        </button>
        <button type="button" class="button" onClick={done}>
          Leave it
        </button>
      </p>
    </form>
  );
}
