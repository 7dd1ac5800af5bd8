import assert from "node:assert/strict";
import { test } from "node:test";
import { written } from "../../console/keys.js";

test("keys are written as the keyboard has them", () => {
  assert.deepEqual(["Ctrl+a", "b", "Enter"].map((key) => written(key, false)), ["Ctrl+A", "b", "Enter"]);
  assert.deepEqual(["Ctrl+a", "b", "Enter"].map((key) => written(key, true)), ["⌘A", "b", "Enter"]);
});
