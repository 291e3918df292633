/** Keys, the palette's ranking, and the columns of the large chart. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, clashes, keyName, matchKey, shownKeys } from "../../src/actions/registry";
import type { Chart, ChartLine } from "../../src/api/types";
import { merge, offsetText } from "../../src/chart/data";
import { rank } from "../../src/palette/rank";

const press = (
  key: string,
  mods: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {},
) => keyName({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...mods });

const action = (id: string, keys: string[], when?: () => boolean): Action => ({
  id,
  title: id,
  area: "Everywhere",
  keys,
  run: () => undefined,
  ...(when ? { when } : {}),
});

test("keys are named as they are written in the list", () => {
  assert.equal(press("k", { ctrlKey: true }), "Ctrl+k");
  assert.equal(press("K", { metaKey: true, shiftKey: true }), "Ctrl+k");
  assert.equal(press("?", { shiftKey: true }), "?");
  assert.equal(press(" "), "Space");
  assert.equal(press("Tab", { shiftKey: true }), "Shift+Tab");
  assert.equal(press("Shift", { shiftKey: true }), "");
  assert.deepEqual(shownKeys("Ctrl+k"), ["Ctrl", "K"]);
  assert.deepEqual(shownKeys("g h"), ["g", "h"]);
  assert.deepEqual(shownKeys("+"), ["+"]);
  assert.deepEqual(shownKeys("ArrowLeft"), ["←"]);
});

test("a key finds its action, one key after another too", () => {
  let open = false;
  const list = [action("home", ["g h"]), action("left", ["h"]), action("hour", ["h"], () => open)];
  const id = (prefix: string, key: string): string => {
    const m = matchKey(list, prefix, key);
    return m.kind === "run" ? m.action.id : m.kind === "wait" ? `wait ${m.prefix}` : "none";
  };
  assert.equal(id("", "h"), "left");
  assert.equal(id("", "g"), "wait g");
  assert.equal(id("g", "h"), "home");
  assert.equal(id("g", "x"), "none");
  open = true;
  assert.equal(id("", "h"), "hour", "what is nearer wins");
  assert.deepEqual(clashes([action("a", ["x"]), action("b", ["x"])]), ["x: a and b"]);
});

test("the palette puts the best first", () => {
  const titles = [
    "Light or dark colours",
    "Last 15m",
    "Look: every series",
    "Lay last week under it",
    "Type a time range",
  ];
  const best = (q: string): string | undefined => rank(q, titles, (t) => t)[0]?.item;
  assert.equal(best("dark"), "Light or dark colours");
  assert.equal(best("15"), "Last 15m");
  assert.equal(best("look"), "Look: every series");
  assert.equal(best("week"), "Lay last week under it");
  assert.equal(best("tr"), "Type a time range");
  assert.equal(best("week last"), "Lay last week under it");
  assert.equal(best("zzz"), undefined);
  assert.deepEqual(
    rank("", titles, (t) => t).map((r) => r.item),
    titles,
  );
  assert.deepEqual(rank("dark", titles, (t) => t)[0]?.marks, [9, 10, 11, 12]);
});

const STATS = { count: 2, min: 1, max: 2, mean: 1, p50: 1, p95: 2, first: 1, last: 2 };
const line = (labels: Record<string, string>, offset_s: number, avg: (number | null)[]): ChartLine => ({
  labels,
  offset_s,
  avg,
  min: avg,
  max: avg,
  stats: STATS,
});
const chart = (t: number[], lines: ChartLine[], unit = "bytes"): Chart => ({
  unit,
  mode: "raw",
  step_s: 1,
  t,
  lines,
  truncated: false,
});

test("answers with different times lie on one axis", () => {
  const m = merge(
    [
      { selector: 'a{x="1"}', chart: chart([1, 2], [line({ x: "1" }, 0, [10, 20])]) },
      { selector: 'b{x="1"}', chart: chart([2, 3], [line({ x: "1" }, 0, [5, null])], "s") },
    ],
    () => undefined,
  );
  assert.deepEqual(m.t, [1, 2, 3]);
  assert.deepEqual(
    m.columns.map((c) => c.avg),
    [
      [10, 20, null],
      [null, 5, null],
    ],
  );
  assert.deepEqual(m.units, ["bytes", "s"]);
  assert.deepEqual(
    m.lines.map((l) => [l.name, l.colour]),
    [
      ["a", 0],
      ["b", 1],
    ],
  );
});

test("an earlier period has the colour of its present, and a selector its exact series", () => {
  const c = chart(
    [1],
    [line({ x: "1" }, 0, [1]), line({ x: "1" }, 86_400, [2]), line({ x: "1", y: "2" }, 0, [3])],
  );
  const all = merge([{ selector: "a", chart: c }], () => undefined);
  assert.deepEqual(
    all.lines.map((l) => [l.colour, l.offset]),
    [
      [0, 0],
      [1, 0],
      [0, 86_400],
    ],
  );
  const one = merge([{ selector: 'a{x="1"}', chart: c }], () => ({ x: "1" }));
  assert.equal(one.lines.length, 2);
  assert.equal(offsetText(86_400), "yesterday");
});
