/** The address bar holds the whole state: everything that goes in comes out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { metricOf, promqlOf, quote, sameLabels, selectorOf, withMatcher } from "../../src/state/selector";
import { defaults, isNavigation, parseUrl, toUrl, unreadable, type ViewState } from "../../src/state/url";

test("a view survives the address and back", () => {
  const views: Partial<ViewState>[] = [
    {},
    { page: "targets" },
    { q: "disk sda device=sda", range: { kind: "last", seconds: 5400 } },
    { range: { kind: "fixed", from: Date.UTC(2026, 10, 21, 10), to: Date.UTC(2026, 10, 21, 11, 0, 0, 250) } },
    { group: "metric", raw: true, why: true, under: ["h", "w"], at: "disk/host vm/sda~120" },
    { open: ['a{b="c"}', 'x{y="&=?#+ %é"}'], pick: ['up{job="<img src=x onerror=alert(1)>"}'] },
    { shut: ["cpu/host vm/cpu 0", "a&b=c"], match: '{label="50 % + more"}' },
  ];
  for (const change of views) {
    const view = { ...defaults("look"), ...change };
    assert.deepEqual(parseUrl(toUrl(view)), view, toUrl(view));
  }
});

test("what is as by default is left out, and links stay readable", () => {
  assert.equal(toUrl(defaults("home")), "/");
  assert.equal(toUrl(defaults("look")), "/look");
  assert.equal(
    toUrl({ ...defaults("look"), q: "disk sda", range: { kind: "last", seconds: 3600 } }),
    "/look?q=disk+sda&last=1h",
  );
});

test("nonsense becomes the default, not an error", () => {
  for (const url of [
    "/look?last=never",
    "/look?from=x&to=y",
    "/look?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    "/look?group=9&mode=&under=z&why=2",
    "/look/",
  ]) {
    assert.deepEqual(parseUrl(url), defaults("look"), url);
  }
  assert.equal(parseUrl("/nowhere").page, "home");
  assert.equal(
    parseUrl(`/look?${Array.from({ length: 500 }, (_, i) => `open=a${i}`).join("&")}`).open.length,
    50,
  );
  assert.equal(parseUrl(`/look?q=${"x".repeat(9000)}`).q.length, 4000);
});

test("a time that cannot be read is said, not swallowed", () => {
  for (const url of ["/look?last=never", "/look?from=x&to=y", "/look?from=2026-01-02T00:00:00Z"])
    assert.match(unreadable(url), /cannot be read/, url);
  for (const url of ["/look", "/look?last=2h&q=x", "/look?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z"])
    assert.equal(unreadable(url), "", url);
});

test("another page, range or chart is a step in the history; words and scrolling are not", () => {
  const a = defaults("look");
  assert.ok(isNavigation(a, { ...a, page: "home" }));
  assert.ok(isNavigation(a, { ...a, range: { kind: "last", seconds: 60 } }));
  assert.ok(isNavigation(a, { ...a, open: ["up"] }));
  assert.ok(!isNavigation(a, { ...a, q: "x", at: "y", raw: true, shut: ["z"] }));
});

test("selectors are written with every value escaped", () => {
  assert.equal(selectorOf("up", {}), "up");
  assert.equal(
    selectorOf("up", { job: "a", __name__: "up", instance: 'b"\\\n' }),
    'up{instance="b\\"\\\\\\n",job="a"}',
  );
  assert.equal(
    selectorOf("http.server.duration", { "a.b": "c" }),
    '{__name__="http.server.duration","a.b"="c"}',
  );
  assert.equal(quote("<img>"), '"<img>"');
});

test("a matcher is added to any selector once", () => {
  const table: [string, string][] = [
    ["", '{a="b"}'],
    ["up", 'up{a="b"}'],
    ["up{}", 'up{a="b"}'],
    ['up{c="d"}', 'up{c="d",a="b"}'],
    ['up{c="d",}', 'up{c="d",a="b"}'],
    ['up{a="b"}', 'up{a="b"}'],
  ];
  for (const [from, to] of table) assert.equal(withMatcher(from, "a", "b"), to, from);
});

test("the metric of a selector, the query of a chart, equal labels", () => {
  assert.equal(metricOf('node_cpu{a="b"}'), "node_cpu");
  assert.equal(metricOf('{__name__="a.b",c="d"}'), "a.b");
  assert.equal(metricOf('{c="d"}'), "");
  assert.equal(promqlOf("x_total", "rate", 60), "rate(x_total[60s])");
  assert.equal(promqlOf("x", "raw", 60), "x");
  assert.ok(sameLabels({ a: "b", __name__: "x" }, { a: "b" }));
  assert.ok(!sameLabels({ a: "b" }, { a: "b", c: "" }));
});
