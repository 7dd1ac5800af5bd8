import assert from "node:assert/strict";
import { test } from "node:test";
import { levels, pathOf } from "../../console/traffic/chart.js";

test("lines behind the bars stand at whole numbers in steps of one, two or five, and are few", () => {
  assert.deepEqual(levels(4.2, 8), [0, 1, 2, 3, 4]);
  assert.deepEqual(levels(57, 8), [0, 10, 20, 30, 40, 50]);
  for (const most of [1, 9, 99, 1234, 5e6]) assert.ok(levels(most, 8).length <= 9);
});

test("a bar stands in the middle of its place; nothing and none have no bar", () => {
  assert.equal(pathOf([3, 0, null, 2], 0.5), "M0.25 0v3h0.5V0zM3.25 0v2h0.5V0z");
});

test("many are a line, which ends before what is not there and begins anew behind it", () => {
  const amounts = [1, 2, null, 3, ...Array(100).fill(null)];
  assert.equal(pathOf(amounts, 0.5), "M0.5 1L1.5 2M3.5 3");
});
