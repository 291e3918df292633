/** From a query to what Look can show of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { selectorsOf } from "../../src/pages/critic/links";

test("the selectors of a query", () => {
  const cases: [string, string[]][] = [
    ['sum(up{job="api"})', ['up{job="api"}']],
    ["max by (instance) (node_load1)", ["node_load1"]],
    ['rate(a_total{x="}",y=~"b|c"}[5m]) / on (job_name) b_total', ['a_total{x="}",y=~"b|c"}', "b_total"]],
    ['a_b{x="1"} + a_b{x="1"}', ['a_b{x="1"}']],
    ['histogram_quantile(0.9, sum by (le_x) (rate(lat_bucket{a="\\"}"}[5m])))', ['lat_bucket{a="\\"}"}']],
    ["time() - 5", []],
    ["a_b{", ["a_b{"]],
    ['"a_b"', []],
    ["", []],
  ];
  for (const [query, want] of cases) assert.deepEqual(selectorsOf(query), want, query);
});
