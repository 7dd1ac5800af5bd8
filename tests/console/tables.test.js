import assert from "node:assert/strict";
import { test } from "node:test";
import { moment, Moment, table } from "../../console/shared/tables.js";
import { language, session } from "../../console/store.js";
import { dated, day, explain, load, loadMore, number, t } from "../../console/words.js";

const speak = async (chosen, ...tags) => {
  Object.defineProperty(navigator, "languages", { value: tags, configurable: true });
  language.set(chosen);
  await load();
};
const SOME = [["a", 0.5, -3, null, new Moment("2026-11-20"), "=1"]];

test("where a half is 0,5, semicolons divide cells", async () => {
  await speak("system", "de-DE");
  assert.equal(table(SOME), `"a";"0,5";"-3";"";"2026-11-20";"'=1"\r\n`);
  await speak("system", "en-GB");
  assert.equal(table(SOME), `"a","0.5","-3","","2026-11-20","'=1"\r\n`);
  await speak("system", "de-CH");
  assert.equal(table(SOME).slice(0, 9), `"a","0.5"`);
});

test("an instant is a minute of the tenant's zone", () => {
  session.set(/** @type {any} */ ({ time_zone: "Asia/Kathmandu" }));
  assert.equal(moment("2026-11-23T18:30Z").text, "2026-11-24 00:15");
  assert.equal(moment(null), null);
});

test("numbers and dates are those of the browser's region", async () => {
  const said = async (...tags) => {
    await speak("system", ...tags);
    return [t("undo"), number(1234.5, 1), day("2026-11-20T12:00Z")];
  };
  assert.deepEqual(await said("de-AT", "en"), ["Rückgängig", "1 234,5".replace(" ", "\u00a0"), "20. Nov. 2026"]);
  assert.deepEqual(await said("de-DE"), ["Rückgängig", "1.234,5", "20. Nov. 2026"]);
  assert.deepEqual(await said("en-GB"), ["Undo", "1,234.5", "20 Nov 2026"]);
  assert.deepEqual(await said("en-US"), ["Undo", "1,234.5", "Nov 20, 2026"]);
  assert.deepEqual((await said("zh-CN"))[2], "2026年11月20日");
  assert.equal((await said("xx-DE"))[0], "Undo", "English is spoken where nobody has written the language");
  const range = dated({ day: "numeric", month: "short", year: "numeric" });
  assert.equal(range.formatRange(new Date("2026-11-23"), new Date("2026-11-29")), "23–29 Nov 2026");
});

test("a language that was chosen has the browser's region only if the browser knows it", async () => {
  await speak("de", "en-US", "de-CH");
  assert.match(number(1234.5, 1), /^1.234\.5$/);
  await speak("de", "en-US");
  assert.equal(number(1234.5, 1), "1.234,5");
});

test("what went wrong is said in the reader's language, by the most that is known of it", async () => {
  const problem = { code: "Unusable", status: 422, detail: "no face was found", breaks: "no face" };
  await speak("system", "en-GB");
  assert.equal(explain(problem), "no face was found");
  await speak("system", "de-DE");
  assert.equal(explain(problem), t("problem.Unusable"), "what breaks a picture is said where pictures are added");
  await loadMore("shared");
  assert.equal(explain(problem), t("problem.Unusable.no face"));
  assert.equal(explain({ ...problem, breaks: "" }), t("problem.Unusable"));
  assert.equal(explain({ code: "HookNotFound", status: 404, detail: "none" }), t("problem.404"));
  assert.equal(explain({ code: "Busy", status: 503, detail: "busy" }), t("problem.InternalError"));
  assert.equal(explain({ detail: "Der Name fehlt" }), "Der Name fehlt");
  assert.equal(explain({}), t("problem.offline"));
});
