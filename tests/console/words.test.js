import assert from "node:assert/strict";
import { test } from "node:test";
import { language, session } from "../../console/store.js";
import { stamp } from "../../console/shared/tables.js";
import { hourMark, hourName } from "../../console/visits/day.js";
import { ago, clock, day, isoDay, load, loadMore, minuteOf, number, t, tOr, visit } from "../../console/words.js";

const spoken = async (chosen) => { language.set(chosen); await load(); };
const NOW = Date.parse("2026-11-23T12:00Z");

test("a number chooses among the plurals of its language", async () => {
  await spoken("en");
  assert.deepEqual([1, 2, 3, 11, 22, 103].map(visit),
    ["first visit", "2nd visit", "3rd visit", "11th visit", "22nd visit", "103rd visit"]);
  assert.deepEqual([-0.001, -0.01, 1234.5].map((score) => number(score, 2)), ["0.00", "-0.01", "1,234.50"]);
  await spoken("zh");
  assert.equal(visit(3), "第3次到访");
});

test("Arabic has the digits and the calendar of mails and files, whatever the region writes", async () => {
  await spoken("ar");
  assert.equal(number(1234.5, 1), "1,234.5");
  assert.match(day("2026-11-23T12:00Z"), /23.*2026/);
  assert.deepEqual([0, 1, 2, 3, 11, 100].map((count) => t("visits", { count })),
    ["لا زيارات", "زيارة واحدة", "زيارتان", "3 زيارات", "11 زيارة", "100 زيارة"]);
});

test("words of a folder come when they are asked for, and in each language from then on", async () => {
  await spoken("en");
  assert.equal(t("traffic.away"), "traffic.away");
  assert.equal(tOr("traffic.away", "-"), "-");
  await loadMore("traffic");
  const english = t("traffic.away");
  await spoken("zh");
  assert.ok(![english, "traffic.away"].includes(t("traffic.away")));
});

test("times are the tenant's", async () => {
  await spoken("en");
  session.set(/** @type {any} */ ({ time_zone: "Asia/Kathmandu" }));
  assert.deepEqual([minuteOf("2026-11-23T18:30Z"), isoDay("2026-11-23T18:30Z")], ["00:15", "2026-11-24"]);
});

const inRegion = async (tag, act) => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { languages: [tag] }, configurable: true });
  await spoken("system");
  act();
  Object.defineProperty(globalThis, "navigator", before);
};

test("a clock is that of the browser's region, and a file's is the same in each", async () => {
  session.set(/** @type {any} */ ({ time_zone: "UTC" }));
  const at = "2026-11-23T16:35Z";
  const shown = {};
  const chosen = language.now;
  for (const tag of ["en-US", "en-GB", "de-DE"]) {
    await inRegion(tag, () => {
      shown[tag] = [clock(at), stamp(at), hourName("16"), hourMark("00")].join("; ").replaceAll(/[\u202f\u2009]/g, " ");
    });
  }
  assert.deepEqual(shown, {
    "en-US": "4:35 PM; 2026-11-23 16:35; 4 – 5 PM; 12a",
    "en-GB": "16:35; 2026-11-23 16:35; 16 – 17; 00",
    "de-DE": "16:35; 2026-11-23 16:35; 16 – 17; 00",
  });
  await spoken(chosen);
});

test("how long ago it was is said in the largest unit that fits", () => {
  const said = [2, 59, 3600, 86_400 * 8].map((seconds) => ago(NOW - seconds * 1000, "long", NOW));
  assert.deepEqual(said, ["just now", "59 seconds ago", "1 hour ago", "last week"]);
});

test("an English word that stands in has the plurals of English", async () => {
  const ask = globalThis.fetch;
  const words = { "a": { one: "{count} person", other: "{count} people", in: "en" }, "b": { other: "{count}人" } };
  globalThis.fetch = async () => new Response(JSON.stringify(words));
  await spoken("zh");
  globalThis.fetch = ask;
  assert.deepEqual([1, 2].map((count) => [t("a", { count }), t("b", { count })]),
    [["1 person", "1人"], ["2 people", "2人"]]);
});
