/**
 * What can be done with an answer about a time: from one piece of it to the next, and against another baseline. Must never hold what
 * one page has for itself.
 */
import { AGAINST, ownAgainst } from "../pages/compare";
import { go, view } from "../state/app";
import type { Page } from "../state/url";
import type { Action, Area } from "./registry";

/** From one to the next of what can be opened; Enter then opens it. */
function step(rows: string, by: number): void {
  const all = [...document.querySelectorAll<HTMLElement>(rows)];
  const at = all.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by));
  all[next]?.focus();
}

const KEYS = ["p", "h", "y", "w"];

/** Those of a page; `rows` finds what can be opened, `one` names it. */
export function ofAnswer(page: Page, area: Area, rows: string, one: string, opens: string): Action[] {
  const action = (id: string, title: string, keys: string[], run: () => void, keysOnly = false): Action => ({
    id: `${page}-${id}`,
    title,
    area,
    keys,
    when: () => view.value.page === page,
    run,
    keysOnly,
  });
  return [
    action("down", `Next ${one}; Enter opens ${opens}`, ["j", "ArrowDown"], () => step(rows, 1), true),
    action(
      "up",
      `${one.charAt(0).toUpperCase()}${one.slice(1)} before`,
      ["k", "ArrowUp"],
      () => step(rows, -1),
      true,
    ),
    ...AGAINST.map(({ against, title }, i) =>
      action(`against-${against}`, `Compare with ${title}`, [KEYS[i]!], () =>
        go({ own: ownAgainst(view.value.own, against) }),
      ),
    ),
  ];
}
