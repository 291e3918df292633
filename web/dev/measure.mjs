// Measures the interface in a real browser against a running server (made-up data or the program): first paint, the
// search, and the time between frames while the wall is scrolled. Prints a table; asserts nothing.
//   MIDWATCH_URL=http://127.0.0.1:4005 node dev/measure.mjs
import { chromium } from "playwright-core";

const base = process.env.MIDWATCH_URL ?? "http://127.0.0.1:4005";
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
  ],
});
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

/** Time between frames while `step` px are scrolled per frame for `frames` frames. */
async function scroll(page, step, frames) {
  const gaps = await page.evaluate(
    ([step, frames]) =>
      new Promise((done) => {
        const wall = document.getElementById("wall");
        const gaps = [];
        let last = 0;
        const frame = (now) => {
          if (last > 0) gaps.push(now - last);
          last = now;
          wall.scrollTop += step;
          if (gaps.length < frames) requestAnimationFrame(frame);
          else done(gaps);
        };
        requestAnimationFrame(frame);
      }),
    [step, frames],
  );
  gaps.sort((a, b) => a - b);
  const late = gaps.filter((g) => g > 25).length;
  return `frames ${frames}, p50 ${quantile(gaps, 0.5).toFixed(1)} ms, p95 ${quantile(gaps, 0.95).toFixed(1)} ms, max ${gaps.at(-1).toFixed(1)} ms, over 25 ms: ${late}`;
}

for (const [width, height] of [
  [1280, 800],
  [1920, 1080],
  [3840, 2100],
]) {
  const page = await browser.newPage({ viewport: { width, height } });
  await page.goto(`${base}/look`);
  const paint = await page.evaluate(
    () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  );
  await page.waitForFunction(() => document.querySelector(".count")?.textContent?.includes("series in"));
  const ready = await page.evaluate(() => performance.now());
  await page.waitForTimeout(1500);
  console.log(
    `${width} x ${height}: first paint ${paint?.toFixed(0)} ms, series found after ${ready.toFixed(0)} ms`,
  );
  console.log(`  slow scroll (20 px a frame):    ${await scroll(page, 20, 200)}`);
  console.log(`  fast scroll (300 px a frame):   ${await scroll(page, 300, 200)}`);
  console.log(`  flying (20,000 px a frame):     ${await scroll(page, 20_000, 120)}`);
  const cpu = await page.context().newCDPSession(page);
  await cpu.send("Performance.enable");
  const task = async () =>
    (await cpu.send("Performance.getMetrics")).metrics.find((m) => m.name === "ScriptDuration").value;
  const before = await task();
  await scroll(page, 20, 200);
  console.log(`  script per frame, slow scroll:  ${(((await task()) - before) * 5).toFixed(2)} ms`);
  await page.close();
}
await browser.close();
