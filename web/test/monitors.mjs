// A monitor is made, fires, is opened with its picture, silenced, and told by Home. Must never depend on what this machine
// happens to be like.
import assert from "node:assert/strict";
import { join } from "node:path";
import { base, params, results } from "./harness.mjs";

export async function monitorIsMade(page, nameless, hostile) {
  await page.goto(`${base}/monitors`);
  await page.waitForSelector("h1");
  await barIsSkipped(page);
  await page.click("text=Make a monitor");
  assert.equal(params(page).get("form"), "new");
  await page.fill("textarea[name=expr]", "vector(7) > 1");
  await page.fill("input[name=name]", "BrowserFires");
  await page.click("text=at once");
  assert.deepEqual(await nameless(page), []);
  await page.click("button[type=submit]");
  const row = page.locator("table tr", { hasText: "BrowserFires" });
  await row.locator("text=/firing/i").waitFor();
  await row.locator("a").click();
  await page.waitForSelector(".monitor-detail svg[role=img]");
  await page.screenshot({ path: join(results, "monitor.png"), fullPage: true });
  await incidentIsTold(page, nameless, hostile);
  await page
    .locator(".monitor-detail")
    .getByRole("button", { name: /silence/i })
    .last()
    .click();
  await page.fill("input[name=author]", "nadia");
  await page.fill("input[name=reason]", `moving it ${hostile}`);
  await page.click("form button[type=submit]");
  await page.waitForSelector(".silences");
  assert.ok((await page.textContent(".silences")).includes(hostile), "text from outside is text");
  await row.locator(".chip").waitFor();
  assert.deepEqual(await nameless(page), []);
  await page.goto(base);
  await page.waitForSelector("text=BrowserFires");
}

/** What fires is called an incident: it counts in the review and stands among the changes. What is typed stays, whatever is asked anew. */
async function incidentIsTold(page, nameless, hostile) {
  await page.getByRole("button", { name: "It is an incident" }).click();
  await page.fill("input[name=title]", `nobody can pay ${hostile}`);
  await page.fill("input[name=author]", "nadia");
  for (let i = 0; i < 2; i++) await page.waitForResponse((r) => r.url().endsWith("/api/v1/monitors"));
  assert.ok((await page.inputValue("input[name=title]")).startsWith("nobody can pay"), "typed text stays");
  assert.deepEqual(await nameless(page), []);
  await page.getByRole("form", { name: "It is an incident" }).getByRole("button").first().click();
  await page.waitForSelector("text=Recorded as an incident");
  const answer = await page.request.get(`${base}/api/v1/monitors/review`);
  const { data } = await answer.json();
  assert.equal(data.monitors.find((m) => m.name === "BrowserFires").week.incidents, 1);
  const told = await page.request.get(`${base}/api/v1/changes?kind=incident`);
  const [change] = (await told.json()).data.changes;
  assert.ok(change.title.includes(hostile) && change.author === "nadia", JSON.stringify(change));
}

/** By keyboard, one press leads past all that stands above every page. */
async function barIsSkipped(page) {
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent.trim()), "Skip to the page");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "MAIN");
}
