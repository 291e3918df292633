/**
 * What can be done on the page Cardinality. Must never hold what also works elsewhere.
 */
import { cardinalityFilter } from "../pages/cardinality";
import { go, view } from "../state/app";
import type { Action } from "./registry";

const onPage = (): boolean => view.value.page === "cardinality";

/** From row to row; Enter then goes deeper. */
function step(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("a.drill")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next]?.focus();
}

const action = (id: string, title: string, keys: string[], run: () => void, keysOnly = false): Action => ({
  id: `cardinality-${id}`,
  title,
  area: "Cardinality",
  keys,
  when: onPage,
  run,
  keysOnly,
});

export const cardinality: Action[] = [
  action("down", "Next row; Enter goes deeper", ["j", "ArrowDown"], () => step(1), true),
  action("up", "Row before", ["k", "ArrowUp"], () => step(-1), true),
  action("filter", "Only names with these letters", ["/"], () => cardinalityFilter.value?.select()),
  action("back", "All series again", ["Escape"], () => go({ match: "", by: "metric", q: "" }), true),
  action("never", "Never queried first", ["n"], () => go({ by: "metric", sort: "queried" })),
  action("growth", "Most changed since a day ago first", ["c"], () => go({ sort: "growth" })),
];
