import assert from "node:assert/strict";
import { test } from "node:test";
import { spellings } from "../../console/shared/spellings.js";

test("a name with umlauts is found by two letters for each, and the other way round", () => {
  assert.deepEqual(spellings("Mueller"), ["Mueller", "muller"]);
  assert.deepEqual(spellings("Müller"), ["Müller", "mueller"]);
  assert.deepEqual(spellings("oeztuerk"), ["oeztuerk", "ozturk"]);
  assert.deepEqual(spellings("Haakon"), ["Haakon", "hakon"]);
  assert.deepEqual(spellings("Ann Lee"), ["Ann Lee"]);
  assert.deepEqual(spellings("王芳"), ["王芳"]);
});
