/**
 * What a condition would have done in the past: asks, and says it in one sentence with a picture. Must never say more than
 * was evaluated.
 */
import { useEffect, useState } from "preact/hooks";
import { isAbort } from "../../api/client";
import { monitors, type Trial } from "../../api/monitors";
import { agoText, isoText, spanText } from "../../format/time";
import { countText } from "../../format/units";
import { Failure, Loading } from "../../ui/notice";
import { Picture } from "./Picture";
import { matchersText } from "./words";

const SPANS: [string, number][] = [
  ["6 h", 6 * 3600],
  ["1 day", 86_400],
  ["7 days", 7 * 86_400],
  ["30 days", 30 * 86_400],
];
const SHOWN = 8;

function sentence(t: Trial): string {
  const times = t.fired === 1 ? "once" : `${t.fired} times`;
  const long = t.firing_s > 0 ? `, for ${spanText(Math.round(t.firing_s))} in all` : "";
  const nearly = t.nearly > 0 ? ` ${t.nearly} more were over before they fired.` : "";
  return t.fired === 0
    ? `It would not have fired.${nearly}`
    : `It would have fired ${times}${long}.${nearly}`;
}

export function TryOut(props: { expr: string; hold: string; keep?: string; interval?: string; now: number }) {
  const { expr, hold, keep, interval, now } = props;
  const [span, setSpan] = useState(86_400);
  const [trial, setTrial] = useState<Trial | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (expr.trim() === "") return;
    const stop = new AbortController();
    const end = Math.floor(now / 1000);
    const wait = setTimeout(() => {
      monitors
        .tryOut({ expr, for: hold, keep_firing_for: keep, interval, start: end - span, end }, stop.signal)
        .then((t) => {
          setTrial(t);
          setError(null);
        })
        .catch((e) => !isAbort(e) && setError(e));
    }, 300);
    return () => {
      clearTimeout(wait);
      stop.abort();
    };
    // The time does not go on by itself: a trial is of one moment.
  }, [expr, hold, keep, span, round]);
  return (
    <section class="try-out" aria-label="Tried out on the past">
      <p class="row">
        <strong>On the last</strong>
        {SPANS.map(([word, seconds]) => (
          <button
            key={word}
            type="button"
            class="button"
            aria-pressed={span === seconds}
            onClick={() => setSpan(seconds)}
          >
            {word}
          </button>
        ))}
      </p>
      {error !== null && <Failure error={error} again={() => setRound((r) => r + 1)} once />}
      {trial === null && error === null && <Loading what="the past" />}
      {trial !== null && error === null && (
        <>
          <p aria-live="polite">
            {sentence(trial)}{" "}
            <span class="muted">
              Looked at every {spanText(trial.step_s)}, {countText(trial.steps, "time")}.
              {trial.picture.left_out > 0 && ` ${trial.picture.left_out} more lines are not drawn.`}
            </span>
          </p>
          {trial.problem !== "" && (
            <p class="change-wrong">At some time it could not be judged: {trial.problem}</p>
          )}
          <Picture trial={trial} />
          {trial.episodes.length > 0 && (
            <ol class="episodes">
              {trial.episodes
                .slice(-SHOWN)
                .reverse()
                .map((e) => (
                  <li key={`${e.from_ms} ${JSON.stringify(e.labels)}`}>
                    <time title={isoText(e.from_ms)}>{agoText(e.from_ms, now)}</time>{" "}
                    {e.to_ms === null ? "and still" : `for ${spanText((e.to_ms - e.from_ms) / 1000)}`}{" "}
                    <span class="muted">{matchersText(e.labels)}</span>
                  </li>
                ))}
              {trial.episodes.length > SHOWN && (
                <li class="muted">and {trial.episodes.length - SHOWN} before</li>
              )}
            </ol>
          )}
        </>
      )}
    </section>
  );
}
