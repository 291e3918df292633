/** Home: the order of what is to be looked at, and numbers apart from their words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Condition, Subject } from "../../src/api/types";
import { columnsOf, concerns, inShort, valueParts } from "../../src/home/words";

const subject = (title: string, states: Condition[]): Subject => ({
  id: title,
  title,
  kind: "host",
  state: "fine",
  tiles: states.map((state, i) => ({
    id: `${title}${i}`,
    title: "",
    state,
    value: "",
    detail: "",
    link: {},
  })),
});

test("the worst comes first, what is fine not at all", () => {
  const all = [subject("a", ["look", "fine", "silent"]), subject("b", ["fine", "bad"])];
  assert.deepEqual(
    concerns(all).map((c) => c.tile.id),
    ["b1", "a0", "a2"],
  );
  assert.deepEqual(concerns([subject("a", ["fine"])]), []);
});

test("the headline counts; what it counts follows in full", () => {
  assert.equal(inShort("1 thing is bad: disk space of vm (96 %).", 1), "1 thing is bad.");
  assert.equal(inShort("All fine. See you tomorrow.", 0), "All fine. See you tomorrow.");
  assert.equal(inShort("2 are silent", 2), "2 are silent");
});

test("a number stands apart from its words", () => {
  const table: [string, string, string][] = [
    ["72 % of /", "72 %", "of /"],
    ["0 in the last hour", "0", "in the last hour"],
    ["567 µs on vda", "567 µs", "on vda"],
    ["0 pages/s", "0", "pages/s"],
    ["1.5 GiB/s on eth0", "1.5 GiB/s", "on eth0"],
    ["0 (1 = yes)", "0", "(1 = yes)"],
    ["12 s", "12 s", ""],
    ["3 missed/s", "3", "missed/s"],
    ["up", "up", ""],
    ["", "", ""],
  ];
  for (const [value, number, rest] of table) {
    assert.deepEqual(valueParts(value), [number, rest], value);
  }
});

test("small things stand side by side, as wide as their names", () => {
  assert.equal(columnsOf(subject("a", ["fine"])), 1);
  assert.equal(columnsOf(subject("a rather long name", ["fine"])), 1);
  assert.equal(columnsOf(subject("prometheus-node vm:9310", ["fine"])), 2);
  assert.equal(columnsOf(subject("a", ["fine", "fine", "fine", "fine"])), 0);
});
