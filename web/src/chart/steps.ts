/** What keys do to the large chart: the next series, and copying its query. Must never draw. */

import { openTile } from "../look/gestures";
import type { Direction } from "../look/moves";
import { wall } from "../look/state";
import { say, view } from "../state/app";
import { promqlOf } from "../state/selector";
import { shown } from "./load";

/** The chart of the neighbour on the wall; waits for its tile when it is not there yet. */
export function stepChart(direction: Direction): void {
  const w = wall.value;
  if (!w) return;
  w.move(direction);
  const target = w.cursor;
  let tries = 0;
  const attempt = (): void => {
    if (w.cursor !== target || wall.peek() !== w) return;
    if (w.faceAt(target)) openTile(w, target);
    else if (tries++ < 40) setTimeout(attempt, 50);
  };
  attempt();
}

/** The query of what is shown, one a line. */
export function promql(): string {
  const answers = shown.value?.answers ?? [];
  return view.value.open
    .map((selector) => {
      const chart = answers.find((a) => a.selector === selector)?.chart;
      return promqlOf(selector, chart?.mode ?? "raw", Math.max(60, 4 * (chart?.step_s ?? 15)));
    })
    .join("\n");
}

export async function copyPromql(): Promise<void> {
  try {
    await navigator.clipboard.writeText(promql());
    say("The query is copied.");
  } catch {
    say("The browser does not let this page copy. The query stands in the panel: select it there.");
  }
}
