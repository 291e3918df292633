/** The page Query: what is offered next, and answers as tables and charts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SqlAnswer } from "../../src/api/types";
import { complete, type Known } from "../../src/query/complete";
import { cellText, chartOf, fromPromql, fromSql, unitOfName, unitOfPromql } from "../../src/query/result";
import { defaults, parseUrl, toUrl } from "../../src/state/url";

const known: Known = {
  tables: new Map([
    ["metrics", ["time", "name", "labels", "value"]],
    ["series", ["id", "name", "labels", "first_seen"]],
  ]),
  metrics: ["node_load1", "node_cpu_seconds_total", "up"],
  labels: ["job", "instance", "mode"],
};

/** What is offered at the `|`. */
const offered = (lang: "sql" | "promql", text: string, asked = false): string[] => {
  const at = text.indexOf("|");
  return complete(lang, text.replace("|", ""), at, known, asked).list.map((s) => s.text);
};

test("after FROM come tables, in quotes what belongs there", () => {
  assert.deepEqual(offered("sql", "SELECT * FROM |", true).slice(0, 3), ["metrics", "series", "promql("]);
  assert.deepEqual(offered("sql", "SELECT * FROM se|"), ["series"]);
  assert.deepEqual(offered("sql", "SELECT va| FROM metrics")[0], "value");
  assert.deepEqual(offered("sql", "SELECT m.va| FROM metrics m")[0], "value");
  assert.ok(!offered("sql", "SELECT fi| FROM metrics").includes("first_seen"));
  assert.deepEqual(offered("sql", "SELECT labels['|'] FROM metrics"), ["job", "instance", "mode"]);
  assert.deepEqual(offered("sql", "SELECT 1 FROM metrics WHERE name = 'load|'"), ["node_load1"]);
  assert.deepEqual(offered("sql", "SELECT 1 FROM metrics WHERE name IN ('up', 'cpu|'"), [
    "node_cpu_seconds_total",
  ]);
  assert.deepEqual(offered("sql", "SELECT * FROM promql('ra|')").includes("rate"), true);
  assert.deepEqual(offered("sql", "SELECT 'whatever jo|'"), []);
  assert.deepEqual(offered("sql", "SELECT |"), []);
});

test("PromQL: metrics and functions, labels in braces and after by", () => {
  assert.deepEqual(offered("promql", "ra|")[0], "rate");
  assert.deepEqual(offered("promql", "rate(node_c|"), ["node_cpu_seconds_total"]);
  assert.deepEqual(offered("promql", "up{jo|}"), ["job"]);
  assert.deepEqual(offered("promql", "sum by (m|) (up)"), ["mode"]);
  assert.deepEqual(offered("promql", 'up{job="ap|"}'), []);
});

const answer = (
  columns: [string, string][],
  rows: unknown[][],
  more: Partial<SqlAnswer> = {},
): SqlAnswer => ({
  status: "success",
  truncated: false,
  stats: { rows: rows.length, seconds: 0 },
  data: { columns: columns.map(([name, type]) => ({ name, type })), rows },
  ...more,
});

test("a chart has a line for each number and each combination of the rest", () => {
  const at = (s: number): string => `2026-01-31T12:00:0${s}Z`;
  const found = chartOf(
    fromSql(
      answer(
        [
          ["minute", "timestamp"],
          ["job", "text"],
          ["avg", "float"],
          ["memory_bytes", "integer"],
        ],
        [
          [at(2), "api", 3, 7],
          [at(0), "api", 1, "9007199254740993"],
          [at(0), "web", "NaN", null],
        ],
      ),
    ),
  );
  assert.deepEqual(
    found?.lines.map((l) => [l.name, l.unit, l.points.map((p) => p[1])]),
    [
      ["api avg", "", [1, 3]],
      ["api memory_bytes", "bytes", [Number("9007199254740993"), 7]],
    ],
  );
  assert.equal(chartOf(fromSql(answer([["n", "integer"]], [[1]]))), null);
  assert.equal(
    chartOf(
      fromSql(
        answer(
          [
            ["t", "timestamp"],
            ["n", "integer"],
          ],
          [[at(0), 1]],
        ),
      ),
    ),
    null,
  );
});

test("an answer that broke off says so", () => {
  const broken = fromSql(
    answer([["n", "integer"]], [[1]], { status: "error", error: "too long", hint: "LIMIT" }),
  );
  assert.deepEqual(broken.broken, { message: "too long", hint: "LIMIT" });
  assert.equal(broken.rows.length, 1);
});

test("values and units", () => {
  assert.equal(cellText({ job: "api", code: null }), "job=api code=");
  assert.equal(cellText([1, "x"]), "[1, x]");
  assert.equal(unitOfName("process_resident_memory_bytes"), "bytes");
  assert.equal(unitOfPromql("sum by (mode) (rate(node_cpu_seconds_total[1m]))"), "ratio");
  assert.equal(unitOfPromql("rate(node_network_receive_bytes_total[1m])"), "bytes/s");
  const vector = {
    resultType: "vector",
    result: [{ metric: { __name__: "up", job: "a" }, value: [1, "1"] as [number, string] }],
  };
  const { columns, rows } = fromPromql(vector, "");
  assert.deepEqual(
    columns.map((c) => c.name),
    ["metric", "job", "value"],
  );
  assert.deepEqual(rows, [["up", "a", "1"]]);
});

test("a link holds the question", () => {
  const state = {
    ...defaults("query"),
    own: { lang: "promql", text: 'up{job="a&b"}\n+ 1', show: "chart" },
  };
  assert.deepEqual(parseUrl(toUrl(state)), state);
  assert.equal(toUrl(defaults("query")), "/query");
});
