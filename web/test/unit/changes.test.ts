/** Which changes concern a chart, and how they are told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change, Comparison } from "../../src/api/traces";
import { byDay, concerns, saidOf, verdictOf } from "../../src/pages/changes/list";

const change = (more: Partial<Change>): Change => ({
  id: "a",
  time_ms: Date.UTC(2026, 2, 4, 12),
  kind: "deploy",
  title: "t",
  service: "",
  host: "",
  author: "",
  link: "",
  attributes: {},
  ...more,
});

test("a change concerns the series of its service or host, and one of neither all", () => {
  for (const [what, labels, want] of [
    [{}, { job: "x" }, true],
    [{ service: "cart" }, { service_name: "cart" }, true],
    [{ service: "cart" }, { job: "pay" }, false],
    [{ service: "cart" }, { server: "Cart" }, true],
    [{ host: "vm1" }, { instance: "vm1:9100" }, true],
    [{ host: "vm1" }, { instance: "vm2:9100" }, false],
    [{ host: "vm1", service: "cart" }, { instance: "vm1:9100", device: "sda" }, true],
    [{ host: "vm1", service: "cart" }, { instance: "vm1:9100", service_name: "pay" }, false],
  ] as const)
    assert.equal(concerns(change(what), labels), want, JSON.stringify([what, labels]));
});

test("answers come first, and what only the program needs is not shown", () => {
  const all = { version: "2", said_ms: "1", solves: "crash", outcome: "worked", monitor_ids: "a,b" };
  assert.deepEqual(saidOf(change({ attributes: all }), [{ name: "solves", asks: "What does it solve?" }]), [
    ["What does it solve?", "crash"],
    ["version", "2"],
  ]);
});

test("days hold what belongs to them, in order", () => {
  const now = Date.UTC(2026, 2, 4, 13);
  const days = byDay([change({}), change({ id: "b", time_ms: now - 86_400_000 * 3 })], now);
  assert.deepEqual(
    days.map((d) => d.changes.length),
    [1, 1],
  );
});

test("the worst measure decides", () => {
  const of = (...verdicts: string[]): Comparison =>
    ({
      window_ms: 1,
      after_ms: 1,
      measures: verdicts.map((verdict) => ({ verdict })),
    }) as unknown as Comparison;
  assert.equal(verdictOf(of("better", "worse")), "worse");
  assert.equal(verdictOf(of("better", "more")), "better");
  assert.equal(verdictOf(of("more", "unknown")), "same");
  assert.equal(verdictOf(of("unknown")), "unknown");
  assert.equal(verdictOf(of()), "unknown");
});
