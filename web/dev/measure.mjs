// Measures the interface in a real browser against a running server (made-up data or the program): first paint, the
// search, and, while the wall is scrolled, the time between frames and the script's own part of it. Prints a table;
// asserts nothing.
//   MIDWATCH_URL=http://127.0.0.1:4005 node dev/measure.mjs
import { chromium } from "playwright-core";

const base = process.env.MIDWATCH_URL ?? "http://127.0.0.1:4005";
const FRAME_MS = 1000 / 60;
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

/** Times every callback that the page gives to requestAnimationFrame: the wall paints in one. */
function timeFrames() {
  const own = requestAnimationFrame.bind(window);
  window.ownFrame = own;
  window.painting = [];
  window.requestAnimationFrame = (f) =>
    own((now) => {
      const began = performance.now();
      f(now);
      window.painting.push(performance.now() - began);
    });
  window.longTasks = [];
  new PerformanceObserver((list) => {
    for (const e of list.getEntries()) window.longTasks.push(e.duration);
  }).observe({ type: "longtask" });
}

function summary(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q) => (sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0).toFixed(1);
  const late = values.filter((v) => v > FRAME_MS * 1.5).length;
  return `median ${at(0.5)}, p99 ${at(0.99)}, worst ${at(1)} ms, late ${late} of ${values.length}`;
}

/** Scrolls `step` px a frame for `frames` frames: the time between frames, and the script's in each. */
async function scroll(page, step, frames) {
  return page.evaluate(
    ([step, frames]) =>
      new Promise((done) => {
        const wall = document.getElementById("wall");
        const gaps = [];
        let last = 0;
        window.painting.length = 0;
        window.longTasks.length = 0;
        const frame = (now) => {
          if (last > 0) gaps.push(now - last);
          last = now;
          wall.scrollTop += step;
          if (gaps.length < frames) window.ownFrame(frame);
          else done({ gaps, painting: window.painting.slice(), long: window.longTasks.slice() });
        };
        window.ownFrame(frame);
      }),
    [step, frames],
  );
}

for (const [width, height] of [
  [1280, 800],
  [1920, 1080],
  [3840, 2100],
]) {
  const page = await browser.newPage({ viewport: { width, height } });
  await page.addInitScript(timeFrames);
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
  for (const [name, step] of [
    ["slow, 20 px a frame", 20],
    ["fast, 300 px a frame", 300],
    ["flying, 20,000 px", 20_000],
  ]) {
    const { gaps, painting, long } = await scroll(page, step, 300);
    console.log(`  ${name}\n    between frames: ${summary(gaps)}\n    painting:       ${summary(painting)}`);
    if (long.length > 0) console.log(`    long tasks:     ${long.map((l) => l.toFixed(0)).join(", ")} ms`);
  }
  await page.close();
}
await browser.close();
