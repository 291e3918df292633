// What the browser test needs: a browser, pages that complain of everything that must never happen, steps with names,
// and waits for what a person would wait for. Must never wait a fixed time where it can wait for something.
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const base = process.env.MIDWATCH_URL?.replace(/\/$/, "");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!base) throw new Error("MIDWATCH_URL is not set: start `midwatch serve` and give its address.");
if (!existsSync(executablePath))
  throw new Error(`No browser at ${executablePath}: apt install chromium, or set CHROMIUM.`);

export const results = join(dirname(fileURLToPath(import.meta.url)), "..", "test-results");
mkdirSync(results, { recursive: true });
const WAIT_MS = 30_000;

export const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

/** Everything that must never happen, whatever page is open. */
export const complaints = [];

export async function newPage(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(WAIT_MS);
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (e) =>
      console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`),
    );
  });
  const page = await context.newPage();
  page.on("request", (r) => {
    const url = new URL(r.url());
    if (url.protocol !== "data:" && url.origin !== new URL(base).origin)
      complaints.push(`left the origin: ${r.url()}`);
  });
  page.on(
    "console",
    (m) => m.type() === "error" && complaints.push(`console: ${m.text()} ${m.location().url}`),
  );
  page.on("pageerror", (e) => complaints.push(`exception: ${e.stack ?? e}`));
  page.on("dialog", (d) => {
    complaints.push(`dialog: ${d.message()}`);
    void d.dismiss();
  });
  return page;
}

export const params = (page) => new URL(page.url()).searchParams;
/** Waits until the address says so: it follows a moment after the view. */
export const address = (page, test, what) =>
  page
    .waitForURL((url) => test(url.searchParams, url), { timeout: WAIT_MS })
    .catch(() => {
      throw new Error(`${what}: the address is ${page.url()}`);
    });
export const counted = (page) =>
  page.waitForFunction(() => /\d series/.test(document.querySelector(".count")?.textContent ?? ""));
export const total = async (page) =>
  Number((await page.textContent(".count")).replaceAll(",", "").match(/\d+/)[0]);
export const spoken = (page) => page.locator("#wall [role=option]");
export const loaded = (page) =>
  page.waitForFunction(() => {
    // A wall that has nothing to show yet is there, but out of the way.
    if (document.querySelector(".wall-holder.hidden")) return false;
    const first = document.querySelector("#wall [role=option]")?.textContent ?? "loading";
    return first !== "" && first !== "loading";
  });

/** Fails on complaints so far, so that the step that caused them is the one named. */
export async function step(page, name, f) {
  const began = performance.now();
  try {
    await f();
    assert.deepEqual(complaints, []);
    console.log(`ok    ${name} (${(performance.now() - began).toFixed(0)} ms)`);
  } catch (e) {
    await page.screenshot({ path: join(results, "failed.png") }).catch(() => undefined);
    console.error(
      `FAIL  ${name}\n      at ${page.url()}\n      complaints: ${complaints.join("; ") || "none"}`,
    );
    console.error(e);
    await browser.close();
    process.exit(1);
  }
}

/** Everything that is pressed, followed or filled has a name for those who do not see it. */
export async function nameless(page) {
  const cdp = await page.context().newCDPSession(page);
  const { nodes } = await cdp.send("Accessibility.getFullAXTree");
  await cdp.detach();
  const roles = ["button", "link", "textbox", "combobox", "listbox", "option", "dialog", "img", "table"];
  return nodes
    .filter((n) => !n.ignored && roles.includes(n.role?.value) && !n.name?.value)
    .map((n) => n.role.value);
}

/** The wall's picture as it is, and as it is when all of it is painted anew: the share of pixels that differ much. */
export async function repaintDiffers(page) {
  const frames = () =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const take = () => page.evaluate(() => document.querySelector(".wall-canvas").toDataURL());
  await frames();
  const before = await take();
  // Other colours and back: nothing of the old picture is kept.
  await page.keyboard.press("D");
  await frames();
  await page.keyboard.press("D");
  await frames();
  const after = await take();
  return page.evaluate(
    async ([a, b]) => {
      const read = async (url) => {
        const image = new Image();
        image.src = url;
        await image.decode();
        const canvas = document.createElement("canvas");
        canvas.width = image.width;
        canvas.height = image.height;
        const ctx = canvas.getContext("2d");
        ctx.drawImage(image, 0, 0);
        return ctx.getImageData(0, 0, image.width, image.height).data;
      };
      const [one, other] = [await read(a), await read(b)];
      let much = 0;
      for (let i = 0; i < one.length; i++) if (Math.abs(one[i] - other[i]) > 96) much++;
      return much / one.length;
    },
    [before, after],
  );
}

export async function dragAcross(page, box, from, to) {
  const y = box.y + box.height * 0.75;
  await page.mouse.move(box.x + box.width * from, y);
  await page.mouse.down();
  for (let i = 1; i <= 5; i++) await page.mouse.move(box.x + box.width * (from + ((to - from) * i) / 5), y);
  await page.mouse.up();
}
