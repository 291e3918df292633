/**
 * What can be done on the page "Advise". Must never hold what also works elsewhere.
 */
import { AGAINST } from "../pages/compare";
import { go, openPage, view } from "../state/app";
import type { Action } from "./registry";

const onPage = (): boolean => view.value.page === "advise";

/** The page for what is shown: the same time, the same baseline, the same series. */
export function openAdvise(): void {
  const { page, match, own } = view.value;
  const against = page === "compare" ? (own.against ?? "") : "";
  openPage("advise", { match, own: against === "" ? {} : { against } });
}

/** From one piece to the next; Enter then opens it. */
function step(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("a.advice-open")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next]?.focus();
}

const action = (id: string, title: string, keys: string[], run: () => void, keysOnly = false): Action => ({
  id: `advise-${id}`,
  title,
  area: "Advise",
  keys,
  when: onPage,
  run,
  keysOnly,
});

const KEYS = ["p", "h", "y", "w"];

export const advise: Action[] = [
  action("down", "Next piece of evidence; Enter opens it", ["j", "ArrowDown"], () => step(1), true),
  action("up", "Piece before", ["k", "ArrowUp"], () => step(-1), true),
  ...AGAINST.map(({ against, title }, i) =>
    action(`against-${against}`, `Compare with ${title}`, [KEYS[i]!], () => {
      const { against: _, ...own } = view.value.own;
      go({ own: against === "" ? own : { ...own, against } });
    }),
  ),
];
