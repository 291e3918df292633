/** Rows, axes, scales and layers: what is drawn lies where it should. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MapEdge, MapNode, Point, SpanOfTrace } from "../../src/api/traces";
import {
  axisOf,
  coloursOf,
  layers,
  nearest,
  nsText,
  rowsOf,
  scaleOf,
  windowOf,
} from "../../src/pages/traces/layout";
import { defaults, parseUrl, toUrl } from "../../src/state/url";

const spans = [4, 1, 0, 1, 0].map((below) => ({ below }) as SpanOfTrace);

test("folded rows hide what is below them, and nothing else", () => {
  assert.deepEqual(rowsOf(spans, new Set()), [0, 1, 2, 3, 4]);
  assert.deepEqual(rowsOf(spans, new Set([1])), [0, 1, 3, 4]);
  assert.deepEqual(rowsOf(spans, new Set([1, 3])), [0, 1, 3]);
  assert.deepEqual(rowsOf(spans, new Set([0, 3])), [0]);
});

test("only rows in the window are drawn", () => {
  assert.deepEqual(windowOf(0, 200, 20, 10_000), { first: 0, last: 18 });
  assert.deepEqual(windowOf(2000, 200, 20, 10_000), { first: 92, last: 118 });
  assert.deepEqual(windowOf(9_999_999, 200, 20, 50), { first: 50, last: 50 });
});

test("durations as people say them", () => {
  for (const [ns, want] of [
    [0, "0 ns"],
    [950, "950 ns"],
    [1_500, "1.50 µs"],
    [20_000_000, "20 ms"],
    [1_234_000_000, "1.23 s"],
    [-5_000_000, "-5 ms"],
    [600e9, "10 min"],
    [Number.NaN, "–"],
  ] as const)
    assert.equal(nsText(ns), want);
});

test("an axis has round steps", () => {
  assert.deepEqual(axisOf(1_000_000, 5), [0, 200_000, 400_000, 600_000, 800_000, 1_000_000]);
  assert.deepEqual(axisOf(0, 5), [0]);
});

test("a scatter maps there and back, and finds what is under the pointer", () => {
  const points: Point[] = [
    [1000, 2, 0, "a"],
    [2000, 900, 1, "b"],
  ];
  const scale = scaleOf(points, 0, 4000, 400, 300);
  assert.deepEqual(scale.ticks, [1, 10, 100, 1000]);
  assert.equal(scale.y(1000), 0);
  assert.equal(scale.y(1), 300);
  assert.ok(Math.abs(scale.duration(scale.y(37)) - 37) < 1e-9);
  assert.equal(scale.time(scale.x(1234)), 1234);
  assert.equal(nearest(points, scale, scale.x(2000) + 3, scale.y(900), 8)?.[3], "b");
  assert.equal(nearest(points, scale, 399, 299, 8), null);
  assert.equal(scaleOf([], 0, 1, 10, 10).ticks.length, 4);
});

const facts = { rate: 1, error_ratio: 0, p50_s: null, p99_s: null };
const node = (name: string): MapNode => ({ name, kind: "service", facts });
const edge = (text: string): MapEdge => {
  const [client, server] = text.split(">") as [string, string];
  return { client, server, connection: "", facts };
};

test("a map has callers before those they call, circles or not, and nobody on another", () => {
  const all = ["user", "web", "cart", "db", "pay", "loop"].map(node);
  const calls = ["user>web", "web>cart", "cart>db", "web>pay", "pay>db", "pay>loop", "loop>pay", "db>db"];
  const placed = layers(all, calls.map(edge));
  const at = new Map(placed.nodes.map((p) => [p.node.name, p]));
  for (const call of calls.slice(0, 6)) {
    const { client, server } = edge(call);
    assert.ok(at.get(client)!.x < at.get(server)!.x, call);
  }
  assert.equal(new Set(placed.nodes.map((p) => `${p.x} ${p.y}`)).size, all.length);
  for (const p of placed.nodes) assert.ok(p.x >= 0 && p.y >= 0 && p.x < placed.width && p.y < placed.height);
  assert.deepEqual(layers([], []).nodes, []);
});

test("services keep their colour whatever the order in which they come", () => {
  assert.deepEqual(coloursOf(["b", "a"], 8), coloursOf(["a", "b"], 8));
});

test("the address holds what a page has of its own, and nothing of another's", () => {
  const view = { ...defaults("traces"), own: { service: "cart", min: "20ms", trace: "ab", attr: "a=b\nc" } };
  assert.deepEqual(parseUrl(toUrl(view)), view);
  assert.deepEqual(parseUrl("/traces?kind=x&service=").own, {});
  assert.deepEqual(parseUrl("/changes?kind=deploy&trace=1").own, { kind: "deploy" });
});
