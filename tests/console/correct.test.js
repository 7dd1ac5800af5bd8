import assert from "node:assert/strict";
import { test } from "node:test";
import { given, giving, keeping, merging, naming, patches, sameName, sightingsOf } from "../../console/shared/correct.js";

/** Record what is sent, and answer by `answers`, one after the other. */
function sender(...answers) {
  const sent = [];
  const send = async (method, path, body) => { sent.push([method, path, body]); return answers.shift(); };
  return [send, sent];
}

test("a stranger who is named is a regular, and both are taken back", async () => {
  const { does, inverse } = naming({ id: "7", name: "", group: "stranger" }, "Maria");
  const [send, sent] = sender();
  await does(send);
  await inverse(send);
  assert.deepEqual(sent, [["PATCH", "faces/7", { name: "Maria", group: "regular" }],
    ["PATCH", "faces/7", { name: "", group: "stranger" }]]);
});

test("of others the group stays", async () => {
  const [send, sent] = sender();
  await naming({ id: "7", name: "", group: "VIP", revision: 3 }, "Maria").does(send);
  assert.deepEqual(sent, [["PATCH", "faces/7", { name: "Maria", revision: 3 }]]);
});

test("who is somebody else becomes part of them, until it is undone", async () => {
  const { does, inverse } = merging({ id: "7" }, { id: "8" });
  const [send, sent] = sender({ merge: "m/1" });
  await inverse(send, await does(send));
  assert.deepEqual(sent.map(([, path]) => path), ["faces/8/merge", "merges/m%2F1/undo"]);
});

test("a face is known by a photo of its sighting, until it is taken back", async () => {
  const { does, inverse } = keeping({ id: "7" }, "a-0");
  const [send, sent] = sender({ id: "ab12" });
  await inverse(send, await does(send));
  assert.deepEqual(sent, [["POST", "faces/7/pictures", { sighting: "a-0", trust: true }],
    ["DELETE", "faces/7/pictures/ab12", undefined]]);
});

test("all of a visit is given to who was chosen by one call, and given back by one", async () => {
  const [send, sent] = sender({ sighting: { face: "8" }, sightings: ["a-0", "b-0"] });
  const { does, inverse } = giving({ id: "7" }, "a-0", { kind: "face", face: { id: "8" } }, { visit: true });
  await inverse(send, await does(send));
  assert.deepEqual(sent, [["POST", "faces/7/sightings/a-0/reject", { other: "8", visit: true }],
    ["POST", "faces/8/sightings/a-0/reject", { other: "7", visit: true, only: ["a-0", "b-0"] }]]);
});

test("somebody new has the name by the same call", async () => {
  const [send, sent] = sender({});
  await giving({ id: "7" }, "a-0", { kind: "new", name: "Maria" }, { only: ["a-0"] }).does(send);
  assert.deepEqual(sent[0][2], { instead: "new", name: "Maria", visit: true, only: ["a-0"] });
});

test("a row is the visit that its sightings are a part of now", () => {
  const rows = [{ sighting: "b-0", face: "7", name: "Ann" }, { sighting: "c-0", face: "9", name: "Eve" }];
  const arrival = { sighting: "a-0", face: "8", name: "Maria", visit: 3 };
  assert.deepEqual(given({ sightings: ["b-0"], arrival })(rows), [arrival, rows[1]]);
  assert.deepEqual(given({ sightings: ["b-0"], arrival })([arrival, ...rows]), [arrival, rows[1]], "it joined a visit");
  assert.deepEqual(given({ sightings: ["b-0"], arrival: null })(rows), [rows[1]]);
});

test("the sightings of a visit are read as far back as it began", async () => {
  const at = (minute) => `2026-11-23T10:${minute}:00.000Z`;
  const pages = [{ sightings: [{ id: "e-0", captured_at: at(50) }, { id: "d-0", camera: "door", captured_at: at(20) }], next_token: "more" },
    { sightings: [{ id: "c-0", camera: "bar", captured_at: at(10) }, { id: "b-0", captured_at: at("05") }], next_token: "on" }];
  const visit = { face: "7", camera: "bar", sighting: "c-0", sightings: 2, first: at(10), last: at(20) };
  const [first, last] = [{ camera: "bar", sighting: "c-0" }, { camera: "door", sighting: "d-0" }];
  assert.deepEqual(await sightingsOf(async () => pages.shift(), visit), [last, first]);
  assert.deepEqual(await sightingsOf(null, { ...visit, sightings: 1 }), [first]);
});

test("rows change in place, and back", () => {
  const rows = [{ sighting: "a", face: "7", name: "Ann" }, { sighting: "b", face: "8", name: "Bob" }];
  const is = ({ sighting }) => sighting === "a";
  const [change, back] = patches({ kind: "face", face: { id: "9", name: "Carl", group: "VIP", portrait: null } }, is);
  const changed = change(rows);
  assert.deepEqual(changed.map(({ face, name }) => [face, name]), [["9", "Carl"], ["8", "Bob"]]);
  assert.deepEqual(back(changed), rows);
});

test("a name is the same however it is written", () => {
  const found = [{ id: "1", name: "Ian Thorpe" }, { id: "2", name: "Ian Thorpe Jr" }];
  assert.equal(sameName(found, " ian  THORPE", "7")?.id, "1");
  assert.equal(sameName(found, "Ian Thorpe", "1"), undefined);
  assert.equal(sameName(found, "Ian", "7"), undefined);
});
