import assert from "node:assert/strict";
import { test } from "node:test";
import { minuteAt } from "../../console/admin/minutes.js";
import { language, session } from "../../console/store.js";
import { asked, byHour, extended, figures, folded, held, hours, joined, placed, question, seen, usualDay, which }
  from "../../console/visits/day.js";
import { table } from "../../console/shared/tables.js";
import { lines } from "../../console/visits/file.js";
import { load } from "../../console/words.js";

const visit = (minute, more = {}) => ({ sighting: `s${minute}`, first: `2026-11-17T14:${String(minute).padStart(2, "0")}:00Z`, ...more });
const page = (minutes, token = "t") => ({ arrivals: minutes.map((one) => visit(one)), next_token: token });
const known = (minutes, token = "old") => ({ rows: minutes.map((one) => visit(one)), token });
const minutes = ({ rows }) => rows.map((one) => Number(one.sighting.slice(1)));

test("an address names a day, and what it cannot mean is today", () => {
  const today = "2026-11-23";
  assert.deepEqual(asked({ day: "2026-11-17", group: "VIP", only: "first", staff: "yes" }, today),
    { day: "2026-11-17", isToday: false, hour: "", group: "VIP", camera: "", only: "first", staff: "yes" });
  for (const day of ["2026-11-24", "2026-13-01", "tuesday", undefined]) assert.equal(asked({ day, only: "x" }, today).day, today);
  assert.equal(placed(asked({}, today)).day, "");
  assert.equal(placed(asked({ day: "2026-11-17" }, today)).day, "2026-11-17");
});

test("the newest page comes before what was known, of which it takes the part that it covers", () => {
  assert.deepEqual(joined(known([5, 4, 3, 2, 1]), page([7, 6, 5, 3])), { ...known([7, 6, 5, 3, 2, 1]), token: "old" });
  assert.deepEqual(minutes(joined(known([5, 4]), page([7, 6, 5], null))), [7, 6, 5]);
  assert.deepEqual(joined(known([2, 1]), page([9, 8])), { ...known([9, 8]), token: "t" });
  assert.deepEqual(joined(known([]), page([2, 1])), { ...known([2, 1]), token: "t" });
});

test("an older page repeats nobody", () => {
  assert.deepEqual(extended(known([5, 4]), page([4, 3], null)), { ...known([5, 4, 3]), token: null });
});

test("hours count their visits as soon as they are whole", () => {
  const rows = [visit(9, { first: "15" }), visit(8, { first: "14" }), visit(7, { first: "14" })];
  const counts = (isWhole) => hours(rows, isWhole, (at) => at).map((one) => [one.hour, one.count]);
  assert.deepEqual(counts(false), [["15", 1], ["14", null]]);
  assert.deepEqual(counts(true), [["15", 1], ["14", 2]]);
});

test("who comes while somebody reads below waits", () => {
  assert.deepEqual(held([3, 2, 1].map((one) => visit(one)), "s2").waiting, 1);
  assert.deepEqual(held([visit(1)], "gone"), { rows: [visit(1)], waiting: 0 });
});

test("a usual day says how many have come by now, and how many will by evening", () => {
  const week = Array.from({ length: 7 }, (_, day) => Array.from({ length: 24 }, (__, hour) => (day < 6 && hour >= 8 && hour < 18 ? 4 : 0)));
  const { hours, now, whole } = usualDay(week, "2026-11-17", "10:45");
  assert.deepEqual([hours.length, now, whole], [24, 11, 40]);
  assert.equal(usualDay(week, "2026-11-22", "10:45"), null, "Sundays are closed");
  assert.equal(usualDay([], "2026-11-17", "10:45"), null, "the book is young");
});

test("figures lead to the part that they count", () => {
  const totals = { arrivals: 9, persons: 8, first: 2, uncertain: 0, groups: { stranger: 3, regular: 5, VIP: 1 }, kinds: {}, staff: 0 };
  const told = (chosen) => figures(totals, chosen).map((one) => [one.name ?? one.kind, one.count, one.isChosen]);
  assert.deepEqual(told({ group: "", only: "" }), [["all", 9, true], ["first", 2, false], ["regular", 5, false], ["VIP", 1, false]]);
  assert.deepEqual(told({ group: "Staff", only: "" }).at(-1), ["Staff", 0, true]);
  assert.deepEqual(told({ group: "", only: "uncertain" }).at(-1), ["uncertain", 0, true]);
  const withStaff = figures({ ...totals, kinds: { staff: 2 } }, { staff: "yes" }).at(-1);
  assert.deepEqual([withStaff.kind, withStaff.count, withStaff.to], ["staff", 2, { staff: "" }]);
  assert.deepEqual(figures({ ...totals, staff: 2 }, { staff: "" }).at(-1).to, { staff: "yes" });
});

test("a name that is a formula is none in the table, and no id is a number", () => {
  const one = { ...visit(1), last: "b", name: '=1+"2"', group: "VIP", camera: "c", visit: 1, sightings: 2, score: null, face: "1234567890123456789" };
  session.set(/** @type {any} */ ({ time_zone: "UTC" }));
  const text = table(lines([{ ...one, first: "2026-11-23T14:01Z", last: "2026-11-23T14:01Z" }], new Map([["c", "Door, left"]])));
  assert.equal(text.split("\r\n")[1], `"2026-11-23 14:01","2026-11-23 14:01","'=1+""2""","VIP","Door, left","1","2","","'1234567890123456789"`);
});

