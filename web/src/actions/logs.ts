/** What can be done on the page Logs. Must never hold what also works elsewhere. */
import { cursor, queryBox, records, setQuery, switchTail, toggle } from "../logs/state";
import { toggled } from "../logs/text";
import { go, view } from "../state/app";
import type { Action } from "./registry";

const onPage = (): boolean => view.value.page === "logs";

function step(by: number): void {
  const last = records.value.length - 1;
  cursor.value = Math.min(last, Math.max(0, cursor.value + by));
}

const at = () => records.value[cursor.value];

const action = (id: string, title: string, keys: string[], run: () => void, keysOnly = false): Action => ({
  id: `logs-${id}`,
  title,
  area: "Logs",
  keys,
  when: onPage,
  run,
  keysOnly,
});

export const logs: Action[] = [
  action("search", "Search records", ["/"], () => queryBox.value?.select()),
  action("follow", "Follow records as they come, or stop", ["f"], switchTail),
  action("down", "Next record", ["j", "ArrowDown"], () => step(1), true),
  action("up", "Record before", ["k", "ArrowUp"], () => step(-1), true),
  action(
    "open",
    "Open the record, or shut it",
    ["o", "Enter"],
    () => {
      const r = at();
      if (r) toggle(r);
    },
    true,
  ),
  action("service", "Only this service", ["s"], () => {
    const r = at();
    if (r && r.service !== "") setQuery(toggled(view.value.q, "service", r.service));
  }),
  action("like", "Lines like this one", ["l"], () => {
    const r = at();
    if (r?.pattern) setQuery(`pattern:${r.pattern}`);
  }),
  action("errors", "Only errors", ["e"], () => setQuery(toggled(view.value.q, "level", "error"))),
  action("patterns", "Patterns: new, vanished, changed", ["p"], () =>
    go({ tab: view.value.tab === "patterns" ? "" : "patterns", id: "" }, "push"),
  ),
  action("bullet", "Bullet: one identifier through everything", ["b"], () => {
    go({ tab: "bullet", id: "" }, "push");
    requestAnimationFrame(() => document.getElementById("bullet")?.focus());
  }),
  action("clear", "All records again", ["Escape"], () => setQuery(""), true),
];
