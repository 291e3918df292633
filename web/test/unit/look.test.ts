/** The wall's layout, the search box, and the store of small charts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Frame, TileStore } from "../../src/api/tiles";
import type { Tile } from "../../src/api/types";
import { lineName, openGap } from "../../src/chart/data";
import { faceOf } from "../../src/look/face";
import { anchorAt, anchorTop, groupOf, hit, layOut, tileRect, visible } from "../../src/look/layout";
import { neighbour, nextOpen } from "../../src/look/moves";
import { complete, fitsToken, normalised, tokenAt, tokens, withFilter, words } from "../../src/look/query";

const SIZES = { tileMin: 100, tileHeight: 50, headerHeight: 20, gap: 10, margin: 5 };
const GROUPS = [
  { key: "a", first: 0, count: 5, titleChars: 1 },
  { key: "b", first: 5, count: 1, titleChars: 40 },
  { key: "c", first: 6, count: 7, titleChars: 1 },
];
// 330 px: three columns of 100 px with 10 px between.
const wall = (shut: string[] = []) => layOut(GROUPS, new Set(shut), 330, SIZES);

test("rows and headers add up", () => {
  const l = wall();
  assert.equal(l.columns, 3);
  assert.deepEqual([...l.tops], [0, 140, 220]);
  assert.equal(l.height, 220 + 20 + 3 * 60 + 10);
  assert.deepEqual(tileRect(l, 4), { x: 5 + l.tileWidth + 10, y: 80, w: l.tileWidth, h: 50 });
});

test("a shut group has a header only", () => {
  const l = wall(["a"]);
  assert.deepEqual([...l.tops], [0, 20, 100]);
  assert.equal(tileRect(l, 0), null);
  assert.deepEqual(
    visible(l, 0, 50).rows.map((r) => r.first),
    [5],
  );
});

test("only what is between two heights is visible", () => {
  const l = wall();
  assert.deepEqual(visible(l, 0, 70), {
    headers: [0],
    rows: [{ group: 0, first: 0, count: 3, y: 20, x: 5, width: l.tileWidth }],
  });
  assert.deepEqual(
    visible(l, 80, 230).rows.map((r) => [r.first, r.count]),
    [
      [3, 2],
      [5, 1],
    ],
  );
  assert.deepEqual(visible(layOut([], new Set(), 330, SIZES), 0, 500), { headers: [], rows: [] });
});

test("a million series cost no more than what is seen", () => {
  const groups = Array.from({ length: 100_000 }, (_, i) => ({
    key: String(i),
    first: i * 10,
    count: 10,
    titleChars: 5,
  }));
  const l = layOut(groups, new Set(), 1280, SIZES);
  const seen = visible(l, l.height / 2, l.height / 2 + 800);
  assert.ok(seen.rows.length < 30);
  assert.equal(groupOf(l, 555_555), 55_555);
});

test("what is under a point", () => {
  const l = wall();
  assert.deepEqual(hit(l, 20, 10), { kind: "header", group: 0 });
  assert.deepEqual(hit(l, 20, 30), { kind: "tile", index: 0, group: 0 });
  assert.deepEqual(hit(l, 300, 90), null, "no sixth tile");
  assert.deepEqual(hit(l, 5 + l.tileWidth + 3, 30), null, "between two tiles");
  assert.deepEqual(hit(l, 20, 75), null, "between two rows");
  assert.deepEqual(hit(l, 20, 99_999), null);
});

test("the cursor goes over rows and groups, and past shut ones", () => {
  const table: [number, "left" | "right" | "up" | "down", number][] = [
    [0, "right", 1],
    [4, "right", 5],
    [5, "left", 4],
    [0, "left", 0],
    [12, "right", 12],
    [0, "down", 3],
    [2, "down", 4],
    [4, "down", 5],
    [5, "down", 6],
    [6, "up", 5],
    [5, "up", 3],
    [9, "up", 6],
    [12, "down", 12],
  ];
  for (const [from, direction, to] of table)
    assert.equal(neighbour(wall(), from, direction), to, `${from} ${direction}`);
  assert.equal(neighbour(wall(["b"]), 4, "right"), 6);
  assert.equal(nextOpen(wall(["b"]), 0, 1), 2);
  assert.equal(nextOpen(wall(), 2, 1), -1);
});

test("small groups stand side by side, as wide as their titles", () => {
  const small = [
    { key: "a", first: 0, count: 1, titleChars: 2 },
    { key: "b", first: 1, count: 2, titleChars: 2 },
    { key: "c", first: 3, count: 1, titleChars: 20 },
    { key: "d", first: 4, count: 9, titleChars: 2 },
    { key: "e", first: 13, count: 1, titleChars: 2 },
  ];
  const l = layOut(small, new Set(), 330, SIZES);
  assert.deepEqual([...l.tops], [0, 0, 80, 160, 360]);
  assert.deepEqual([...l.starts], [0, 1, 0, 0, 0]);
  assert.deepEqual([...l.spans], [1, 2, 3, 3, 1]);
  assert.deepEqual(hit(l, 20, 30), { kind: "tile", index: 0, group: 0 });
  assert.deepEqual(hit(l, 250, 30), { kind: "tile", index: 2, group: 1 });
  assert.deepEqual(hit(l, 250, 10), { kind: "header", group: 1 });
  assert.equal(neighbour(l, 2, "down"), 3);
  assert.equal(neighbour(l, 6, "up"), 3);
  assert.equal(neighbour(l, 3, "up"), 0);
  assert.equal(neighbour(l, 12, "down"), 13);
  assert.deepEqual(visible(l, 0, 40).headers, [0, 1]);
  assert.equal(anchorTop(l, anchorAt(l, 160)), 160);
  const shut = layOut(small, new Set(["a", "b", "c", "d", "e"]), 330, SIZES);
  assert.ok(shut.height < 100, "shut groups take a line, several on each");
});

test("tiles of a group that is wider than it needs share its width", () => {
  const l = layOut([{ key: "b", first: 0, count: 1, titleChars: 40 }], new Set(), 330, SIZES);
  assert.deepEqual(tileRect(l, 0), { x: 5, y: 20, w: 320, h: 50 });
  assert.deepEqual(hit(l, 300, 30), { kind: "tile", index: 0, group: 0 });
  const two = layOut([{ key: "b", first: 0, count: 2, titleChars: 40 }], new Set(), 330, SIZES);
  assert.deepEqual(tileRect(two, 1), { x: 5 + 155 + 10, y: 20, w: 155, h: 50 });
  assert.deepEqual(hit(two, 300, 30), { kind: "tile", index: 1, group: 0 });
  assert.equal(hit(two, 5 + 157, 30), null, "between the two");
});

test("lines on one chart are told apart by what differs, by where they come from as a last resort", () => {
  const line = (metric: string, labels: Record<string, string>) => ({ metric, labels });
  const a = line("load1", { instance: "a", job: "node" });
  const b = line("load1", { instance: "b", job: "node" });
  assert.equal(lineName(a, [b]), "instance=a");
  assert.equal(lineName(a, [b, line("free", { instance: "a" })]), "load1 instance=a job=node");
  const cart = line("requests", { handler: "/cart", instance: "a" });
  assert.equal(lineName(cart, [line("requests", { handler: "/login", instance: "b" })]), "handler=/cart");
});

test("a series that stopped has a gap that is still open", () => {
  assert.equal(openGap({ last_seen_ms: 100_000, interval_ms: 5000 }, 110_000), null, "merely due");
  assert.deepEqual(openGap({ last_seen_ms: 100_000, interval_ms: 5000 }, 130_000), {
    from_ms: 100_000,
    to_ms: 130_000,
  });
  assert.equal(openGap({ last_seen_ms: 100_000, interval_ms: 1000 }, 104_000), null, "a breath is no gap");
  assert.equal(openGap({ last_seen_ms: null, interval_ms: 5000 }, 1e12), null);
  assert.equal(openGap({ last_seen_ms: 1, interval_ms: null }, 1e12), null, "no rhythm, no gap");
});

test("a place on the wall survives another width", () => {
  const l = wall();
  assert.equal(anchorAt(l, 0), "");
  assert.equal(anchorAt(l, 140), "b");
  assert.equal(anchorAt(l, 280), "c~3");
  assert.equal(anchorTop(l, "c~3"), 280);
  const narrow = layOut(GROUPS, new Set(), 110, SIZES);
  assert.equal(anchorTop(narrow, "c~3"), narrow.tops[2]! + 3 * 60);
  assert.equal(anchorTop(l, "gone"), null);
  assert.equal(anchorTop(l, ""), 0);
});

test("the search box: tokens, filters, completion", () => {
  assert.deepEqual(
    tokens(" a  b=c ").map((t) => [t.text, t.start]),
    [
      ["a", 1],
      ["b=c", 4],
    ],
  );
  assert.equal(normalised("  disk   sda "), "disk sda");
  assert.equal(withFilter("disk device=sda", "device", "sdb"), "disk device=sdb");
  assert.equal(withFilter("", "device", "sdb"), "device=sdb");
  assert.equal(tokenAt("ab cd", 4)?.text, "cd");
  assert.equal(tokenAt("ab ", 3), null);
  assert.deepEqual(
    tokens('a "two words" c="x y" "open end').map((t) => t.text),
    ["a", '"two words"', 'c="x y"', '"open end'],
  );
  assert.deepEqual(words('"Two words" c="x y"'), ["two words"]);
  assert.deepEqual(complete("no dis", 6, "node_disk_io"), { q: "no node_disk_io ", caret: 16 });
  assert.deepEqual(complete("dis sda", 2, "disk"), { q: "disk sda", caret: 5 });
  assert.deepEqual(complete("", 0, "up"), { q: "up ", caret: 3 });
  assert.deepEqual(words("Disk device=sda io"), ["disk", "io"]);
  assert.ok(fitsToken("device", "/dev/sda"));
  assert.ok(!fitsToken("label", "<img src=x>"));
});

test("a tile is named by what tells it from its neighbours", () => {
  const tile = {
    id: 1,
    metric: "m_total",
    title: "io time",
    labels: { device: "sda", mode: "x", job: "node", instance: "vm" },
  };
  const disk = { title: "sda", kind: "disk", parent: "host vm", first: 0, count: 1 };
  const metric = { title: "m_total", kind: "metric", first: 0, count: 1 };
  const inDisk = faceOf(tile as unknown as Tile, disk);
  assert.deepEqual([inDisk.title, inDisk.sub], ["io time", "mode x"]);
  const inMetric = faceOf(tile as unknown as Tile, metric);
  assert.deepEqual([inMetric.title, inMetric.sub], ["sda · mode x", "vm"]);
  const beside = { ...tile.labels, mode: "y" };
  assert.equal(
    faceOf(tile as unknown as Tile, metric, [beside]).title,
    "mode x · sda",
    "what differs comes first",
  );
  assert.equal(inDisk.selector, 'm_total{device="sda",instance="vm",job="node",mode="x"}');
});

const frame = (tick: number): Frame => ({ from: 0, to: 1000, mode: "auto", points: 60, tick });
const settle = () => new Promise((done) => setImmediate(done));

/** A server that answers when told to. */
function slowServer() {
  const asked: { ids: number[]; signal: AbortSignal; answer: (unknown?: number[]) => void }[] = [];
  const fetch = (_f: Frame, ids: number[], signal: AbortSignal) =>
    new Promise<Tile[]>((done, fail) => {
      signal.addEventListener("abort", () => fail(new DOMException("", "AbortError")));
      const answer = (unknown: number[] = []) =>
        done(
          ids
            .filter((id) => !unknown.includes(id))
            .map((id) => ({ id, metric: `m${id}`, labels: {} }) as Tile),
        );
      asked.push({ ids, signal, answer });
    });
  return { asked, fetch };
}

