// Where to look first: brushes over trouble, goes on with one key, and follows a piece of evidence. Must never depend on how
// fast the machine is.
import assert from "node:assert/strict";
import { join } from "node:path";
import { base, params, results } from "./harness.mjs";

export async function whereToLook(page) {
  // Half an hour of requests through two services; for the last five minutes one of them ends early, and a queue grows in it.
  const now = Math.floor(Date.now() / 1000) * 1000;
  const times = Array.from({ length: 360 }, (_, i) => now - (1800 - i * 5) * 1000);
  const series = (name, service, by) => ({
    metric: { __name__: name, service },
    values: times.map((_, i) => 10 + ((i * 7919) % 13) / 13 + (i >= 300 ? by : 0)),
    timestamps: times,
  });
  const lines = [series("advise_queue", "till", 40), series("advise_queue", "stall", 0)];
  const sent = await fetch(`${base}/api/v1/import`, {
    method: "POST",
    body: lines.map((l) => `${JSON.stringify(l)}\n`).join(""),
  });
  assert.ok(sent.ok, await sent.text());
  const record = (t, i, text) => ({
    timeUnixNano: `${t}000000`,
    traceId: (i + 1).toString(16).padStart(32, "a"),
    spanId: (i + 1).toString(16).padStart(16, "b"),
    body: { stringValue: text },
  });
  const records = times.flatMap((t, i) => [
    record(t, i, `till opened for customer ${i}`),
    ...(i < 300 ? [record(t, i, `till closed for customer ${i}`)] : []),
  ]);
  const logged = await fetch(`${base}/v1/logs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      resourceLogs: [
        {
          resource: { attributes: [{ key: "service.name", value: { stringValue: "till" } }] },
          scopeLogs: [{ logRecords: records }],
        },
      ],
    }),
  });
  assert.ok(logged.ok, await logged.text());
  const iso = (ms) => encodeURIComponent(new Date(ms).toISOString());
  const range = `from=${iso(now - 300_000)}&to=${iso(now)}`;
  await page.goto(`${base}/compare?match=${encodeURIComponent('{service=~"till|stall"}')}&${range}`);
  await page.waitForSelector(".moved-group");
  await page.keyboard.press("d");
  await page.waitForSelector(".advice-card");
  assert.equal(new URL(page.url()).pathname, "/advise");
  assert.equal(params(page).get("match"), '{service=~"till|stall"}', "the same series as before");
  const card = page.locator(".advice-card").first();
  const text = await card.textContent();
  assert.match(text, /1 till service/, text);
  assert.match(text, /no longer comes with/);
  assert.match(text, /rose from 10\.\d* to [45]\d/);
  assert.equal(await page.locator(".advice-card", { hasText: "stall service" }).count(), 0);
  await page.screenshot({ path: join(results, "advise.png"), fullPage: true });
  // What became of it: kept, and a reason is asked for where one is needed.
  await card.getByRole("button", { name: "It was not: till" }).click();
  await card.getByLabel("Because").fill("the till was shut for lunch");
  await card.getByRole("button", { name: "Say so" }).click();
  await card.getByText("Kept.").waitFor();
  await card.getByRole("button", { name: "It was there: till" }).click();
  await card.getByRole("button", { name: "It was there: till", pressed: true }).waitFor();
  const ledger = await (await fetch(`${base}/api/v1/advise/ledger`)).json();
  const said = ledger.data.advice[0].directions[0].said;
  assert.deepEqual([said.what, said.entity], ["right", "till"], "the last word counts");
  // From piece to piece by keys; each leads to where it is seen.
  await page.keyboard.press("j");
  const focused = await page.evaluate(() => document.activeElement?.className);
  assert.equal(focused, "advice-open");
  await card.locator("a", { hasText: "rose from" }).click();
  await page.waitForSelector(".plot .u-over");
  assert.match(params(page).get("open"), /^advise_queue/);
  await page.goBack();
  await page.waitForSelector(".advice-card");
  await page.keyboard.press("y");
  await page.waitForFunction(() => new URL(location.href).searchParams.get("against") === "day");
  await page.keyboard.press("p");
  await page.waitForSelector(".advice-card");
  // What takes long is stopped by Esc, and asked again only when somebody wants it.
  let held;
  const asked = new Promise((resolve) => {
    held = resolve;
  });
  await page.route("**/api/v1/advise", () => held());
  await page.keyboard.press("y");
  await asked;
  await page.keyboard.press("Escape");
  await page.getByText("Stopped.").waitFor();
  await page.unroute("**/api/v1/advise");
  await page.getByRole("button", { name: "Ask again" }).click();
  await page.getByText("Looked at").waitFor();
}
