// What else moved: drags over a chart with Shift, as a person would, and reads the answer. Must never depend on how fast the
// machine is.
import assert from "node:assert/strict";
import { join } from "node:path";
import { base, params, results } from "./harness.mjs";

export async function whatMoved(page) {
  // Two that move at one instant in the middle of the last ten minutes, one of them first; and one that does not.
  const now = Math.floor(Date.now() / 1000) * 1000;
  const times = Array.from({ length: 300 }, (_, i) => now - (600 - i * 2) * 1000);
  const line = (name, by, late) => ({
    metric: { __name__: name, service: "shop" },
    values: times.map((_, i) => 10 + ((i * 7919) % 13) / 13 + (i >= 220 + late ? by : 0)),
    timestamps: times,
  });
  const body = [line("web_queue", 40, 0), line("web_wait_seconds", 5, 2), line("web_calm", 0, 0)];
  const sent = await fetch(`${base}/api/v1/import`, {
    method: "POST",
    body: body.map((l) => `${JSON.stringify(l)}\n`).join(""),
  });
  assert.ok(sent.ok, await sent.text());
  await page.goto(`${base}/look?open=web_queue%7Bservice%3D%22shop%22%7D&last=10m`);
  await dragWithShift(page);
  await page.waitForSelector(".moved-group");
  assert.equal(new URL(page.url()).pathname, "/compare");
  const group = page.locator(".moved-group", { hasText: "service=shop" });
  await group.first().waitFor();
  // What comes first is a part of the answer only.
  await page.waitForFunction(() => document.querySelector(".asking") === null);
  const titles = await group.first().locator(".moved-title").allTextContents();
  assert.deepEqual(titles, ["web queue", "web wait"], "in the order in which they began");
  assert.match(await group.first().textContent(), /rose from 10\.\d* to [345]\d/);
  assert.match(await group.first().textContent(), /first.*\+4 s/s);
  assert.equal(await page.locator(".moved-title", { hasText: "web calm" }).count(), 0);
  await page.screenshot({ path: join(results, "moved.png") });
  await page.keyboard.press("y");
  await page.waitForFunction(() => new URL(location.href).searchParams.get("against") === "day");
  await page.keyboard.press("p");
  await page.locator(".moved-title", { hasText: "web queue" }).first().click();
  await page.waitForSelector(".plot .u-over");
  assert.match(params(page).get("open"), /^web_queue/);
}

/** Drags over the last third of the chart, while it gets new data and is drawn anew in other colours: the drag goes on. */
async function dragWithShift(page) {
  await page.waitForSelector(".plot .u-over");
  const plot = page.locator(".plot .u-over").first();
  const box = await plot.boundingBox();
  const before = await plot.elementHandle();
  await page.keyboard.down("Shift");
  await page.mouse.move(box.x + box.width * 0.68, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.85, box.y + box.height / 2, { steps: 4 });
  await page.keyboard.press("D");
  await page.waitForResponse((r) => r.url().includes("/api/v1/look/chart"));
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  assert.ok(
    await before.evaluate((node) => node.isConnected),
    "the chart is the same while it is dragged over",
  );
  await page.mouse.move(box.x + box.width - 2, box.y + box.height / 2, { steps: 4 });
  await page.mouse.up();
  await page.keyboard.up("Shift");
  await page.waitForFunction(() => location.pathname === "/compare");
  await page.keyboard.press("D");
}
