/** Text of logs is harmless, and conditions are typed as the server reads them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { condition, firstLine, harmless, holds, split, toggled } from "../../src/logs/text";
import { defaults, parseUrl, toUrl } from "../../src/state/url";

test("control characters and terminal escapes become pictures of themselves", () => {
  assert.equal(harmless("a\u001b[31mred\u0000\u007f\u009b"), "a␛[31mred␀␡\ufffd");
  assert.equal(harmless("two\nlines\tand ü"), "two\nlines\tand ü");
  assert.equal(harmless("\u202egnp.exe"), "\ufffdgnp.exe");
});

test("conditions come and go", () => {
  assert.equal(condition("user.id", "a b"), 'user.id:"a b"');
  assert.equal(condition("x", ""), 'x:""');
  assert.equal(condition("x", 'a"b\\', true), '-x:"a\\"b\\\\"');
  assert.deepEqual(split('a "b c" x:"d e" -y:1'), ["a", '"b c"', 'x:"d e"', "-y:1"]);
  assert.equal(toggled("timeout", "service", "cart"), "timeout service:cart");
  assert.equal(toggled("timeout service:cart", "service", "cart"), "timeout");
  assert.equal(toggled("-service:cart a", "service", "cart"), "a service:cart");
  assert.ok(holds('x:"a b"', "x", "a b") && !holds("x:a", "x", "b"));
});

test("a row shows one line", () => {
  assert.equal(firstLine("a\nb"), "a");
  assert.equal(firstLine("x".repeat(1000)).length, 401);
});

test("the view of logs survives the address", () => {
  for (const change of [
    { q: "level:error a" },
    { tab: "patterns" as const },
    { tab: "bullet" as const, id: "<b>1</b>" },
  ]) {
    const view = { ...defaults("logs"), ...change };
    assert.deepEqual(parseUrl(toUrl(view)), view);
  }
});
