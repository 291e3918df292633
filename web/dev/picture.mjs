// Takes the picture of Look that stands in the README: a screenshot of the running program with what it has recorded.
//   MIDWATCH_URL=http://127.0.0.1:4004 npm run picture [PATH]
// PATH is what to look at, /look with the processors of this machine at the top if none is given. Let the program record
// for the fifteen minutes that are shown, with some work going on.
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const BYTES_MAX = 300_000;
const base = process.env.MIDWATCH_URL ?? "http://127.0.0.1:4004";
const file = join(dirname(fileURLToPath(import.meta.url)), "../../docs/pictures/look.png");

/** Look, scrolled to the processors of the first host. */
async function processors() {
  const { data } = await (await fetch(`${base}/api/v1/look/find?group=entity&q=`)).json();
  const cpu = data.groups.find((g) => g.kind === "cpu");
  const at = cpu ? [cpu.kind, cpu.parent ?? "", cpu.title].join("/") : "";
  return `/look?at=${encodeURIComponent(at)}`;
}

const path = process.argv[2] ?? (await processors());
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: "dark" });
await page.goto(base + path);
await page.waitForFunction(() => {
  const seen = [...document.querySelectorAll("#wall [role=option]")].map((e) => e.textContent);
  return seen.length > 10 && !seen.includes("loading");
});
// The pointer on a chart shows its moment on all of them.
const wall = await page.locator("#wall").boundingBox();
await page.mouse.move(wall.x + wall.width * 0.26, wall.y + wall.height * 0.45);
await page.waitForFunction(() => document.querySelector(".readout").textContent !== "");
await page.screenshot({ path: file });
await browser.close();
const { size } = statSync(file);
console.log(`${file}: ${size} bytes`);
if (size > BYTES_MAX) throw new Error(`more than ${BYTES_MAX} bytes: look at something calmer`);
