// Words for objectives: nothing is called kept that nobody measured.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Slo, SloState } from "../../src/api/slos";
import { burnText, headline, sorted } from "../../src/pages/slos/words";

const slo = (name: string, state: SloState, left = 1): Slo =>
  ({ name, state, budget: { left } }) as unknown as Slo;

test("what needs somebody stands first, then the least budget", () => {
  const list = [slo("a", "fine"), slo("b", "no_data"), slo("c", "burns_fast"), slo("d", "fine", 0.2)];
  assert.deepEqual(
    sorted(list).map((s) => s.name),
    ["c", "b", "d", "a"],
  );
});

test("the headline says only what was measured", () => {
  for (const [list, text, shape] of [
    [[slo("a", "fine"), slo("b", "fine")], "All promises are kept.", "fine"],
    [[slo("a", "fine"), slo("b", "too_little")], "Of 1 it is not known, 1 is kept.", "silent"],
    [[slo("a", "burns_fast"), slo("b", "spent")], "1 promise is being broken now, 1 needs a look.", "bad"],
  ] as const) {
    assert.deepEqual(headline(list), { text, shape });
  }
  assert.deepEqual([null, 0.04, 9.26, 14.4].map(burnText), ["–", "0.0×", "9.3×", "14×"]);
});
