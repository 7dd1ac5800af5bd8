// A shop's day in a row of the shops: what is usual, what is not, and who is there.
import assert from "node:assert/strict";
import test from "node:test";
import { dayOf, here, local, unusual } from "../../console/shops/figures.js";

const NOON = Date.parse("2026-11-18T11:00Z"); // a Wednesday; noon in Berlin
const WEEK = Array.from({ length: 7 }, (_, day) => Array(24).fill(day === 2 ? 2 : 0));

test("a shop's day is that of its own zone", () => {
  const late = Date.parse("2026-11-18T23:30Z");
  assert.deepEqual(local("Europe/Berlin", late), ["2026-11-19", "00:30"]);
  assert.deepEqual(local("America/New_York", late), ["2026-11-18", "18:30"]);
});

test("a day is compared with what is usual by now, by the shop's clocks", () => {
  const buckets = [{ time: "2026-11-18T10:00", amounts: { total: 27 } }, { time: "2026-11-18T11:00", amounts: {} }];
  const day = dayOf({ buckets }, WEEK, "Europe/Berlin", NOON);
  assert.deepEqual([day.count, day.change, day.is], [27, 3, ""]);
  assert.deepEqual([day.hours[10], day.hours[11], day.usual], [27, 0, WEEK[2]]);
  assert.equal(dayOf({ buckets }, WEEK, "America/New_York", NOON).change, 15);
});

test("where nothing is usual yet, nothing is compared", () => {
  for (const week of [undefined, [], WEEK.map(() => Array(24).fill(0))]) {
    const day = dayOf({ buckets: [] }, week, "Europe/Berlin", NOON);
    assert.deepEqual([day.count, day.change, day.is, day.usual], [0, null, "", null]);
  }
});

test("many and few are what chance seldom brings", () => {
  assert.deepEqual([7, 8, 16, 24, 25].map((count) => unusual(count, 16)), ["few", "", "", "", "many"]);
  assert.deepEqual([0, 1, 2, 3].map((count) => unusual(count, 0)), ["", "", "", "many"]);
  assert.equal(unusual(0, 12), "few");
});

test("those are there who were seen within half an hour, each once", () => {
  const seen = (name, minutes) => ({ name, last: new Date(NOON - minutes * 60_000).toISOString() });
  const all = [seen("Ann", 1), seen("Ben", 29), seen("Ann", 20), seen("", 2), seen(null, 2), seen("Eva", 31)];
  assert.deepEqual(here(all, NOON), ["Ann", "Ben"]);
});
