import assert from "node:assert/strict";
import test from "node:test";
import { captureOf, outcomes } from "../../console/captures/named.js";

test("a capture says who was recognised, and how many others", () => {
  const face = (resolution, name) => ({ resolution, name });
  const sightings = [face("matched", "Ana"), face("stranger", "Ana"), face("matched", ""), face("stranger", ""),
    face("stranger", null), face("skipped", null)];
  assert.deepEqual(outcomes(sightings), { names: ["Ana"], matched: 1, stranger: 2, skipped: 1 });
});

test("a sighting's id begins with its capture's", () => {
  assert.equal(captureOf("1795170160123-5f0e8a0b-12"), "1795170160123-5f0e8a0b");
});
