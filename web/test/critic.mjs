// A plan is criticised, a critique is rejected with a reason, a rule of thumb is written; and headroom. Must never depend on what
// this machine happens to be like.
import assert from "node:assert/strict";
import { join } from "node:path";
import { base, params, results } from "./harness.mjs";

const send = (path, body) =>
  fetch(base + path, { method: "POST", body }).then(async (r) => assert.ok(r.ok, await r.text()));

export async function planIsCriticised(page, nameless, hostile) {
  const now = Math.floor(Date.now() / 1000) * 1000;
  const times = Array.from({ length: 200 }, (_, i) => now - (199 - i) * 15_000);
  const up = (n, value) => ({
    metric: { __name__: "up", job: "billing", instance: `billing-${n}` },
    values: times.map(() => value),
    timestamps: times,
  });
  await send("/api/v1/import", [up(1, 1), up(2, 0)].map((l) => `${JSON.stringify(l)}\n`).join(""));
  await page.goto(`${base}/critique`);
  await page.fill("input[name=plan]", `restart billing-1 ${hostile}`);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".critic-line");
  assert.match(params(page).get("plan"), /^restart billing-1/);
  const first = page.locator(".critic-line").first();
  assert.match(await first.textContent(), /last healthy copy.*Only 1 copy of billing/s);
  assert.match(await first.locator("a", { hasText: "look" }).getAttribute("href"), /^\/look\?/);
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "critique.png"), fullPage: true });
  await first.locator("text=Not here").click();
  await page.fill("input[name=because]", "nobody asks it at night");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=because nobody asks it at night");
  await page.click("text=Rules");
  await page.click("text=Write down a rule of thumb");
  await page.fill("input[name=see]", `billing drifts ${hostile}`);
  await page.fill("input[name=look]", "the ledger");
  await page.fill("input[name=because]", "it was that last time");
  await page.click("text=Make it a rule");
  await page.waitForSelector(".critic-rules >> text=When billing drifts");
  assert.ok((await page.textContent(".critic-rules")).includes(hostile), "text from outside is text");
  await page.fill(".critic-find input", "healthy copy");
  await page.waitForFunction(() => document.querySelectorAll(".critic-rules > li").length < 5);
  assert.match(await page.textContent(".critic-rules"), /left out for billing/);
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "rules.png") });
}

export async function headroomIsShown(page, nameless) {
  await page.goto(`${base}/headroom`);
  await page.waitForSelector(".rooms tbody tr");
  assert.match(await page.textContent(".rooms"), /Disk space|Memory/);
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "headroom.png") });
}
