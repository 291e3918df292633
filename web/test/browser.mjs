// Uses the interface of the running program as a person would, in a real browser. Needs MIDWATCH_URL (the address that
// `midwatch serve` printed) and Chromium ($CHROMIUM, or /usr/bin/chromium); without them it fails, it never skips.
// Must never run against made-up data in the checks of the project, and never depend on how fast the machine is.
import assert from "node:assert/strict";
import { join } from "node:path";
import { whereToLook } from "./advise.mjs";
import { captureIsTaken } from "./captures.mjs";
import { headroomIsShown, planIsCriticised } from "./critic.mjs";
import {
  address,
  base,
  browser,
  complaints,
  counted,
  dragAcross,
  loaded,
  step as named,
  nameless,
  newPage,
  params,
  repaintDiffers,
  results,
  spoken,
  total,
} from "./harness.mjs";
import { monitorIsMade } from "./monitors.mjs";
import { whatMoved } from "./moved.mjs";
import { queryPage } from "./query.mjs";
import { promisesAndReview } from "./slos.mjs";

const HOSTILE = "<img src=x onerror=alert(1)>";
let page = await newPage();
const step = (name, f) => named(page, name, f);

/** The browser itself names refused requests on its console: where they are wanted they are no complaint. */
function forgive(from) {
  for (let i = complaints.length - 1; i >= from; i--)
    if (/ERR_CONNECTION_REFUSED/.test(complaints[i])) complaints.splice(i, 1);
}

async function pushHostile() {
  const now = Date.now();
  const line = {
    metric: { __name__: "web_test_total", label: HOSTILE },
    values: [1, 2],
    timestamps: [now - 2000, now - 1000],
  };
  const response = await fetch(`${base}/api/v1/import`, {
    method: "POST",
    body: `${JSON.stringify(line)}\n`,
  });
  assert.ok(response.ok, `import answered ${response.status}: ${await response.text()}`);
}

