import assert from "node:assert/strict";
import { test } from "node:test";
import { givenOn, sinceOf } from "../../console/shared/record.js";
import { session } from "../../console/store.js";
import { isoDay } from "../../console/words.js";

const DAY = 86_400_000;
const at = (days) => new Date(Date.now() + days * DAY).toISOString();

test("a record that is over is renewed by one of now, and any other keeps its time", () => {
  session.set(/** @type {any} */ ({ time_zone: "Asia/Tokyo" }));
  for (const expires_at of [null, at(1)]) {
    const one = { given_at: at(-30), expires_at };
    assert.equal(sinceOf(one), isoDay(one.given_at));
    assert.equal(givenOn(sinceOf(one), one), Date.parse(one.given_at));
  }
  for (const given_at of [at(-30), at(-1 / DAY)]) {
    const over = { given_at, expires_at: at(-1 / (2 * DAY)) };
    assert.equal(sinceOf(over), isoDay(Date.now()));
    assert.ok(givenOn(sinceOf(over), over) > Date.parse(given_at));
  }
  assert.equal(sinceOf(null), isoDay(Date.now()));
});
