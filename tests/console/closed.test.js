// What was counted when a time was closed, beside what is counted now: in a line, and in a file.
import assert from "node:assert/strict";
import test from "node:test";
import { amounts, changes } from "../../console/traffic/closed.js";

const closed = { visits: 3, people: 2, new: 2, returning: 1, known: 0, entries: null, is_kept: true };
const day = (time, amounts, more = {}) => [{ time, amounts }, { time, ...closed, ...more }];
const page = (...days) => ({ buckets: days.map(([one]) => one), closed: days.map(([, one]) => one) });
const sum = ({ amounts }) => Object.values(amounts).reduce((all, one) => all + one, 0);
const told = (measure, found) => changes({ measure }, found, (time) => time, sum);

test("only what is another number now is told, by what is counted", () => {
  const found = page(day("2026-11-16", { total: 3 }), day("2026-11-17", { total: 2 }));
  assert.equal(told("arrivals", found).length, 1);
  assert.equal(told("persons", found).length, 1);
  assert.deepEqual(told("entries", found), []);
});

test("what can be counted no more is told whatever is left of it", () => {
  assert.equal(told("arrivals", page(day("2026-11-16", { total: 3 }, { is_kept: false }))).length, 1);
});

test("a file has what was counted beside each amount, also of a part that is empty now", () => {
  const rows = (measure, split, found) => amounts({ measure, split }, found).map(([, ...row]) => row);
  assert.deepEqual(rows("arrivals", "visit", page(day("2026-11-16", { new: 3 }))), [["new", 3, 2], ["returning", 0, 1]]);
  const all = page(day("2026-11-16", { total: 4 }));
  assert.deepEqual(rows("arrivals", "none", all), [["total", 4, 3]]);
  assert.deepEqual(rows("persons", "none", all), [["total", 4, 2]]);
  assert.deepEqual(rows("arrivals", "none", { ...all, closed: [] }), [["total", 4]]);
  const gone = page(day("2026-11-16", { new: 3 }, { is_kept: false }));
  assert.deepEqual(rows("arrivals", "visit", gone), [["new", null, 2], ["returning", null, 1]]);
  assert.deepEqual(rows("persons", "camera", page(day("2026-11-16", { c: 4 }))), [["c", 4]]);
});