/** Traces of a small shop: one with an error, clocks that disagree, an orphan, and text that would be HTML. */
async function pushTraces() {
  const begin = Date.now() - 60_000;
  const ns = (ms) => `${Math.round((begin + ms) * 1000)}000`;
  const text = (key, value) => ({ key, value: { stringValue: value } });
  const span = (id, parent, name, kind, at, long, more = {}) => ({
    traceId: "4bf92f3577b34da600000000000000aa",
    spanId: id.padStart(16, "0"),
    parentSpanId: (parent || undefined)?.padStart(16, "0"),
    name,
    kind,
    startTimeUnixNano: ns(at),
    endTimeUnixNano: ns(at + long),
    ...more,
  });
  const service = (name, spans) => ({
    resource: { attributes: [text("service.name", name), text("host.name", "vm1")] },
    scopeSpans: [{ spans }],
  });
  const failed = { status: { code: 2, message: "no stock" }, attributes: [text("user.id", HOSTILE)] };
  const database = { attributes: [text("db.system", "postgresql"), text("db.name", "shop")] };
  const many = Array.from({ length: 300 }, (_, i) =>
    span(`b${i.toString(16)}`, "3", `item ${i}`, 1, 930 + i / 10, 5),
  );
  const answer = await fetch(`${base}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      resourceSpans: [
        service("web", [span("1", "", "GET /", 2, 0, 200), span("2", "1", "call cart", 3, 10, 150)]),
        service("cart", [
          span("3", "2", "GET /cart/17", 2, 900, 120, failed),
          span("4", "3", "select", 3, 910, 80, database),
          span("5", "ffff", HOSTILE, 1, 120, 20),
          ...many,
        ]),
      ],
    }),
  });
  assert.deepEqual(await answer.json(), {});
}

await step("a series with a hostile label is pushed", pushHostile);
await step("traces are pushed", pushTraces);

await step("Home answers whether everything is fine", async () => {
  await page.goto(`${base}/`);
  await page.waitForSelector(".headline");
  const paint = await page.evaluate(
    () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
  );
  console.log(`      first paint after ${paint.toFixed(0)} ms (aim: 300)`);
  assert.ok(paint < 1500, `first paint after ${paint} ms`);
  await page.waitForSelector("a.tile");
  assert.ok((await page.textContent(".headline")).trim().length > 3);
  assert.match(await page.textContent(".judged"), /checks? of .* as of/);
  const elsewhere = await page.$$eval("main a", (links) =>
    links
      .map((a) => new URL(a.href))
      .filter((u) => u.pathname !== "/look" || u.search === "")
      .map(String),
  );
  assert.deepEqual(elsewhere, [], "everything on Home leads to Look, filtered");
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "home.png") });
});

await step("a tile of Home leads to Look, filtered", async () => {
  await page.click("a.tile");
  await address(
    page,
    (p, url) => url.pathname === "/look" && (p.has("q") || p.has("match")),
    "filtered Look",
  );
  await counted(page);
  assert.ok((await total(page)) > 0, "what a tile was judged by must be found");
});

await step("Look shows every series, and searches as one types", async () => {
  await page.goto(`${base}/look?last=5m`);
  await counted(page);
  await page.waitForFunction(
    () => Number(document.querySelector(".count").textContent.replaceAll(/\D.*$/g, "")) !== 0,
  );
  const all = await total(page);
  await page.keyboard.press("/");
  await page.keyboard.type("node_load1", { delay: 20 });
  await address(page, (p) => p.get("q") === "node_load1", "the words are in the address");
  await page.waitForSelector("#offered [role=option]");
  await page.waitForFunction(
    (n) => Number(document.querySelector(".count").textContent.replaceAll(/\D.*$/g, "")) < n,
    all,
  );
  assert.ok((await total(page)) > 0, "this machine's load is recorded");
  await loaded(page);
});

await step("the address holds the state: reloading gives the same", async () => {
  await page.reload();
  await counted(page);
  assert.equal(await page.inputValue("#search"), "node_load1");
  assert.match(await page.textContent("#range"), /last 5 min/);
  await loaded(page);
});

await step("keys go over the wall and open a chart", async () => {
  await page.keyboard.press("/");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement?.id === "wall");
  await page.keyboard.press("j");
  await page.waitForFunction(() => document.getElementById("wall").getAttribute("aria-activedescendant"));
  await page.keyboard.press("Enter");
  await address(page, (p) => p.getAll("open").length === 1, "the chart is in the address");
  await page.waitForSelector(".chart .u-wrap canvas");
  await page.waitForSelector(".legend tbody tr");
});

await step("examples of what was counted stand under the chart and are reached by keys", async () => {
  const now = Date.now() / 1000;
  const data = [
    {
      seriesLabels: { __name__: "wait_seconds_bucket" },
      exemplars: [60, 30].map((ago) => ({
        labels: { trace_id: `t${ago}`, user: "ada" },
        value: "0.25",
        timestamp: now - ago,
      })),
    },
  ];
  const body = JSON.stringify({ status: "success", data });
  await page.route("**/api/v1/query_exemplars*", (r) => r.fulfill({ contentType: "application/json", body }));
  await page.keyboard.press("r");
  await page.waitForSelector(".exemplar");
  assert.match(await page.textContent(".exemplar-text"), /2 examples/);
  // They lie under the lines from the first drawing on, not at the edge of the page.
  await page.waitForFunction(() => {
    const plot = document.querySelector(".u-over").getBoundingClientRect();
    const middle = (el) => el.getBoundingClientRect().left + el.clientWidth / 2;
    return [...document.querySelectorAll(".exemplar")].every((el) => middle(el) > plot.left + plot.width / 2);
  });
  await page.focus('.exemplar[tabindex="0"]');
  assert.match(await page.textContent(".exemplar-text"), /250 ?ms.*trace_id.*t30.*ada/);
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => /t60/.test(document.querySelector(".exemplar-text").textContent));
  await page.hover(".exemplar >> nth=1");
  await page.waitForFunction(() => /t30/.test(document.querySelector(".exemplar-text").textContent));
  await page.unroute("**/api/v1/query_exemplars*");
  await page.keyboard.press("r");
  await page.waitForFunction(() => document.querySelector(".exemplar") === null);
});

await step("keys toggle earlier periods, raw values, and why a number is missing", async () => {
  await page.keyboard.press("h");
  await address(page, (p) => p.get("under") === "h", "an hour ago");
  await page.waitForSelector(".chart-absent, .legend-under");
  await page.keyboard.press("y");
  await address(page, (p) => p.get("under") === "h,y", "and yesterday");
  await page.keyboard.press("h");
  await page.keyboard.press("y");
  await address(page, (p) => !p.has("under"), "neither");
  await page.keyboard.press("r");
  await address(page, (p) => p.get("mode") === "raw", "raw");
  await page.keyboard.press("r");
  await page.keyboard.press("m");
  await address(page, (p) => p.get("why") === "1" && !p.has("mode"), "why");
  await page.waitForSelector(".why-line");
  assert.match(await page.textContent(".why"), /Source/);
  await page.screenshot({ path: join(results, "chart.png") });
});

await step("dragging over the large chart zooms, and back comes back", async () => {
  const before = page.url();
  await page.keyboard.press("m");
  await page.waitForFunction(() => {
    const [plot, drawn] = [".plot", ".u-wrap"].map((s) => document.querySelector(s));
    return !document.querySelector(".why") && drawn && drawn.offsetWidth === plot.clientWidth;
  });
  const over = await page.locator(".u-over").boundingBox();
  await dragAcross(page, over, 0.6, 0.9);
  await address(page, (p) => p.has("from") && p.has("to"), "the zoom is in the address");
  const width = Date.parse(params(page).get("to")) - Date.parse(params(page).get("from"));
  assert.ok(Math.abs(width - 0.3 * 300_000) < 20_000, `zoomed to ${width} ms`);
  assert.match(await page.textContent(".live"), /Stopped/);
  await page.goBack();
  await address(page, (p) => !p.has("from"), "back");
  assert.equal(new URL(before).searchParams.get("open"), params(page).get("open"));
});

await step("Escape closes the chart; dragging over a small chart zooms; Space goes live again", async () => {
  await page.keyboard.press("Escape");
  await address(page, (p) => !p.has("open"), "closed");
  await loaded(page);
  const wall = await page.locator("#wall").boundingBox();
  const tile = { x: wall.x + 20, y: wall.y + 34, width: 180, height: 88 };
  await dragAcross(page, tile, 0.3, 0.8);
  await address(page, (p) => p.has("from"), "zoomed");
  await page.keyboard.press("Space");
  await address(page, (p) => !p.has("from"), "live");
  await page.keyboard.press("3");
  await address(page, (p) => p.get("last") === "1h", "the last hour");
  await page.keyboard.press("-");
  await address(page, (p) => p.get("last") === "2h", "zoomed out");
});

await step("a time range can be typed", async () => {
  await page.keyboard.press("t");
  await page.waitForSelector(".range-box input");
  await page.keyboard.type("nonsense");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".range-hint.wrong");
  await page.fill(".range-box input", "last 20m");
  await page.keyboard.press("Enter");
  await address(page, (p) => p.get("last") === "20m", "typed");
});

await step("picked series are compared on one chart", async () => {
  await page.goto(`${base}/look?q=node_load&last=5m`);
  await loaded(page);
  await page.locator("#wall").focus();
  await page.keyboard.press("x");
  await page.keyboard.press("l");
  await page.keyboard.press("x");
  await address(page, (p) => p.getAll("pick").length === 2, "picked");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll(".legend tbody tr").length >= 2);
  await page.keyboard.press("Escape");
  await page.keyboard.press("X");
  await address(page, (p) => !p.has("pick") && !p.has("open"), "forgotten");
});

await step("new samples arrive without reloading", async () => {
  await page.goto(`${base}/look?q=node_boot_time_seconds&last=5m`);
  await counted(page);
  await page.goto(`${base}/look?q=node_load&last=5m`);
  await loaded(page);
  const asked = page.waitForResponse((r) => r.url().includes("/api/v1/look/tiles") && r.ok());
  await asked;
});

await step("the palette goes anywhere, the help names every key", async () => {
  await page.keyboard.press("Control+k");
  await page.fill(".palette input", "targets");
  await page.keyboard.press("Enter");
  await address(page, (_p, url) => url.pathname === "/targets", "Targets");
  await page.waitForSelector(".page h1");
  await page.keyboard.press("?");
  await page.waitForSelector(".help");
  assert.match(await page.textContent(".help"), /Why is this number missing/);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".help", { state: "detached" });
  await page.keyboard.press("g");
  await page.keyboard.press("m");
  await address(page, (_p, url) => url.pathname === "/midwatch", "Midwatch");
  await page.waitForSelector(".figures");
});

await step("dragging with Shift asks what else moved, and the answer leads to a chart", () =>
  whatMoved(page),
);

await step("Query answers in SQL and PromQL, and keeps queries by name", () => queryPage(page, HOSTILE));

await step("advice names the place, with evidence that leads to where it is seen", () => whereToLook(page));

await step("Cardinality leads from a metric to its labels, their values, and the series", async () => {
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await address(page, (_p, url) => url.pathname === "/cardinality", "Cardinality");
  await page.waitForSelector("a.drill");
  await page.keyboard.press("/");
  await page.keyboard.type("node_cpu_seconds");
  await address(page, (p) => p.get("q") === "node_cpu_seconds", "the letters are in the address");
  await page.waitForSelector('a.drill >> text="node_cpu_seconds_total"');
  await page.click('a.drill >> text="node_cpu_seconds_total"');
  await address(page, (p) => p.get("by") === "label" && p.get("match")?.includes("node_cpu"), "its labels");
  await page.click('a.drill >> text="mode"');
  await address(page, (p) => p.get("by") === "value:mode", "their values");
  await page.waitForSelector('a.drill >> text="idle"');
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "cardinality.png") });
  await page.click("td a >> nth=0");
  await address(page, (p, url) => url.pathname === "/look" && p.get("match")?.includes("mode="), "in Look");
});

await step("Logs: search, fields, an open record, patterns, one identifier", async () => {
  const lines = [
    { level: "error", msg: `boom \u001b[31m${HOSTILE}`, user: "u-4711", service: "shop", took: 7 },
    { level: "info", msg: "all is well", service: "shop" },
    { level: "warn", msg: "slow answer", service: "cart", took: 900 },
  ];
  const response = await fetch(`${base}/api/v1/logs`, {
    method: "POST",
    body: lines.map((l) => JSON.stringify(l)).join("\n"),
  });
  assert.equal(response.status, 204, await response.text());
  await page.goto(`${base}/logs?last=1h&q=user:u-4711`);
  await page.waitForSelector(".log-row");
  assert.equal(await page.locator(".log-row").count(), 1);
  const text = await page.textContent(".log-text");
  assert.ok(text.includes("\u241b[31m") && text.includes("<img"), "escapes and markup are shown, not obeyed");
  await page.keyboard.press("j");
  await page.keyboard.press("o");
  await page.waitForSelector(".log-details");
  await page.click('.log-details button[aria-label="Only with service shop"]');
  await address(page, (p) => p.get("q") === "user:u-4711 service:shop", "the field narrows the search");
  await page.click(".log-details .log-do a >> nth=0");
  await address(page, (p) => p.get("id") !== null, "one identifier");
  await page.goto(`${base}/logs?id=u-4711`);
  await page.waitForSelector(".log-bullet li");
  await page.keyboard.press("p");
  await address(page, (p) => p.get("tab") === "patterns", "patterns");
  await page.waitForSelector(".log-pattern");
  await page.goto(`${base}/logs`);
  await page.waitForSelector(".log-histogram rect");
  await page.waitForSelector(".log-facet");
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "logs.png") });
});

await step("a hostile label is text everywhere", async () => {
  await page.goto(`${base}/look?q=web_test&last=5m`);
  await counted(page);
  await loaded(page);
  assert.ok((await spoken(page).first().textContent()).includes(HOSTILE), "on the wall");
  const wall = await page.locator("#wall").boundingBox();
  await page.mouse.click(wall.x + 60, wall.y + 34 + 50);
  await page.waitForSelector(".chip-button");
  assert.ok((await page.textContent(".labels")).includes(HOSTILE), "as a chip");
  await page.keyboard.press("m");
  await page.waitForSelector(".why-line");
  await page.click(`.chip-button >> text=${HOSTILE}`);
  await address(page, (p) => p.get("match")?.includes("onerror"), "as a filter");
  await counted(page);
  assert.equal(await page.locator("img").count(), 0, "no picture was made of it");
  await page.keyboard.press("Control+k");
  const suggested = page.waitForResponse(
    (r) =>
      r.url().includes("/look/find") &&
      r.url().endsWith(`q=${encodeURIComponent(HOSTILE)}&group=entity&limit=1`),
  );
  await page.fill(".palette input", HOSTILE);
  await suggested;
  await page.waitForSelector(`.palette-entry >> text=${HOSTILE}`);
  assert.equal(await page.locator("img").count(), 0);
  await page.keyboard.press("Escape");
});

await step("a link opened by a colleague shows the same", async () => {
  await page.goto(`${base}/look?q=node_load&last=20m&group=metric&open=node_load1&why=1&under=h,w&mode=raw`);
  await page.waitForSelector(".chart .u-wrap canvas");
  await page.waitForSelector(".why-line");
  const seen = (p) =>
    p.evaluate(() => ({
      url: location.href,
      words: document.getElementById("search").value,
      range: document.getElementById("range").textContent,
      chart: document.querySelector(".chart h2").textContent,
      pressed: [...document.querySelectorAll("[aria-pressed=true]")].map((e) => e.textContent),
    }));
  const mine = await seen(page);
  assert.deepEqual(mine.pressed, ["Live", "Metrics", "Raw", "Raw", "an hour ago", "last week", "Missing?"]);
  assert.deepEqual(await nameless(page), []);
  const other = await newPage();
  await other.goto(mine.url);
  await other.waitForSelector(".chart .u-wrap canvas");
  assert.deepEqual(await seen(other), mine);
  await other.context().close();
});

await step("after scrolling the wall looks as if it were painted anew", async () => {
  const now = Date.now();
  const fixed = `from=${new Date(now - 300_000).toISOString()}&to=${new Date(now).toISOString()}`;
  await page.goto(`${base}/look?${fixed}`);
  await loaded(page);
  for (const down of [33, 700, -120, 7, -400]) {
    await page.locator("#wall").evaluate((wall, by) => {
      wall.scrollTop += by;
    }, down);
    await loaded(page);
    const differs = await repaintDiffers(page);
    assert.ok(differs < 0.0005, `${(differs * 100).toFixed(3)} % of the picture differs after ${down} px`);
  }
});

await step("a time in a link that cannot be read is said", async () => {
  await page.goto(`${base}/look?last=never`);
  await page.waitForSelector(".message >> text=cannot be read");
  // A fresh program has less than the usual quarter of an hour to show.
  assert.match(await page.textContent("#range"), /last (15|5) min/);
});

await step("a restart of the program mends itself", async () => {
  const own = complaints.length;
  await page.goto(`${base}/look?q=node_load&last=5m`);
  await loaded(page);
  await page.context().route("**/api/v1/**", (route) => route.abort("connectionrefused"));
  await page.waitForSelector(".stale");
  await page.context().unroute("**/api/v1/**");
  await page.waitForSelector(".stale", { state: "detached" });
  forgive(own);
});

await step("light and dark", async () => {
  const before = await page.getAttribute("html", "data-theme");
  await page.keyboard.press("D");
  assert.notEqual(await page.getAttribute("html", "data-theme"), before);
  await page.screenshot({ path: join(results, "dark.png") });
});

await step("a search without an answer says what to do", async () => {
  await page.goto(`${base}/look?q=zzqqxxyy+zzqqxx`);
  await page.waitForSelector(".notice >> text=Nothing fits");
  await page.click("text=Show every series");
  await address(page, (p) => !p.has("q"), "everything");
});

await step("nothing is wider than 360 px", async () => {
  await page.context().close();
  page = await newPage({ viewport: { width: 360, height: 740 }, hasTouch: true });
  for (const [path, there] of [
    ["/", "a.tile"],
    ["/look", "#wall [role=option]"],
    ["/look?from=2026-11-20T15:40:07Z&to=2026-11-21T16:00:03Z", ".notice, #wall [role=option]"],
    ["/targets", ".table"],
    ["/cardinality", ".table"],
    ["/midwatch", ".figures"],
    ["/traces?last=1h", ".trace"],
    ["/changes", ".changes-head"],
    ["/critique?plan=restart+nginx+and+wait", ".critic-headline"],
    ["/critique?show=rules", ".critic-rules"],
    ["/headroom", ".rooms, .notice"],
    ["/captures", ".captures, .notice"],
    ["/look?q=node_load1&open=node_load1&why=1&under=h", ".why-line"],
  ]) {
    await page.goto(base + path);
    await page.waitForSelector(there, { state: "attached" });
    const over = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(over, 0, `${path} is ${over} px too wide`);
    const cut = await page.$$eval("header button, header a", (all) =>
      all
        // The names of pages are drawn along within their own box.
        .filter((e) => e.offsetWidth > 0 && !e.closest("nav") && e.getBoundingClientRect().right > innerWidth)
        .map((e) => e.ariaLabel),
    );
    assert.deepEqual(cut, [], `${path}: the bar is too wide`);
    await page.screenshot({ path: join(results, `narrow${path.replace(/\W.*$/, "")}.png`) });
  }
});

await step("a finger that rests on a small chart picks it", async () => {
  await page.goto(`${base}/look?q=node_load&last=5m`);
  await loaded(page);
  const wall = await page.locator("#wall").boundingBox();
  const cdp = await page.context().newCDPSession(page);
  const touchPoints = [{ x: wall.x + 60, y: wall.y + 34 + 50 }];
  await cdp.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints });
  await address(page, (p) => p.getAll("pick").length === 1, "picked");
  await cdp.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await cdp.detach();
  assert.ok(!params(page).has("open"), "and did not open it");
});

await step("Traces: found, opened, walked by keys, and mapped", async () => {
  await page.context().close();
  page = await newPage();
  await page.goto(`${base}/traces?service=cart`);
  await page.waitForSelector(".trace");
  assert.match(await page.textContent(".trace"), /web.*GET \//s);
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "traces.png") });
  await page.click(".trace");
  await address(page, (p) => p.get("trace") === "4bf92f3577b34da600000000000000aa", "opened");
  await page.waitForSelector(".wf-row");
  assert.match(await page.textContent(".trace-view"), /parent that is not here.*Clocks disagree/s);
  const rows = await page.$$eval(".wf-row", (all) => all.length);
  assert.ok(rows < 80, `${rows} rows of 305 are in the page: only those that are seen should be`);
  await page.focus(".wf-rows");
  for (const key of ["Home", "ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
  await page.waitForSelector(".span-panel");
  assert.match(await page.textContent(".span-panel"), /cart: GET \/cart\/17.*no stock/s);
  assert.ok((await page.textContent(".span-panel")).includes(HOSTILE), "text from outside is text");
  await page.screenshot({ path: join(results, "trace.png") });
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction(() => document.querySelectorAll(".wf-row").length === 4);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await address(page, (p) => !p.has("trace"), "back to the list");
  await page.goto(`${base}/traces?show=map`);
  await page.waitForSelector(".map-node");
  assert.match(await page.textContent(".map"), /cart/);
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "map.png") });
  await page.goto(`${base}/traces?service=nobody`);
  await page.waitForSelector(".notice");
});

await step("Critique: a plan, a rejection, a rule of thumb", () => planIsCriticised(page, nameless, HOSTILE));
await step("Headroom: what is bounded", () => headroomIsShown(page, nameless));
await step("Captures: taken, looked into, read back", () => captureIsTaken(page, nameless));

await step("Monitors: one is made, fires, and is silenced", () => monitorIsMade(page, nameless, HOSTILE));

await step("SLOs: a promise is made, counted, told by Home; a week of monitors is reviewed", () =>
  promisesAndReview(page, nameless, HOSTILE),
);

await step("Changes: recorded, listed, marked, and drawn in a chart", async () => {
  await page.goto(`${base}/changes`);
  await page.click("text=Record a change");
  await page.fill("input[name=title]", `deployed ${HOSTILE}`);
  await page.fill("input[name=kind]", "deploy");
  await page.fill("input[name=link]", "https://ci.example/7");
  await page.click("summary");
  await page.fill("textarea[name=rollback]", "deploy 1.41");
  await page.screenshot({ path: join(results, "change-form.png") });
  await page.click("button[type=submit]");
  await address(page, (p) => p.has("change"), "the change is shown");
  await page.waitForSelector("aside.change-panel");
  assert.match(await page.textContent("aside.change-panel"), /How is it taken back\?.*deploy 1.41/s);
  await page.click("text=worked");
  await page.waitForSelector(".change .chip >> text=worked");
  assert.ok((await page.textContent(".changes")).includes(HOSTILE), "text from outside is text");
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "changes.png") });
  await page.goto(`${base}/look?q=node_load1&open=node_load1&last=15m`);
  await page.waitForSelector(".change-mark");
  await page.focus(".change-mark");
  await page.waitForSelector(".change-says a");
  await page.screenshot({ path: join(results, "change-line.png") });
});

await step("when Midwatch is gone, the page says so and what to do", async () => {
  const own = complaints.length;
  await page.context().route("**/api/v1/**", (route) => route.abort("connectionrefused"));
  await page.goto(`${base}/`);
  await page.waitForSelector(".notice-bad");
  assert.match(await page.textContent(".notice-bad"), /midwatch serve/);
  forgive(own);
  await page.context().unroute("**/api/v1/**");
});

await browser.close();
console.log("The interface holds.");
