/** Examples in one list: by time, each once, the newest. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { flatten, SHOWN_MAX, step, traceLabel } from "../../src/chart/exemplars";

const of = (name: string, ...times: number[]) => ({
  seriesLabels: { __name__: name },
  exemplars: times.map((timestamp) => ({ labels: { trace_id: `t${timestamp}` }, value: "0.25", timestamp })),
});

test("by time, within the span, each once", () => {
  const { shown, total } = flatten([of("a_seconds_bucket", 5, 1, 9), of("a_seconds_count", 5, 3)], 2, 9);
  assert.deepEqual(
    shown.map((s) => s.atS),
    [3, 5, 9],
  );
  assert.equal(total, 3);
  assert.match(shown[0]!.value, /250 ?ms/);
  assert.equal(flatten([of("requests_total", 1)], 0, 9).shown[0]!.value, "0.25");
});

test("the newest of too many", () => {
  const times = Array.from({ length: SHOWN_MAX + 5 }, (_, i) => i);
  const { shown, total } = flatten([of("a", ...times)], 0, 1e9);
  assert.equal(shown.length, SHOWN_MAX);
  assert.equal(total, SHOWN_MAX + 5);
  assert.equal(shown[0]!.atS, 5);
});

test("names of traces, and keys", () => {
  assert.equal(traceLabel({ user: "a", traceID: "b" }), "traceID");
  assert.equal(traceLabel({ user: "a" }), undefined);
  assert.deepEqual(
    ["ArrowRight", "ArrowLeft", "Home", "End", "x"].map((k) => step(k, 0, 3)),
    [1, 0, 0, 2, null],
  );
});
