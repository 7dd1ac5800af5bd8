import assert from "node:assert/strict";
import { test } from "node:test";
import { isMeant, spellOtherwise } from "../../console/shared/spellings.js";

test("a name with umlauts is looked for by two letters for each, and the other way round", () => {
  assert.equal(spellOtherwise("Mueller"), "muller");
  assert.equal(spellOtherwise("Müller"), "mueller");
  assert.equal(spellOtherwise("oeztuerk"), "ozturk");
  assert.equal(spellOtherwise("Haakon"), "hakon");
  assert.equal(spellOtherwise("Ann Lee"), "");
  assert.equal(spellOtherwise("王芳"), "");
});

test("nobody else is meant whose name only begins alike", () => {
  assert.ok(isMeant("Anna Müller", "mueller"));
  assert.ok(isMeant("Öztürk", "oezt"));
  assert.ok(isMeant("Mueller", "Mülle"));
  assert.ok(!isMeant("Johanna", "Joe"));
  assert.ok(!isMeant("Susanne", "Sue"));
});
