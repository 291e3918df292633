/** What a capture shows of lines that are read every few seconds only. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { linePath, lineText, usualStep, valueAt } from "../../src/pages/captures/words";

const N = null;

test("a line that is read every third second is a line, and broken only where a reading is missing", () => {
  const values = [1, N, N, 2, N, N, 3, N, N, N, N, N, 4, N, N, 5];
  assert.equal(usualStep(values), 3);
  assert.equal((linePath(values, 150, 10).match(/M/g) ?? []).length, 2);
  for (const [place, want] of [
    [0, 1],
    [2, 1],
    [3, 2],
    [9, 3],
    [10, N],
    [11, N],
    [15, 5],
  ] as const)
    assert.equal(valueAt(values, place), want, `at ${place}`);
});

test("what is read each second holds until a reading is missing, and nothing is nothing", () => {
  assert.deepEqual([valueAt([1, 2, N, N, 4], 2), valueAt([1, 2, N, N, 4], 3)], [2, N]);
  assert.equal(valueAt([N, N], 1), N);
  assert.equal(linePath([N, N], 10, 10), "");
  assert.deepEqual(
    [lineText(1.5, "cores"), lineText(2048, "bytes"), lineText(3, "")],
    ["1.5 cores", "2 KiB", "3"],
  );
});
