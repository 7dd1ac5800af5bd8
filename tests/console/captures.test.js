import assert from "node:assert/strict";
import test from "node:test";
import { became, captureOf, outcomes, why } from "../../console/captures/named.js";
import { spotlight, within } from "../../console/shared/spotlight.js";
import { language, session } from "../../console/store.js";
import { load, loadMore } from "../../console/words.js";

language.set("en");
session.set(/** @type {any} */ ({ time_zone: "UTC" }));
await load();
await loadMore("captures");

test("a capture says who was recognised, by name or number, and how many others", () => {
  const face = (resolution, name, number = null) => ({ resolution, name, number, face: resolution !== "skipped" && "1" });
  const sightings = [face("matched", "Ana"), face("stranger", "Ana"), face("stranger", "", 86), face("matched", "", 9),
    face("matched", null), face("stranger", null), face("skipped", null)];
  const found = outcomes(sightings, (one) => one.name || `${one.resolution} ${one.number}`);
  assert.deepEqual(found, { names: ["Ana", "stranger 86", "matched 9"], matched: 1, stranger: 1, skipped: 1 });
});

test("why a face was skipped is a sentence, and what has none stays as the service said it", () => {
  for (const [reason, sentence] of [
    ["nobody, and too poor to be remembered, too blurred: 12 of 40",
      "Nobody in the book; not remembered, since the face is too blurred (12 of 40)"],
    ["nobody, and too small to be remembered: 31 of 40 px",
      "Nobody in the book; not remembered, since the face is too small (31 of 40 pixels)"],
    ["nobody, and in a mask: strangers are remembered bare",
      "Nobody in the book; not remembered, since a mask covers the face"],
    ["somebody who was erased or is restricted", "Somebody who was erased or is restricted"],
    ["nobody; this camera keeps no strangers", "Nobody in the book; this camera remembers no strangers"],
    ["somebody said that it is nobody", "somebody said that it is nobody"],
  ]) assert.equal(why(reason), sentence);
});

test("a mask is told beside what became of a face, and once", () => {
  const sighting = { reason: null, resolution: "matched", masked: true };
  assert.equal(became(sighting), `${became({ ...sighting, masked: null })} · in a mask`);
  const skipped = { reason: "nobody, and in a mask: strangers are remembered bare", resolution: "skipped", masked: true };
  assert.equal(became(skipped), why(skipped.reason));
});

test("a sighting's id begins with its capture's", () => {
  assert.equal(captureOf("1795170160123-5f0e8a0b-12"), "1795170160123-5f0e8a0b");
});

test("a face that is meant has its place in the square that is shown of a portrait", () => {
  const [[left, wide], [top, high]] = within({ box: { x: 60, y: 30, width: 40, height: 50 }, width: 120, height: 100 });
  const expected = [0.44, 0.52, 0.225, 0.65];
  [left, wide, top, high].forEach((one, place) => assert.ok(Math.abs(one - expected[place]) < 1e-9, `${place}: ${one}`));
  assert.deepEqual(within({ box: { x: 0, y: 0, width: 100, height: 100 }, width: 100, height: 100 }), [[0, 1], [0, 1]]);
});