test("tiles: asked once, kept, and asked again for another moment", async () => {
  const { asked, fetch } = slowServer();
  const store = new TileStore(
    () => undefined,
    () => undefined,
    () => undefined,
    fetch,
  );
  store.want([1, 2, 3], frame(1));
  store.want([1, 2, 3], frame(1));
  assert.deepEqual(
    asked.map((a) => a.ids),
    [[1, 2, 3]],
  );
  asked[0]!.answer([3]);
  await settle();
  assert.equal(store.peek(1)?.tile.id, 1);
  store.want([1, 2, 3], frame(1));
  assert.equal(asked.length, 1, "kept ones and unknown ones are not asked for");
  store.want([1, 2], frame(2));
  assert.deepEqual(asked[1]!.ids, [1, 2]);
  assert.equal(store.peek(1)?.frame.tick, 1, "the old chart stays until the new one is there");
});

test("tiles: what is scrolled past is given up, and the oldest are forgotten", async () => {
  const { asked, fetch } = slowServer();
  const store = new TileStore(
    () => undefined,
    () => undefined,
    () => undefined,
    fetch,
    3,
  );
  store.want([1, 2], frame(1));
  store.want([7, 8], frame(1));
  assert.ok(asked[0]!.signal.aborted);
  asked[1]!.answer();
  await settle();
  store.want([7, 9, 10], frame(1));
  asked[2]!.answer();
  await settle();
  assert.equal(store.size, 3);
  assert.equal(store.peek(8), undefined);
  assert.ok(store.peek(7));
});

