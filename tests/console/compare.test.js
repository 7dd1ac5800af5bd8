import assert from "node:assert/strict";
import { test } from "node:test";
import { beganWithin, behind, growth } from "../../console/traffic/compare.js";

const week = { first: "2026-11-09", end: "2026-11-16" };

test("a time in which the book began is compared with nothing", () => {
  assert.equal(growth(346, 140, week, "2026-11-09"), 147);
  assert.equal(growth(346, 140, week, "2026-11-13"), null);
  assert.equal(growth(346, 0, week, "2026-11-01"), null);
  assert.deepEqual(["2026-11-09", "2026-11-13", "2026-11-16", null].map((day) => beganWithin(week, day)), [false, true, false, false]);
});

test("a bar leads to its hour, its day, or to its own bars", () => {
  assert.deepEqual(behind("hour", "2026-11-17T09:00", "group", "VIP", ""), ["visits", { day: "2026-11-17", hour: "09", staff: "", group: "VIP" }]);
  assert.deepEqual(behind("day", "2026-11-17", "visit", "new", "yes"), ["visits", { day: "2026-11-17", hour: "", staff: "yes", only: "first" }]);
  assert.deepEqual(behind("month", "2026-11"), ["traffic", { span: "month", at: "2026-11-01" }]);
});
