import assert from "node:assert/strict";
import { test } from "node:test";
import { isDay } from "../../console/shared/days.js";
import { weekdayOf } from "../../console/shared/days.js";
import { session } from "../../console/store.js";
import { before, buckets, lastHour, period, typical } from "../../console/traffic/periods.js";

test("a period holds its day and ends where the next begins", () => {
  for (const [span, first, end] of [
    ["day", "2024-02-29", "2024-03-01"], ["week", "2024-02-26", "2024-03-04"],
    ["month", "2024-02-01", "2024-03-01"], ["year", "2024-01-01", "2025-01-01"],
  ]) {
    assert.deepEqual(period(span, "2024-02-29"), { first, end });
    assert.equal(period(span, "2024-02-29", 1).first, end);
  }
});

test("a day is compared with that of the week before, all else with the one before", () => {
  assert.equal(before("day", "2026-03-02").first, "2026-02-23");
  assert.deepEqual(before("month", "2026-03-31"), { first: "2026-02-01", end: "2026-03-01" });
  assert.deepEqual(before("week", "2026-01-01"), { first: "2025-12-22", end: "2025-12-29" });
});

test("weeks begin on the day that the tenant has set, whatever the browser's region is", () => {
  assert.deepEqual(["2026-11-23", "2026-11-29"].map(weekdayOf), [0, 6]);
  for (const [first_weekday, first, ofYear] of [
    [0, "2026-11-23", "2025-12-29"], [6, "2026-11-22", "2025-12-28"], [5, "2026-11-28", "2025-12-27"],
  ]) {
    session.set(/** @type {any} */ ({ first_weekday }));
    assert.equal(period("week", "2026-11-28").first, first);
    assert.deepEqual(period("week", "2026-11-28", -1).end, first);
    assert.equal(buckets("week", period("year", "2026-05-05"))[0], ofYear);
  }
  session.set(null);
});

test("buckets are named as the statistics name them", () => {
  const week = period("week", "2026-11-23");
  assert.equal(buckets("day", week).length, 7);
  assert.deepEqual(buckets("hour", week).slice(22, 25), ["2026-11-23T22:00", "2026-11-23T23:00", "2026-11-24T00:00"]);
  assert.deepEqual(buckets("month", period("year", "2026-05-05")).slice(-2), ["2026-11", "2026-12"]);
  assert.deepEqual(buckets("week", period("month", "2026-11-01")), [
    "2026-10-26", "2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23", "2026-11-30",
  ]);
});

test("what a calendar does not have is no day", () => {
  assert.deepEqual(["2026-11-23", "2026-13-01", "2026-11", "today"].filter(isDay), ["2026-11-23"]);
});

test("a typical week is that of the last eight, and its hours lead to the last ones that have begun", () => {
  const week = period("week", "2026-11-20");
  assert.deepEqual(typical("week", week), { first: "2026-09-28", end: "2026-11-23" });
  assert.deepEqual(typical("month", { first: "2026-11-01", end: "2026-12-01" }).first, "2026-11-01");
  for (const [weekday, hour, day] of [
    [4, 15, "2026-11-20"], [4, 16, "2026-11-13"], [0, 9, "2026-11-16"], [6, 9, "2026-11-15"],
  ]) {
    const found = lastHour(weekday, hour, week.end, "2026-11-20 15:04");
    assert.deepEqual(found, { day, hour: String(hour).padStart(2, "0") });
  }
  assert.equal(lastHour(6, 9, "2026-11-09", "2026-11-20 15:04").day, "2026-11-08");
});
