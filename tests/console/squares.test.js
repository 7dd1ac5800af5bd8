// The squares of a film without people, as its box packs them; and what is shown when.
import assert from "node:assert/strict";
import test from "node:test";
import { lookAt, squaresOf, walks } from "../../console/admin/squares.js";
import { pauseOf, proofOf } from "../../console/admin/proof.js";

const packed = (bytes) => btoa(String.fromCharCode(...bytes));

test("squares are bits row by row, the most significant first", () => {
  const bytes = Array(162).fill(0);
  [bytes[0], bytes[6], bytes[161]] = [0b10000001, 0b01000000, 1];
  assert.deepEqual(squaresOf(packed(bytes)), [0, 7, 49, 1295]);
});

test("a look is shown until the next one, and none where nobody looked", () => {
  const looks = [{ ms: 200 }, { ms: 400 }, { ms: 9000 }];
  assert.deepEqual([0, 200, 399, 400, 1899, 1900, 9100].map((ms) => lookAt(looks, ms)?.ms),
    [undefined, 200, 200, 400, 400, undefined, 9000]);
  assert.equal(lookAt([], 5), null);
});

test("where people walked lies in the squares of the picture, the most the strongest", () => {
  const bytes = Array(1296).fill(0);
  [bytes[0], bytes[48 * 26 + 47]] = [255, 51];
  const [first, last] = walks(packed(bytes), 96);
  assert.deepEqual([first.x, first.y, first.width, first.share], [0, 0, 2, 1]);
  assert.deepEqual([last.x, last.share, Math.round(last.y + last.height)], [94, 0.2, 100]);
});

test("before there are enough answers nothing is said but how many, and what is in neither", () => {
  const proof = { answers: 10, needed: 10, in: 0.999, out: null, of: 5, wrong: [], unknown: 0, left_out: 0 };
  assert.equal(proofOf(proof), "proof.is"); // words are not loaded here
  assert.equal(proofOf({ ...proof, answers: 9 }), "proof.few");
  assert.match(proofOf({ ...proof, unknown: 2, left_out: 1 }), /proof.is.*proof.unknown.*proof.left/);
});

test("a film is asked after often for ten minutes, then each minute, as is one that cannot be answered yet", () => {
  const now = Date.parse("2026-03-01T12:10:00Z");
  const asked = (time) => pauseOf({ asked_at: `2026-03-01T${time}Z`, waiting: null }, now);
  assert.deepEqual([asked("12:00:01"), asked("12:00:00")], [5000, 60_000]);
  assert.equal(pauseOf({ asked_at: null, waiting: { told: false } }, now), 60_000);
  assert.equal(pauseOf({ asked_at: null, waiting: { told: true } }, now), 3_600_000);
});
