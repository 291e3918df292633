/**
 * What can be done on the page "What moved". Must never hold what also works elsewhere.
 */
import { AGAINST } from "../pages/compare";
import { go, view } from "../state/app";
import type { Action } from "./registry";

const onPage = (): boolean => view.value.page === "compare";

/** From line to line; Enter then opens the chart. */
function step(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("a.moved-title")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next]?.focus();
}

const action = (id: string, title: string, keys: string[], run: () => void, keysOnly = false): Action => ({
  id: `compare-${id}`,
  title,
  area: "What moved",
  keys,
  when: onPage,
  run,
  keysOnly,
});

const KEYS = ["p", "h", "y", "w"];

export const compare: Action[] = [
  action("down", "Next line; Enter opens its chart", ["j", "ArrowDown"], () => step(1), true),
  action("up", "Line before", ["k", "ArrowUp"], () => step(-1), true),
  ...AGAINST.map(({ against, title }, i) =>
    action(`against-${against}`, `Compare with ${title}`, [KEYS[i]!], () =>
      go({ own: against === "" ? {} : { against } }),
    ),
  ),
];
