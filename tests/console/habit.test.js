import assert from "node:assert/strict";
import { test } from "node:test";
import { sentence } from "../../console/shared/habit.js";
import { language, session } from "../../console/store.js";
import { load, loadMore } from "../../console/words.js";

const NOW = "2026-11-27T18:00:00Z";
const NOTHING = {
  weekdays: [], part_of_day: null, every_days: null, next_day: null, missed_day: null, visits_this_month: 0,
};
const said = (habit) => sentence({ ...NOTHING, ...habit }, NOW);

session.set({ time_zone: "Europe/Berlin" });
language.set("en");
await load();
await loadMore("shared");

test("a habit is one sentence", () => {
  assert.equal(said({ weekdays: [2, 5], part_of_day: "morning", every_days: 3, next_day: "2026-11-28",
    visits_this_month: 5 }), "Comes Wednesdays and Saturdays before noon, every 3 days; 5 visits this month, "
    + "next expected tomorrow");
  assert.equal(said({ weekdays: [3], every_days: 7, visits_this_month: 1, next_day: "2026-12-03" }),
    "Comes Thursdays; 1 visit this month, next expected Thursday 3 December".replace("Thursday 3 December",
      new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" })
        .format(new Date("2026-12-03"))));
  assert.equal(said({ weekdays: [0, 1, 2, 3, 4], part_of_day: "afternoon", next_day: "2026-11-27" }),
    "Comes Mondays to Fridays in the afternoon; next expected today");
  assert.equal(said({ every_days: 1, visits_this_month: 20 }), "Comes nearly every day; 20 visits this month");
  assert.equal(said({ part_of_day: "evening" }), "Comes in the evening");
  assert.equal(said({ every_days: 4, missed_day: "2026-11-26", next_day: "2026-11-27" }),
    "Comes every 4 days; was expected yesterday, next expected today");
});

test("days stand in the order of the tenant's weeks", () => {
  session.set(/** @type {any} */ ({ time_zone: "Europe/Berlin", first_weekday: 6 }));
  assert.equal(said({ weekdays: [0, 1, 2, 3, 6] }), "Comes Sundays to Thursdays");
  session.set(/** @type {any} */ ({ time_zone: "Europe/Berlin" }));
  assert.equal(said({ weekdays: [0, 1, 2, 3, 6] }), "Comes Mondays, Tuesdays, Wednesdays, Thursdays, and Sundays");
});

test("nothing is said if nothing is certain, however often somebody came", () => {
  assert.equal(said({ visits_this_month: 5 }), "");
});

test("it is said in Chinese, too", async () => {
  language.set("zh");
  await load();
  assert.equal(said({ weekdays: [2, 5], part_of_day: "morning", every_days: 3, next_day: "2026-11-28",
    visits_this_month: 5 }), "通常周三和周六上午，每3天来；本月到访5次，预计明天再来");
});

test("it is said in German, too", async () => {
  language.set("de");
  await load();
  assert.equal(said({ weekdays: [0, 1, 2, 3, 4], part_of_day: "morning", next_day: "2026-11-28",
    visits_this_month: 1 }), "Kommt montags bis freitags am Vormittag; 1 Besuch in diesem Monat, "
    + "nächster erwartet: morgen");
});