test("who may not be named is somebody in the table, without an id", async () => {
  language.set("en");
  session.set(/** @type {any} */ ({ time_zone: "UTC" }));
  await load();
  const one = { ...visit(1), last: "2026-11-17T14:01Z", name: null, group: "VIP", camera: "c", sightings: 2, face: "erased-1" };
  const [, row] = lines([one], new Map());
  assert.deepEqual([row.at(2), row.at(-1)], ["Somebody", null]);
});

test("a name has no cell that is a formula if semicolons divide cells", () => {
  const text = table([["a", "x;=1+cmd|' /C calc'!A0", 'y";"=2', "z;\t-3", "plain; text"]]);
  assert.equal(text, `"a","x;'=1+cmd|' /C calc'!A0","y"";'""=2","z;'\t'-3","plain; text"\r\n`);
});

test("the visit before is so many days ago, and of a visit on another day it is a date", async () => {
  language.set("en");
  session.set(/** @type {any} */ ({ time_zone: "UTC" }));
  await load();
  const now = Date.parse("2026-11-23T12:00Z");
  const said = (first, before) => which({ visit: before ? 3 : 1, first, before }, now);
  assert.equal(said("2026-11-23T11:00Z"), "first visit");
  assert.equal(said("2026-11-23T11:00Z", "2026-11-23T09:00Z"), "3rd visit, previously 3 hours ago");
  assert.equal(said("2026-11-23T11:00Z", "2026-11-22T15:00Z"), "3rd visit, previously yesterday");
  assert.equal(said("2026-11-23T11:00Z", "2026-11-16T15:00Z"), "3rd visit, previously last week");
  assert.match(said("2026-11-17T11:00Z", "2026-11-16T15:00Z"), /previously Mon.* 16|previously Mon.* Nov/);
});

test("an hour is asked for by the tenant's clocks, also if they leave it out or have it twice", () => {
  session.set(/** @type {any} */ ({ time_zone: "Europe/Berlin" }));
  const of = (day, hour) => {
    const chosen = asked({ day, hour }, "2026-11-23");
    return [chosen.hour, question(chosen).from.slice(5, 16), question(chosen).to.slice(5, 16)];
  };
  assert.deepEqual(of("2026-11-17", "14"), ["14", "11-17T13:00", "11-17T14:00"]);
  assert.deepEqual(of("2026-03-29", "02"), ["", "03-28T23:00", "03-29T22:00"]);
  assert.deepEqual(of("2026-10-25", "02"), ["02", "10-25T00:00", "10-25T02:00"]);
  for (const hour of ["24", "9", "x"]) assert.equal(of("2026-11-17", hour)[0], "");
});

test("bars add up what a day has twice", () => {
  const counts = byHour([["02", 1], ["02", 2], ["14", 3]].map(([hour, total]) => ({ time: `2026-10-25T${hour}:00`, amounts: { total } })));
  assert.deepEqual([counts.length, counts[2], counts[14], counts[3]], [24, 3, 3, 0]);
});

test("who was just seen is there once, special guests first and staff last, until the visit is over", () => {
  const now = Date.parse("2026-11-17T14:30:00Z");
  const groups = [{ name: "VIP" }, { name: "regular" }, { name: "stranger" }, { name: "Team", staff: true }];
  const cameras = [{ id: "door", gap_s: 1800 }, { id: "till", gap_s: 300 }];
  const at = (minute, face, group, more) => ({ face, group, name: face, camera: "door",
    at: `2026-11-17T14:${String(minute).padStart(2, "0")}:00Z`, ...more });
  const found = seen([at(29, "Cem", "Team"), at(28, "Ann", "VIP"), at(27, "Ben", "regular"), at(26, "Eva", "VIP"),
    at(25, "Gus", "regular", { camera: "till" }), at(24, "Hal", "stranger", { name: null }), at(20, "Ann", "VIP"),
    at(2, "Dan", "stranger", { name: "", camera: "gone" })], groups, cameras, now);
  assert.deepEqual(found.map(({ face, kind, at: time }) => [face, kind, time.slice(14, 16)]),
    [["Ann", "special", "28"], ["Eva", "special", "26"], ["Ben", "", "27"], ["Dan", "", "02"], ["Cem", "staff", "29"]]);
});

test("strangers who came for the first time are folded if they are several", () => {
  const row = (sighting, more = {}) => ({ sighting, visit: 1, group: "stranger", name: "", ...more });
  const rows = [row("a"), row("b", { visit: 2 }), row("c", { name: "Zoe" }), row("d", { group: "VIP" })];
  assert.deepEqual(folded(rows), { rows, once: [] });
  const more = [...rows, row("e")];
  assert.deepEqual(folded(more), { rows: rows.slice(1), once: [row("a"), row("e")] });
});

test("a minute of the shop's clocks is an instant, also in hours that come twice, or not at all", () => {
  session.set({ ...session.now, time_zone: "Europe/Vienna" });
  assert.equal(minuteAt("2026-11-20T14:05"), "2026-11-20T13:05:00.000Z");
  assert.equal(minuteAt("2026-10-25T02:30"), "2026-10-25T00:30:00.000Z");
  assert.equal(minuteAt("2026-03-29T02:30"), "2026-03-29T01:30:00.000Z");
});
