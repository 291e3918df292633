/**
 * What the page of traces has of its own in the address, by name, and how it is changed. Must never hold anything that is
 * not in the address.
 */
import { go, openPage, view } from "../../state/app";
import { between } from "../../state/range";

/** Changes what the page has of its own; an empty text takes a name away. Going on to other results begins anew. */
export function set(change: Record<string, string>, how: "auto" | "replace" | "push" = "auto"): void {
  const next = { ...view.value.own, ...change };
  if (!("skip" in change) && !("trace" in change) && !("span" in change)) delete next.skip;
  go({ own: Object.fromEntries(Object.entries(next).filter(([, v]) => v !== "")) }, how);
}

export const own = (name: string): string => view.value.own[name] ?? "";

/** Conditions on attributes, one a line. */
export const attributesOf = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

export function openTrace(id: string, span = ""): void {
  if (view.value.page === "traces") set({ trace: id, span, skip: own("skip") }, "push");
  else openPage("traces", { own: span === "" ? { trace: id } : { trace: id, span } });
}

/** The range that a rectangle in the scatter stands for. */
export function zoomTo(fromMs: number, toMs: number): void {
  go({ range: between(fromMs, toMs) });
}
