/**
 * What can be done on the page "Advise". Must never hold what also works elsewhere.
 */
import { OTHER_HOSTS, ownAgainst } from "../pages/compare";
import { openPage, view } from "../state/app";
import { ofAnswer } from "./answers";
import type { Action } from "./registry";

/** The page for what is shown: the same time, the same baseline, the same series. */
export function openAdvise(): void {
  const { page, match, own } = view.value;
  const against = page === "compare" && own.against !== OTHER_HOSTS.against ? (own.against ?? "") : "";
  openPage("advise", { match, own: ownAgainst({}, against) });
}

export const advise: Action[] = ofAnswer("advise", "Advise", "a.advice-open", "piece of evidence", "it");
