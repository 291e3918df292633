/**
 * Words for objectives: how each is, in what order. Must never call fine what was not measured.
 */
import type { Slo, SloState } from "../../api/slos";

/** What people read, and the shape that stands beside it. */
export const STATES: Record<SloState, { word: string; shape: string }> = {
  burns_fast: { word: "burns fast", shape: "bad" },
  burns_slowly: { word: "burns slowly", shape: "look" },
  spent: { word: "budget spent", shape: "look" },
  cannot_judge: { word: "cannot be judged", shape: "look" },
  no_data: { word: "no data", shape: "silent" },
  too_little: { word: "too little traffic", shape: "silent" },
  unknown: { word: "not judged yet", shape: "silent" },
  fine: { word: "fine", shape: "fine" },
};

const ORDER = Object.keys(STATES) as SloState[];

/** What needs somebody first; of those the one with the least budget left. */
export function sorted(list: readonly Slo[]): Slo[] {
  const left = (s: Slo): number => s.budget?.left ?? 1;
  return [...list].sort(
    (a, b) =>
      ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || left(a) - left(b) || a.name.localeCompare(b.name),
  );
}

/** The one line on top: whether all promises are kept, and how many are known to be. */
export function headline(list: readonly Slo[]): { text: string; shape: string } {
  const count = (of: SloState[]): number => list.filter((s) => of.includes(s.state)).length;
  const fast = count(["burns_fast"]);
  const look = count(["burns_slowly", "spent"]);
  const fine = count(["fine"]);
  const rest = list.length - fast - look - fine;
  const parts = [
    ...(fast > 0
      ? [fast === 1 ? "1 promise is being broken now" : `${fast} promises are being broken now`]
      : []),
    ...(look > 0 ? [`${look} ${look === 1 ? "needs" : "need"} a look`] : []),
    ...(rest > 0 ? [`of ${rest} it is not known`] : []),
    ...(fine > 0
      ? [fine === list.length ? "All promises are kept" : `${fine} ${fine === 1 ? "is" : "are"} kept`]
      : []),
  ];
  const shape = fast > 0 ? "bad" : look > 0 ? "look" : rest > 0 ? "silent" : "fine";
  const text = parts.join(", ");
  return { text: `${text.charAt(0).toUpperCase()}${text.slice(1)}.`, shape };
}

/** How many times faster than allowed, in words. */
export function burnText(rate: number | null): string {
  if (rate === null) return "–";
  return `${rate >= 10 ? rate.toFixed(0) : rate.toFixed(1)}×`;
}
