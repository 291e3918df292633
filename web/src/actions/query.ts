/** What can be done on the page Query. Must never hold what also works elsewhere. */
import { cancel, run, running } from "../query/run";
import { asked, editor, naming, set } from "../query/state";
import { view } from "../state/app";
import type { Action } from "./registry";

const onPage = (): boolean => view.value.page === "query";

const action = (
  id: string,
  title: string,
  keys: string[],
  run: () => void,
  when: () => boolean = onPage,
  keysOnly = false,
): Action => ({ id: `query-${id}`, title, area: "Query", keys, when, run, keysOnly });

export const query: Action[] = [
  action("run", "Run the query", ["Ctrl+enter", "r"], () => void run()),
  action("cancel", "Cancel the query; then out of the box, to use single keys", ["Escape"], () =>
    running.value ? cancel() : editor.value?.blur(),
  ),
  action("edit", "To the query", ["/", "e"], () => editor.value?.focus(), onPage, true),
  action("language", "SQL or PromQL", ["l"], () =>
    set({ lang: asked.value.lang === "sql" ? "promql" : "sql" }),
  ),
  action("show", "Table or chart", ["v"], () =>
    set({ show: asked.value.show === "table" ? "chart" : "table" }),
  ),
  action("save", "Save the query by name", ["s"], () => {
    naming.value = asked.value.text.trim() !== "";
  }),
];
