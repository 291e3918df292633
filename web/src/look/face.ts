/**
 * What a tile says of its series: a short title, the labels that tell it from its neighbours, and its selector.
 * Must never shorten the selector: it is what opens the chart.
 */
import type { FindGroup, Tile } from "../api/types";
import { type Labels, selectorOf } from "../state/selector";
import type { Face } from "./paint";

/** Labels that say where a sample came from, not what it is: last, and only when there is nothing else. */
const ORIGIN = new Set(["job", "instance"]);

/** The labels worth a tile's second line: what differs from the neighbours first. */
export function telling(
  labels: Labels,
  group: FindGroup | undefined,
  neighbours: readonly Labels[] = [],
): [string, string][] {
  const said = `${group?.title ?? ""} ${group?.parent ?? ""}`.split(/[\s,·()]+/);
  const entries = Object.entries(labels).filter(([name]) => name !== "__name__");
  const own = entries.filter(
    ([name, value]) => !ORIGIN.has(name) && !(group?.kind !== "metric" && said.includes(value)),
  );
  // The nearest neighbour tells best: a border between two families would make every label differ.
  const unlike = neighbours
    .map((n) => own.filter(([name, value]) => n[name] !== value).map(([name]) => name))
    .filter((names) => names.length > 0)
    .sort((a, b) => a.length - b.length)[0];
  const differs = ([name]: [string, string]): boolean => unlike?.includes(name) ?? false;
  const first = own.filter(differs);
  const ordered = [...first, ...own.filter((e) => !differs(e))];
  if (ordered.length > 0) return ordered;
  return group?.kind === "metric" ? entries.filter(([name]) => ORIGIN.has(name)) : [];
}

/** A label for people: words speak for themselves, a number needs its name. */
function spoken([name, value]: [string, string]): string {
  return /[a-zA-Z]{2}|\//.test(value) ? value : `${name} ${value}`;
}

export function faceOf(tile: Tile, group: FindGroup | undefined, neighbours: readonly Labels[] = []): Face {
  const labels = telling(tile.labels, group, neighbours).map(spoken).join(" · ");
  const selector = selectorOf(tile.metric, tile.labels);
  // Under its metric's own header a tile need not repeat the metric: its labels are its name.
  if (group?.kind === "metric" && labels !== "")
    return { title: labels, sub: tile.labels.instance ?? "", selector };
  return { title: tile.title || tile.metric, sub: labels, selector };
}
