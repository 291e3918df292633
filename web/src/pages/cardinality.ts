/**
 * How one goes deeper on the page Cardinality: from a metric to its labels, to their values, to the metrics that have them.
 * Must never touch the DOM.
 */
import { signal } from "@preact/signals";
import { withMatcher } from "../state/selector";

export const TABS: readonly { by: string; title: string }[] = [
  { by: "metric", title: "Metrics" },
  { by: "label", title: "Labels" },
  { by: "pair", title: "Label values" },
  { by: "source", title: "Sources" },
];

/** The box for a part of a name, while the page is shown. */
export const cardinalityFilter = signal<HTMLInputElement | null>(null);

/** What rows are called. */
export function rowWords(by: string): string {
  if (by === "metric") return "metrics";
  if (by === "label") return "labels";
  if (by === "pair") return "label values";
  if (by === "source") return "sources";
  return "values";
}

/** Where a row leads: what is counted next, of which series; `look` selects the row's own series, "" if none are. */
export function drill(by: string, name: string, match: string): { by: string; match: string; look: string } {
  const narrow = (label: string, value: string): string => withMatcher(match, label, value);
  if (by === "metric") {
    const of = narrow("__name__", name);
    return { by: "label", match: of, look: of };
  }
  if (by === "label") return { by: `value:${name}`, match, look: match };
  const at = name.indexOf("=");
  const [label, value] =
    by === "pair" ? [name.slice(0, at), name.slice(at + 1)] : [by === "source" ? "job" : by.slice(6), name];
  const of = narrow(label, value);
  return { by: label === "__name__" ? "label" : "metric", match: of, look: of };
}
