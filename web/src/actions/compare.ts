/**
 * What can be done on the page "What moved". Must never hold what also works elsewhere.
 */
import { OTHER_HOSTS, ownAgainst } from "../pages/compare";
import { go, openPage, view } from "../state/app";
import { ofAnswer } from "./answers";
import type { Action } from "./registry";

/** Lines with the shape of this one, in the shown time. */
export function openLike(selector: string): void {
  openPage("compare", { own: { like: selector } });
}

export const compare: Action[] = [
  ...ofAnswer("compare", "What moved", "a.moved-title", "line", "its chart"),
  {
    id: "compare-against-peers",
    title: "Compare with other hosts",
    area: "What moved",
    keys: ["o"],
    when: () => view.value.page === "compare",
    run: () => go({ own: ownAgainst(view.value.own, OTHER_HOSTS.against) }),
  },
];
