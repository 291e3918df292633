/**
 * What a tile says of its series: a short title, the labels that tell it from its neighbours, and its selector.
 * Must never shorten the selector: it is what opens the chart.
 */
import type { FindGroup, Tile } from "../api/types";
import { selectorOf } from "../state/selector";
import type { Face } from "./paint";

/** Labels that say where a sample came from, not what it is: last, and only when there is nothing else. */
const ORIGIN = new Set(["job", "instance"]);

/** The labels worth a tile's second line, most telling first. */
export function telling(labels: Record<string, string>, group: FindGroup | undefined): [string, string][] {
  const said = `${group?.title ?? ""} ${group?.parent ?? ""}`.split(/[\s,·()]+/);
  const entries = Object.entries(labels).filter(([name]) => name !== "__name__");
  const own = entries.filter(
    ([name, value]) => !ORIGIN.has(name) && !(group?.kind !== "metric" && said.includes(value)),
  );
  if (own.length > 0) return own;
  return group?.kind === "metric" ? entries.filter(([name]) => ORIGIN.has(name)) : [];
}

export function faceOf(tile: Tile, group: FindGroup | undefined): Face {
  const labels = telling(tile.labels, group)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
  const selector = selectorOf(tile.metric, tile.labels);
  // Under its metric's own header a tile need not repeat the metric: its labels are its name.
  if (group?.kind === "metric" && labels !== "")
    return { title: labels, sub: tile.labels.instance ?? "", selector };
  return { title: tile.title || tile.metric, sub: labels, selector };
}
