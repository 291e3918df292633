/** Numbers for people: a table of value, unit and text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  countText,
  formatCount,
  formatTicks,
  formatValue,
  significant,
  tickSteps,
} from "../../src/format/units";

test("a value is scaled to its unit, with at most four significant digits", () => {
  const table: [number | null, string, string][] = [
    [0, "", "0"],
    [0, "bytes", "0 B"],
    [0, "s", "0 s"],
    [7, "", "7"],
    [1234, "", "1.23k"],
    [999_960, "", "1M"],
    [1_234_567, "", "1.23M"],
    [5e12, "", "5T"],
    [0.0123, "", "0.0123"],
    [0.00001234, "", "1.23e-5"],
    [1e21, "", "1e9T"],
    [-1536, "bytes", "−1.5 KiB"],
    [1023, "bytes", "1023 B"],
    [1024, "bytes", "1 KiB"],
    [5.5 * 2 ** 30, "bytes", "5.5 GiB"],
    [3 * 2 ** 20, "bytes/s", "3 MiB/s"],
    [0.5, "bytes/s", "0.5 B/s"],
    [0.0000012, "s", "1.2 µs"],
    [0.25, "s", "250 ms"],
    [90, "s", "1.5 min"],
    [7200, "s", "2 h"],
    [172_800, "s", "2 d"],
    [1_700_000_000, "s", "2023-11-14 22:13Z"],
    [1_700_000_000, "unix time", "2023-11-14 22:13Z"],
    [-1.67e-10, "ratio", "−0.167 ppb"],
    [2e-6, "ratio", "2 ppm"],
    [0.02, "s/s", "2 %"],
    [0.9731, "ratio", "97.3 %"],
    [42.25, "percent", "42.3 %"],
    [61.5, "celsius", "61.5 °C"],
    [2.4e9, "hertz", "2.4 GHz"],
    [0.925, "volts", "925 mV"],
    [12.1, "volts", "12.1 V"],
    [1200, "/s", "1.2k/s"],
    [0.05, "/s", "0.05/s"],
    [1.83e-6, "s/s", "1.83 µs/s"],
    [3, "widgets", "3 widgets"],
    [4000, "widgets", "4k widgets"],
    [null, "bytes", "–"],
    [Number.NaN, "bytes", "NaN"],
    [Number.POSITIVE_INFINITY, "s", "∞"],
    [Number.NEGATIVE_INFINITY, "s", "−∞"],
    [3, "__proto__", "3 __proto__"],
  ];
  for (const [value, unit, text] of table) assert.equal(formatValue(value, unit), text, `${value} ${unit}`);
});

test("no value of any size shows more than four significant digits", () => {
  for (let e = -30; e <= 30; e++) {
    for (const m of [1, 1.23456789, 9.99951, 4.44444]) {
      for (const unit of ["", "bytes", "s", "ratio", "/s", "hertz", "volts", "other"]) {
        const text = formatValue(m * 10 ** e, unit, 4);
        if (/^\d{4}-/.test(text)) continue;
        const digits = text
          .replace(/e-?\d+/, "")
          .replace(/^0\.0*/, "")
          .replace(/[^\d]/g, "")
          .replace(/0+$/, "");
        assert.ok(digits.length <= 4, `${m}e${e} ${unit}: ${text}`);
      }
    }
  }
});

test("the ticks of one axis share one step and are told apart", () => {
  const table: [number[], string, string[]][] = [
    [[0, 2 ** 29, 2 ** 30], "bytes", ["0 GiB", "0.5 GiB", "1.0 GiB"]],
    [[0, 0.005, 0.01], "s", ["0 ms", "5 ms", "10 ms"]],
    [[0.1, 0.125, 0.15], "ratio", ["10.0 %", "12.5 %", "15.0 %"]],
    [[0, 500, 1000, 1500], "", ["0", "0.5k", "1.0k", "1.5k"]],
    [[-2, 0, 2], "celsius", ["−2 °C", "0 °C", "2 °C"]],
    [[], "", []],
  ];
  for (const [values, unit, texts] of table) assert.deepEqual(formatTicks(values, unit), texts);
});

test("tick distances rise, and bytes go by powers of two", () => {
  for (const unit of ["", "bytes", "s", "ratio"]) {
    const steps = tickSteps(unit);
    assert.ok(
      steps.every((s, i) => i === 0 || s >= steps[i - 1]!),
      unit,
    );
  }
  assert.ok(tickSteps("bytes").every((s) => Number.isInteger(Math.log2(s))));
});

test("significant digits and counts", () => {
  assert.equal(significant(1234.5), "1235");
  assert.equal(significant(-0.5), "−0.5");
  assert.equal(significant(2.5e-7), "2.5e-7");
  assert.equal(formatCount(1_234_567), "1,234,567");
  assert.equal(formatCount(12), "12");
});

test("numbers of things", () => {
  assert.deepEqual(
    [0, 1, 2, 1306].map((n) => countText(n, "change")),
    ["0 changes", "1 change", "2 changes", "1,306 changes"],
  );
});
