// A counting line: on which side is in, and where its ends may be dragged; and when a place is known to hold people.
import assert from "node:assert/strict";
import test from "node:test";
import { drawn, moved } from "../../console/admin/counting.js";
import { isKnown, share } from "../../console/shared/known.js";

const ACROSS = [[0.2, 0.5], [0.8, 0.5]];

/** Return which way is in, from the middle of the line. */
function inwards(line, wide) {
  const { label: [x, y] } = drawn(line, wide);
  const [middle, height] = [0, 1].map((axis) => (line[0][axis] + line[1][axis]) / 2);
  return [x - middle * wide, y - height * 100].map((share) => Math.sign(Math.round(share)));
}

test("in is on the right of the line, seen from its first end", () => {
  assert.deepEqual(inwards(ACROSS, 160), [0, 1]);
  assert.deepEqual(inwards(ACROSS.toReversed(), 160), [0, -1]);
  assert.deepEqual(inwards([[0.5, 0.1], [0.5, 0.9]], 160), [-1, 0]);
});

test("the arrow is upright on the line, however wide the picture is", () => {
  for (const wide of [56, 100, 178]) {
    const line = [[0.1, 0.2], [0.7, 0.9]];
    const { label: [x, y] } = drawn(line, wide);
    const along = [(0.7 - 0.1) * wide, 70];
    const off = [x - 0.4 * wide, y - 55];
    assert.ok(Math.abs(along[0] * off[0] + along[1] * off[1]) < 1e-9);
  }
});

test("an end stays in the picture, away from the other, and where people have room beside the line", () => {
  assert.deepEqual(moved(ACROSS, 1, [1.7, -3]), [[0.2, 0.5], [1, 0]]);
  assert.deepEqual(moved(ACROSS, 0, [0.76, 0.5]), ACROSS);
  assert.deepEqual(moved(ACROSS, 0, [0.1234567, 0.5]), [[0.123, 0.5], [0.8, 0.5]]);
  assert.deepEqual(moved([[0.2, 0.05], [0.8, 0.5]], 1, [0.8, 0.04]), [[0.2, 0.05], [0.8, 0.5]]);
});

test("nobody knows how many are inside while it is closed, or before anybody watched or looked round", () => {
  const place = (open, watched, corrections) => ({ open, openings: [{ watched_s: watched, corrections }] });
  assert.deepEqual([place(true, 60, []), place(true, 0, [{}]), place(true, 0, []), place(false, 60, [])].map(isKnown),
    [true, true, false, false]);
  assert.equal(isKnown({ open: false, openings: [] }), false);
});

test("a share says why minutes have no numbers, the most frequent reason first, and who came in for sure", () => {
  const looked = { whole: false, watched_s: 240, open_s: 3600, doubted: { crowd: 2, dark: 31 }, sure_in: 7 };
  assert.equal(share(looked), "watched · watched.dark · watched.crowd · watched.sure");
  assert.equal(share({ ...looked, doubted: {}, sure_in: 0 }), "watched");
  assert.equal(share({ whole: false, watched_s: 240, open_s: 3600 }), "watched", "an opening of a place");
  assert.equal(share({ ...looked, whole: true }), "");
});
