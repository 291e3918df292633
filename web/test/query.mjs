// Ask anything: writes queries as a person would, by keys and by buttons, and reads tables, charts, mistakes, saved queries and
// links. Must never depend on how fast the machine is.
import assert from "node:assert/strict";
import { join } from "node:path";
import { address, base, complaints, nameless, newPage, results } from "./harness.mjs";

const CHART =
  "SELECT date_bin(interval '10 seconds', time) AS moment, avg(value) AS load\nFROM metrics\n" +
  "WHERE name = 'node_load1' AND time BETWEEN $from AND $to\nGROUP BY moment ORDER BY moment";

const cells = (page, row) =>
  page.$$eval(`.result tbody tr:nth-child(${row}) td`, (c) => c.map((td) => td.textContent));

/** Puts a query in the box and asks it. */
async function ask(page, text) {
  await page.fill(".editor-box", text);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Enter");
}

/** The browser names answers of 400 on its console: where a mistake is made on purpose they are no complaint. */
function forgive(from) {
  for (let i = complaints.length - 1; i >= from; i--)
    if (/status of 4\d\d .*\/api\/v1\/sql/.test(complaints[i])) complaints.splice(i, 1);
}

export async function queryPage(page, hostile) {
  await page.goto(`${base}/`);
  await page.waitForSelector(".headline");
  await page.keyboard.press("g");
  await page.keyboard.press("q");
  await page.waitForSelector(".example");
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "query-empty.png") });
  const link = await byKeys(page);
  // What a label holds is text on the page.
  await ask(page, "SELECT labels FROM series WHERE name = 'web_test_total'");
  await page.waitForFunction(
    (text) => document.querySelector(".result")?.textContent.includes(text),
    hostile,
  );
  await mistakes(page);
  await charts(page);
  await saved(page);
  // A link asks by itself.
  await page.goto(link);
  await page.waitForSelector(".result td");
  assert.deepEqual(await cells(page, 1), ["web_test_total", "1"]);
  await elsewhere(link);
}

/** A whole query by keys alone, with a suggestion taken; the link that holds it. */
async function byKeys(page) {
  await page.focus(".editor-box");
  await page.keyboard.type("SELECT name, count(*) AS n FROM ser");
  await page.waitForSelector(".suggestions");
  await page.screenshot({ path: join(results, "query-typing.png") });
  await page.keyboard.press("Tab");
  assert.match(await page.inputValue(".editor-box"), /FROM series$/, "Tab takes the first suggestion");
  await page.keyboard.type(" WHERE name = 'web_test_total' GROUP BY name");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(".result td");
  assert.deepEqual(await cells(page, 1), ["web_test_total", "1"]);
  await address(
    page,
    (p, url) => url.pathname === "/query" && p.get("text")?.includes("web_test_total"),
    "the query is in the link",
  );
  return page.url();
}

async function mistakes(page) {
  const before = complaints.length;
  await ask(page, "SELECT nam FROM series");
  await page.waitForSelector(".notice-bad");
  assert.match(
    await page.textContent(".notice-bad"),
    /nam.*name/s,
    "it says what is wrong, and what there is",
  );
  await page.screenshot({ path: join(results, "query-mistake.png") });
  await ask(page, "DROP TABLE metrics");
  await page.waitForFunction(() => /dropped/.test(document.querySelector(".notice-bad")?.textContent ?? ""));
  forgive(before);
  // A long one is given up with Esc.
  await ask(page, "SELECT count(*) FROM generate_series(1, 100000000000)");
  await page.waitForSelector(".query-running:not(:empty)");
  await page.keyboard.press("Escape");
  await page.waitForSelector(".button-main");
}

async function charts(page) {
  await ask(page, CHART);
  await page.waitForSelector(".result td");
  await page.click("text=Chart");
  await page.waitForSelector(".result-plot canvas");
  await page.screenshot({ path: join(results, "query-chart-sql.png") });
  await page.click(".query-tools >> text=PromQL");
  await ask(page, "sum by (mode) (rate(node_cpu_seconds_total[1m]))");
  await page.waitForFunction(() =>
    /mode=idle/.test(document.querySelector(".result-legend")?.textContent ?? ""),
  );
  await address(
    page,
    (p) => p.get("show") === "chart" && p.get("lang") === "promql",
    "the chart is in the link",
  );
  await page.screenshot({ path: join(results, "query-chart.png") });
}

/** Saved by name, found after the page is opened anew, opened, deleted. */
async function saved(page) {
  await page.click("text=Save …");
  await page.keyboard.type("processors");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".saved-open");
  await page.goto(`${base}/query`);
  await page.click(".saved-open");
  await page.waitForFunction(
    () =>
      /mode=idle/.test(document.querySelector(".query-main")?.textContent ?? "") ||
      document.querySelector(".result td") !== null,
  );
  assert.match(await page.inputValue(".editor-box"), /node_cpu_seconds_total/);
  await page.screenshot({ path: join(results, "query-saved.png") });
  await page.click(".saved-delete");
  await page.waitForFunction(() => !document.querySelector(".saved-open"));
  assert.deepEqual(await nameless(page), []);
}

/** In the dark, and on a small screen: nothing is too wide. */
async function elsewhere(link) {
  const page = await newPage({ viewport: { width: 360, height: 740 }, colorScheme: "dark" });
  for (const [url, name] of [
    [`${base}/query`, "query-narrow-empty"],
    [link, "query-narrow"],
    [`${base}/query?lang=promql&show=chart&text=node_load1`, "query-narrow-chart"],
  ]) {
    await page.goto(url);
    await page.waitForSelector(".example, .result td, .result-plot canvas");
    const over = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    assert.equal(over, 0, `${url} is ${over} px too wide`);
    await page.screenshot({ path: join(results, `${name}.png`) });
  }
  await page.context().close();
}
