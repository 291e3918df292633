/** The page "What moved": its words and small pictures. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { offsetText, picturePath } from "../../src/pages/compare";
import { parseUrl, toUrl } from "../../src/state/url";

test("how long after the first", () => {
  const words = [0, 0.25, 3, 3.26, 90, 150, 3600].map(offsetText);
  assert.deepEqual(words, ["first", "+250 ms", "+3 s", "+3.3 s", "+90 s", "+2.5 min", "+60 min"]);
});

test("a picture breaks where there is nothing, and a lone value is a dot", () => {
  const drawn = picturePath([1, 2, null, 3, null, null]);
  assert.equal(drawn.path, "M12 28L36 15");
  assert.deepEqual(drawn.dots, [{ x: 84, y: 2 }]);
  assert.deepEqual([drawn.low, drawn.high], [1, 3]);
});

test("a line that never moves lies in the middle, and nothing at all is no path", () => {
  assert.equal(picturePath([5, 5]).path, "M36 15L108 15");
  assert.deepEqual(picturePath([null]), { path: "", dots: [], low: 0, high: 0 });
});

test("the address holds what is compared with what", () => {
  const url = "/compare?from=2026-11-21T02:00:00.000Z&to=2026-11-21T02:05:00.000Z&against=week";
  assert.equal(toUrl(parseUrl(url)), url);
  assert.equal(toUrl(parseUrl("/look?against=week")), "/look", "only there");
});
