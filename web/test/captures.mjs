// A capture is taken by the button, opens at its trigger, its scrubber moves charts and tables together, it is read back, pinned
// and compared. Must never depend on what this machine happens to be doing.
import assert from "node:assert/strict";
import { join } from "node:path";
import { base, params, results } from "./harness.mjs";

export async function captureIsTaken(page, nameless) {
  await page.goto(`${base}/captures`);
  await page.click("text=Capture now");
  await page.waitForFunction(() => new URL(location.href).searchParams.get("capture") !== null);
  const first = params(page).get("capture");
  await page.waitForSelector(".capture-charts svg");
  await page.waitForSelector('[aria-label="processes at the moment"] tbody tr');
  assert.ok((await page.textContent(".capture-scrubber")).includes("the trigger"), "it opens at the trigger");
  assert.deepEqual(await nameless(page), []);
  await page.screenshot({ path: join(results, "capture.png"), fullPage: true });
  const before = await page.textContent(".capture-scrubber");
  await page.focus(".capture-scrubber input");
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction((t) => document.querySelector(".capture-scrubber").textContent !== t, before);
  // The address follows a little later, once for many moves.
  await page.waitForFunction(() => new URL(location.href).searchParams.get("moment") !== null);
  await page.getByRole("tab", { name: "sockets" }).click();
  await page.waitForSelector('[aria-label="sockets at the moment"], .muted');
  await page.click("text=Read every checksum back");
  await page.waitForSelector(".capture-whole");
  await page.getByRole("button", { name: "Pin" }).click();
  await page.getByRole("button", { name: "Let go" }).waitFor();
  await page.click("text=All captures");
  const row = page.locator("table.captures tr", { hasText: "pinned" });
  await row.first().waitFor();
  assert.ok(first);
  assert.deepEqual(await nameless(page), []);
}