test("tiles: at most three batches at once, in the order wanted", async () => {
  const { asked, fetch } = slowServer();
  const store = new TileStore(
    () => undefined,
    () => undefined,
    () => undefined,
    fetch,
  );
  store.want(
    Array.from({ length: 900 }, (_, i) => i),
    frame(1),
  );
  assert.deepEqual(
    asked.map((a) => a.ids[0]),
    [0, 200, 400],
  );
  asked[0]!.answer();
  await settle();
  assert.deepEqual(
    asked.map((a) => a.ids[0]),
    [0, 200, 400, 600],
  );
});

test("tiles: a failure is told, and is no end", async () => {
  const failures: unknown[] = [];
  let broken = true;
  const store = new TileStore(
    () => undefined,
    (e) => failures.push(e),
    () => undefined,
    async (_f, ids) => {
      if (broken) throw new Error("down");
      return ids.map((id) => ({ id, metric: `m${id}`, labels: {} }) as Tile);
    },
  );
  store.want([1], frame(1));
  await settle();
  assert.equal(failures.length, 1);
  broken = false;
  store.want([1], frame(1));
  await settle();
  assert.equal(store.peek(1)?.tile.id, 1);
  store.clear();
  assert.equal(store.size, 0);
});

test("tiles: an id that names another series is no answer", async () => {
  let metric = "a";
  let strange = 0;
  const store = new TileStore(
    () => undefined,
    () => undefined,
    () => strange++,
    async (_f, ids) => ids.map((id) => ({ id, metric, labels: {} }) as Tile),
  );
  store.want([1], frame(1));
  await settle();
  metric = "b";
  store.want([1], frame(2));
  await settle();
  assert.equal(strange, 1);
  assert.equal(store.peek(1)?.tile.metric, "a", "the wall keeps what it knows until all is found anew");
});
