/**
 * What pages over all series share: which series are looked at only, and to what a series belongs. Must never narrow anything by itself.
 */
import type { NamedSeries } from "../api/look";
import { go, view } from "../state/app";

/** That only some series are looked at, and the way back to all of them. */
export function Narrowed() {
  const { match } = view.value;
  if (match === "") return null;
  return (
    <button
      type="button"
      class="chip chip-button"
      onClick={() => go({ match: "" })}
      title="All series again"
      aria-label={`Only ${match}: all series again`}
    >
      only {match} ✕
    </button>
  );
}

/** To what a series belongs. */
export function Whose({ entity }: { entity: NamedSeries["entity"] }) {
  return (
    <span class="muted">
      {entity.kind} {entity.title}
      {entity.parent !== "" && `, ${entity.parent}`}
    </span>
  );
}
