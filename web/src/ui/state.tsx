/**
 * A condition as colour, shape and word together: fine is a disc, worth a look a triangle, bad a square, silent an open
 * ring. Must never show a condition by colour alone.
 */
import type { Condition } from "../api/types";

const WORDS: Record<Condition, string> = {
  fine: "fine",
  look: "worth a look",
  bad: "bad",
  silent: "silent",
};

const known = (state: string): Condition => (Object.hasOwn(WORDS, state) ? (state as Condition) : "silent");

export function conditionWord(state: string): string {
  return WORDS[known(state)];
}

function Shape({ state }: { state: Condition }) {
  if (state === "fine") return <circle cx="8" cy="8" r="5" />;
  if (state === "look") return <path d="M8 2 15 14H1z" />;
  if (state === "bad") return <rect x="2.5" y="2.5" width="11" height="11" />;
  return <circle cx="8" cy="8" r="4.5" class="ring" />;
}

/** The shape, with its word for those who do not see it. */
export function StateShape({ state, word = true }: { state: string; word?: boolean }) {
  const s = known(state);
  return (
    <span class={`state state-${s}`}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        <Shape state={s} />
      </svg>
      {word && <span class="sr">{WORDS[s]}: </span>}
    </span>
  );
}
