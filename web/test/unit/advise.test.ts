import assert from "node:assert/strict";
import { test } from "node:test";
import { bars, timesOf, whereTo } from "../../src/pages/advise";

const RANGE = { from: Date.parse("2026-03-04T05:00:00Z"), to: Date.parse("2026-03-04T05:10:00Z") };

test("each kind of evidence has its page", () => {
  const time = "from=2026-03-04T05:00:00.000Z&to=2026-03-04T05:10:00.000Z";
  const wide = "from=2026-03-04T04:55:00.000Z&to=2026-03-04T05:10:00.000Z";
  for (const [show, want] of [
    [{ kind: "metrics", query: "up{}" }, `/look?${wide}&open=up%7B%7D`],
    [{ kind: "moved", query: "{a}" }, `/compare?match=%7Ba%7D&${time}`],
    [{ kind: "logs", query: "service:a" }, `/logs?q=service:a&${wide}`],
    [{ kind: "traces", service: "a", operation: "get" }, `/traces?${time}&service=a&op=get&order=slowest`],
    [
      { kind: "traces", service: "a", operation: "", status: "error" },
      `/traces?${time}&service=a&status=error&order=slowest`,
    ],
    [{ kind: "changes", id: "c1" }, `/changes?${wide}&change=c1`],
    [{ kind: "query", query: "up == 0" }, `/query?${wide}&text=up+%3D%3D+0`],
    [{ kind: "monitor", id: "m1" }, "/monitors?monitor=m1"],
    [{ kind: "capture", id: "k1" }, "/captures?capture=k1"],
    [{ kind: "map", path: ["a"] }, `/traces?${time}&show=map`],
    [null, ""],
  ] as const) {
    assert.equal(whereTo(show as never, RANGE), want);
  }
});

test("earlier times lead to what was there then", () => {
  const windows = Array.from({ length: 9 }, (_, i) => [
    1_772_600_400 - i * 86_400,
    1_772_601_000 - i * 86_400,
  ]);
  const show = { kind: "then", windows } as never;
  const times = timesOf(show, 1_772_700_000_000);
  assert.equal(times.length, 4);
  assert.equal(times[0]?.href, "/advise?from=2026-03-04T05:00:00.000Z&to=2026-03-04T05:10:00.000Z");
  assert.match(times[1]?.title ?? "", /^3 Mar /);
  assert.equal(whereTo(show, RANGE), times[0]?.href);
  const change = { kind: "changes", id: "c1", windows: [[1_772_600_400, 1_772_601_000]] } as never;
  assert.match(whereTo(change, { from: 0, to: 1 }), /^\/changes\?from=2026-03-04T05:00:00.000Z&.*change=c1/);
  assert.deepEqual(timesOf(null), []);
});

test("two numbers as two bars", () => {
  assert.deepEqual(bars(1, 4), [36, 144]);
  assert.deepEqual(bars(0, 0), [0, 0]);
  assert.deepEqual(bars(-2, 1), [144, 72]);
});
