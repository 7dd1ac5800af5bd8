import assert from "node:assert/strict";
import { test } from "node:test";
import { isPassing, isTold, meet, troubles, tryAll, waitOf } from "../../console/shared/troubles.js";

test("what another try may mend is told once for each cause, and all of it is tried again", () => {
  const tried = [];
  const trouble = (name, code) => ({ problem: { code }, again: () => tried.push(name) });
  const [faces, groups, rate] = [trouble("faces", "Offline"), trouble("groups", "Offline"), trouble("rate", "TooManyRequests")];
  assert.deepEqual([groups, rate].map((one) => isTold([faces], one)), [false, true], "nor for a moment");
  const gone = [faces, groups, rate].map(meet);
  assert.deepEqual([faces, groups, rate].map((one) => isTold(troubles.now, one)), [true, false, true]);
  tryAll(troubles.now, faces);
  assert.deepEqual(tried, ["faces", "groups"]);
  gone[0]();
  assert.equal(isTold(troubles.now, groups), true);
});

test("what will not pass is not tried again by itself", () => {
  const found = [{ code: "Offline", status: 0 }, { status: 503 }, { status: 429 }, { status: 404 }, { status: 422 }].map(isPassing);
  assert.deepEqual(found, [true, true, true, false, false]);
});

test("the next try is later each time, and a minute off at most", () => {
  assert.deepEqual([0, 1, 2, 3, 9].map(waitOf), [8, 16, 32, 60, 60]);
});
