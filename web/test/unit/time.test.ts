/** Moments, spans and ranges, as typed and as shown. Local time here is whatever zone the machine has. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { agoText, formatTimeTicks, isoText, spanCode, spanText, zoneOf } from "../../src/format/time";
import {
  between,
  parseDuration,
  parseMoment,
  parseRange,
  type Range,
  rangeText,
  refreshMs,
  resolve,
  shift,
  toggleLive,
  zoom,
} from "../../src/state/range";

const NOW = new Date(2026, 10, 21, 12, 0, 0).getTime();
const local = (d: number, h: number, m = 0, s = 0): number => new Date(2026, 10, d, h, m, s).getTime();
const last = (seconds: number): Range => ({ kind: "last", seconds });
const fixed = (from: number, to: number): Range => ({ kind: "fixed", from, to });

test("durations as people type them", () => {
  const table: [string, number | null][] = [
    ["90m", 5400],
    ["2h30m", 9000],
    ["1.5h", 5400],
    ["15 min", 900],
    ["15min", 900],
    ["1 hour", 3600],
    ["2 days", 172_800],
    ["30 seconds", 30],
    ["1w", 604_800],
    ["h", 3600],
    ["0s", null],
    ["-5m", null],
    ["5", null],
    ["m5", null],
    ["", null],
    ["5 parsecs", null],
  ];
  for (const [text, seconds] of table) assert.equal(parseDuration(text), seconds, text);
});

test("moments as people type them", () => {
  const table: [string, number | null][] = [
    ["now", NOW],
    ["now-1h", NOW - 3_600_000],
    ["now - 1h", NOW - 3_600_000],
    ["5m ago", NOW - 300_000],
    ["10:30", local(21, 10, 30)],
    ["10:30:15", local(21, 10, 30, 15)],
    ["yesterday 23:00", local(20, 23)],
    ["2026-11-20", local(20, 0)],
    ["2026-11-20 08:15", local(20, 8, 15)],
    ["2026-11-20T08:15:00Z", Date.UTC(2026, 10, 20, 8, 15)],
    ["2026-11-20T08:15:00+0100", Date.UTC(2026, 10, 20, 7, 15)],
    ["1700000000", 1_700_000_000_000],
    ["25:00", null],
    ["2026-13-40", null],
    ["soon", null],
  ];
  for (const [text, ms] of table) assert.equal(parseMoment(text, NOW), ms, text);
});

test("ranges as people type them; what is none says what would do", () => {
  const table: [string, Range][] = [
    ["90m", last(5400)],
    ["last 90m", last(5400)],
    ["the last 2 hours", last(7200)],
    ["10:00–11:30", fixed(local(21, 10), local(21, 11, 30))],
    ["10:00 to 11:30", fixed(local(21, 10), local(21, 11, 30))],
    ["10:00 - 11:30", fixed(local(21, 10), local(21, 11, 30))],
    ["2026-11-20 10:00 to 2026-11-20 11:00", fixed(local(20, 10), local(20, 11))],
    ["now-2h to now-1h", fixed(NOW - 7_200_000, NOW - 3_600_000)],
    ["now-2h to now", last(7200)],
    ["yesterday", fixed(local(20, 0), local(21, 0))],
    ["today", fixed(local(21, 0), NOW)],
    ["09:00", fixed(local(21, 9), NOW)],
  ];
  for (const [text, range] of table) assert.deepEqual(parseRange(text, NOW), range, text);
  assert.deepEqual(parseRange("10:00-11:30", NOW), fixed(local(21, 10), local(21, 11, 30)));
  assert.match(parseRange("11:00 to 10:00", NOW) as string, /before the end/);
  assert.match(parseRange("whenever", NOW) as string, /Try: 90m/);
  assert.match(parseRange("", NOW) as string, /Try: 90m/);
});

test("a live range stays on whole slots, so charts do not shimmer", () => {
  const a = resolve(last(900), NOW + 1, 60);
  const b = resolve(last(900), NOW + 14_000, 60);
  assert.deepEqual(a, b);
  assert.equal((a.to - a.from) / 60, 15_000);
  assert.equal(a.to % 15_000, 0);
  assert.deepEqual(resolve(fixed(5, 10_000), NOW, 60), { from: 5, to: 10_000 });
});

test("moving, zooming and stopping", () => {
  assert.deepEqual(shift(last(600), -0.5, NOW), fixed(NOW - 900_000, NOW - 300_000));
  assert.deepEqual(shift(fixed(NOW - 900_000, NOW - 300_000), 0.5, NOW), last(600));
  assert.deepEqual(zoom(last(600), 2, NOW), last(1200));
  assert.deepEqual(zoom(fixed(1e9, 1e9 + 60_000), 2, NOW), fixed(1e9 - 30_000, 1e9 + 90_000));
  assert.deepEqual(toggleLive(last(600), NOW), fixed(NOW - 600_000, NOW));
  assert.deepEqual(toggleLive(fixed(NOW - 600_000, NOW), NOW), last(600));
  assert.deepEqual(between(2e9, 1e9), fixed(1e9, 2e9));
  const tiny = between(1e9, 1e9 + 3) as { from: number; to: number };
  assert.equal(tiny.to - tiny.from, 1000);
});

test("a live view is asked for again every one to five seconds", () => {
  for (const seconds of [1, 300, 900, 3600, 86_400, 1e8]) {
    const ms = refreshMs(last(seconds));
    assert.ok(ms >= 1000 && ms <= 5000);
  }
});

test("texts", () => {
  assert.equal(spanText(5400), "1 h 30 min");
  assert.equal(spanText(900), "15 min");
  assert.equal(spanText(0.25), "250 ms");
  assert.equal(spanText(604_800), "7 d");
  assert.equal(spanCode(5400), "90m");
  assert.equal(spanCode(90), "90s");
  assert.equal(agoText(NOW - 12_000, NOW), "12 s ago");
  assert.equal(agoText(NOW, NOW), "now");
  assert.equal(agoText(NOW + 90_000, NOW), "in 1 min 30 s");
  assert.equal(isoText(0), "1970-01-01T00:00:00Z");
  assert.equal(isoText(Number.NaN), "");
  assert.match(zoneOf(NOW), /^UTC/);
  assert.equal(rangeText(last(900), NOW), "last 15 min");
  assert.match(rangeText(fixed(local(21, 10), local(21, 11)), NOW), /^10:00 – 11:00 UTC/);
  assert.match(rangeText(fixed(local(19, 10), local(20, 11)), NOW), /^19 Nov 10:00 – 20 Nov 11:00 UTC/);
  assert.match(rangeText(fixed(local(21, 10) + 5000, local(21, 11)), NOW), /^10:00:05 – 11:00:00 UTC/);
});

test("time ticks name the day when it changes", () => {
  const at = (d: number, h: number, m = 0): number => local(d, h, m) / 1000;
  assert.deepEqual(formatTimeTicks([at(20, 22), at(20, 23), at(21, 0), at(21, 1)], 3600), [
    "22:00",
    "23:00",
    "21 Nov",
    "01:00",
  ]);
  assert.deepEqual(formatTimeTicks([at(20, 22), at(20, 22) + 15], 15), ["22:00:00", "22:00:15"]);
  assert.deepEqual(formatTimeTicks([at(20, 0), at(21, 0)], 86_400), ["20 Nov", "21 Nov"]);
});
