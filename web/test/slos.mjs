// A promise is made, counted over what is stored, shown in words with its budget, and told by Home. Must never depend on what this
// machine happens to be like.
import assert from "node:assert/strict";
import { join } from "node:path";
import { base, params, results } from "./harness.mjs";

export async function promisesAndReview(page, nameless, hostile) {
  await promiseIsMade(page, nameless, hostile);
  await weekIsReviewed(page, nameless);
}

async function promiseIsMade(page, nameless, hostile) {
  await page.goto(`${base}/slos`);
  await page.click("text=Make a promise");
  assert.equal(params(page).get("form"), "new");
  await page.fill("input[name=name]", "Browser keeps it");
  await page.fill("input[name=about]", `Said by a browser ${hostile}`);
  await page.click("text=a value within a limit");
  await page.fill("input[name=value]", "vector(1)");
  await page.fill("input[name=at_most]", "2");
  assert.deepEqual(await nameless(page), []);
  await page.fill("input[name=objective]", "99 %");
  await page.click("form button[type=submit]");
  // A page of its own, with an address that can be given to anybody.
  await page.waitForSelector(".slo h1");
  assert.equal(params(page).get("slo"), "browser-keeps-it");
  await page.locator(".slo-state", { hasText: "fine" }).waitFor();
  assert.ok((await page.textContent(".slo-about")).includes(hostile), "text from outside is text");
  assert.ok((await page.textContent(".slo-words")).includes("99 % of the time"), "in plain words");
  await page.waitForSelector(".budget-chart");
  const badge = await page.request.get(`${base}/api/v1/slos/browser-keeps-it/badge.svg`);
  assert.ok((await badge.text()).includes("Browser keeps it: fine"), "a badge in words");
  await page.screenshot({ path: join(results, "slo.png"), fullPage: true });
  assert.deepEqual(await nameless(page), []);
  await page.goto(base);
  await page.click("a.tile:has-text('Browser keeps it')");
  await page.waitForSelector(".slo h1");
  await page.click("text=All SLOs");
  await page.locator(".slos-table tr", { hasText: "Browser keeps it" }).waitFor();
}

/** The review has the monitor that fires, takes a decision with one click, and takes it back. */
async function weekIsReviewed(page, nameless) {
  await page.goto(`${base}/monitors?show=review`);
  await page.waitForSelector("text=What no monitor saw");
  await page.click("text=/Show .* more/");
  await page.locator(".review-table tr", { hasText: "BrowserFires" }).first().waitFor();
  const decided = await page.request.get(`${base}/api/v1/monitors/review`);
  const { data } = await decided.json();
  const { id } = data.monitors.find((m) => m.name === "BrowserFires");
  const taken = await page.request.post(`${base}/api/v1/monitors/${id}/decide`, {
    data: { severity: "info", user: "nadia" },
  });
  assert.equal(taken.status(), 200);
  await page.reload();
  await page.waitForSelector("text=What was decided");
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "review.png"), fullPage: true });
  await page.click("text=Take it back");
  await page.waitForSelector("text=It is as its file has it again");
}
