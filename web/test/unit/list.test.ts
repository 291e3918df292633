/** The list of actions itself: no key twice in the same place, no id twice, every key writable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clashes, shownKeys } from "../../src/actions/registry";

test("the list of actions is sound", async () => {
  // The state of the page is read from the address when it is loaded.
  Object.assign(globalThis, { location: { href: "http://any/look" } });
  const { ACTIONS } = await import("../../src/actions/all");
  assert.deepEqual(clashes(ACTIONS), []);
  const ids = ACTIONS.map((a) => a.id);
  assert.equal(new Set(ids).size, ids.length);
  for (const a of ACTIONS) {
    assert.ok(a.title.length > 1 && a.title.length < 70, a.id);
    for (const k of a.keys)
      assert.ok(
        shownKeys(k).every((part) => part !== ""),
        a.id,
      );
  }
});
