// Words, numbers and times in the language of the reader. Times are the tenant's, whatever the browser's clock says.
import { LANGUAGES, language, session, Value } from "./store.js";

const folders = ["words"];
let known = "en";
let table = {};
let locale = "en";
let made = {};

/** Changes with each language that was loaded. */
export const spoken = new Value("");

const RIGHT_TO_LEFT = ["ar", "fa", "he", "ku", "ps", "ur", "yi"];

/** Return in which direction a language is written: "ltr" or "rtl". */
export const directionOf = (language) => (RIGHT_TO_LEFT.includes(language) ? "rtl" : "ltr");

/** Return 1, or -1 where the next one stands to the left: what an arrow key to the right steps by. */
export const onward = () => (directionOf(known) === "rtl" ? -1 : 1);

const languageOf = (tag) => tag.slice(0, 2).toLowerCase();

/**
 * Load the words of the chosen language, or of the browser's first that we have. Numbers and dates are those of the
 * browser's region: a browser that asks for de-AT has words of `de` and dates of Austria.
 */
export async function load() {
  const isChosen = language.now !== "system";
  const wanted = isChosen ? [language.now] : navigator.languages.map(languageOf);
  known = wanted.find((one) => one in LANGUAGES.console) ?? "en";
  table = Object.assign({}, ...(await Promise.all(folders.map(wordsOf))));
  const tag = navigator.languages.find((one) => languageOf(one) === known);
  locale = inFigures(tag ?? (isChosen ? known : regional(known)));
  made = {};
  Object.assign(document.documentElement, { lang: known, dir: directionOf(known) });
  spoken.set(known);
}

/** Return the language as it is written in the browser's region: English words and a French browser make en-FR. */
function regional(spoken) {
  const { region } = new Intl.Locale(navigator.languages[0] ?? spoken);
  return region ? `${spoken}-${region}` : spoken;
}

/** Write Arabic in the digits and by the calendar that fields, mails and saved files have. */
const inFigures = (tag) => (languageOf(tag) === "ar"
  ? String(new Intl.Locale(tag, { numberingSystem: "latn", calendar: "gregory" })) : tag);

/** Load the words of a folder's pages, too, which lie beside them so that the first page comes without them. */
export async function loadMore(folder) {
  if (folders.includes(folder)) return;
  Object.assign(table, await wordsOf(folder));
  folders.push(folder);
}

/** Load the words of a folder's pages; those of every page are in the folder "words". */
async function wordsOf(folder) {
  const answer = await fetch(import.meta.resolve(`./${known}/${folder}.json`));
  if (!answer.ok) throw Object.assign(new Error(answer.statusText), { status: answer.status });
  return answer.json();
}

/**
 * Return the text of this name. `{word}` in it stands for a value; a number `count` chooses among its plurals, by the
 * rules of the language that `in` names: English words stand in for those that there are not.
 */
export function t(name, values = {}) {
  let text = table[name];
  if (text === undefined) return name;
  if (typeof text === "object") {
    const by = text.in ?? locale;
    const rules = (made[`plural ${by}`] ??= new Intl.PluralRules(by));
    text = text[rules.select(values.count)] ?? text.other;
  }
  return text.replace(/\{(\w+)\}/g, (_, word) => shown(values[word]));
}

/** Return the text of this name, or `otherwise` if there is none. */
export function tOr(name, otherwise) {
  return table[name] === undefined ? otherwise : t(name);
}

/**
 * Say what went wrong in the reader's language, by the code of the API's answer, or by its status. In English it is
 * the API's own sentence, and so it is of what the page itself refuses.
 * @param {{ code?: string, status?: number, detail?: string, breaks?: string, field?: string }} problem
 */
export function explain({ code = "", status = 0, detail = "", breaks = "", field = "" }) {
  if (!status) return detail || t("problem.offline");
  if (detail && known === "en") return detail;
  const names = [breaks && `${code}.${breaks}`, code, field && `at.${field}`, status >= 500 ? "InternalError" : status];
  return t(names.map((name) => `problem.${name}`).find((name) => name in table) ?? "problem");
}

/** Return what there is of these texts, as one line. */
export const joined = (...texts) => texts.filter(Boolean).join(" · ");

export function number(value, digits = 0) {
  const rounded = Number(Number(value).toFixed(digits)) + 0; // never -0, which would be written with its sign
  const style = { maximumFractionDigits: digits, minimumFractionDigits: digits };
  return new Intl.NumberFormat(locale, style).format(rounded);
}

/** Write a change: "+12", with `style` "percent" of a share "+12%". */
export const signed = (value, style = "decimal") => new Intl.NumberFormat(locale,
  /** @type {Intl.NumberFormatOptions} */ ({ style, signDisplay: "exceptZero" })).format(value).replace("-", "\u2212");

const shown = (value) => (typeof value === "number" ? number(value) : String(value ?? ""));

function format(name, options, by = locale) {
  return (made[`${name} ${session.now?.time_zone}`] ??= new Intl.DateTimeFormat(by, {
    ...options, timeZone: session.now?.time_zone,
  }));
}

const OF_24 = /** @type {const} */ ({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** Tell whether the browser's region cuts a day in two halves, as "4:35 PM" does. */
export const hasHalves = () => (made.halves ??= new Intl.DateTimeFormat(locale, { hour: "numeric" }).resolvedOptions())
  .hour12;

/** Return how a minute of a day is written. @returns {Intl.DateTimeFormatOptions} */
export const ofClock = () => (hasHalves() ? { hour: "numeric", minute: "2-digit" } : OF_24);

export const clock = (at) => format("clock", ofClock()).format(new Date(at));

/** Return the minute of the tenant's day, "16:35" in each language: for sums and files. */
export const minuteOf = (at) => format("minute", OF_24, "sv").format(new Date(at));
export const day = (at) => format("day", { day: "numeric", month: "short", year: "numeric" }).format(new Date(at));
export const shortDay = (at) =>
  format("short", { weekday: "short", day: "numeric", month: "short" }).format(new Date(at));
export const dayAndClock = (at) => `${shortDay(at)}${directionOf(known) === "rtl" ? "،" : ","} ${clock(at)}`;

/** Return how to write a day of a calendar, which is no instant and has no zone. */
export const dated = (options) =>
  (made[JSON.stringify(options)] ??= new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" }));

/** Return the day as 2026-11-20, by the tenant's calendar. */
export const isoDay = (at) => format("iso", {}, "sv").format(new Date(at));

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const STEPS = [
  ["second", 60], ["minute", 60], ["hour", 24], ["day", 7], ["week", 5], ["month", 12], ["year", Infinity],
];
const SECONDS = { second: 1, minute: 60, hour: 3600, day: 86_400, week: 604_800, month: 2_629_800, year: 31_557_600 };

/**
 * Say how long ago an instant was: "3 days ago".
 * @param {string | number} at
 * @param {Intl.RelativeTimeFormatStyle} [style]
 */
export function ago(at, style = "long", now = Date.now()) {
  const seconds = Math.max(0, (now - new Date(at).getTime()) / 1000);
  if (seconds < 5) return t("time.now");
  const [unit] = STEPS.find(([name, most]) => seconds / SECONDS[name] < most);
  return relative(style).format(-Math.floor(seconds / SECONDS[unit]), unit);
}

const relative = (style) =>
  (made[`relative ${style}`] ??= new Intl.RelativeTimeFormat(locale, { numeric: "auto", style }));

/** Say in how many days something is: "tomorrow". */
export const inDays = (count) => relative("long").format(count, "day");

/** Write several texts as a list: "Ann, Ben and Cem". */
export const listed = (texts) => (made.list ??= new Intl.ListFormat(locale)).format(texts);

/** Say which visit it was: "7th visit". */
export function visit(count) {
  if (count === 1) return t("visit.first");
  const rules = (made.ordinal ??= new Intl.PluralRules(locale, { type: "ordinal" }));
  const kind = rules.select(count);
  return t(`visit.${table[`visit.${kind}`] ? kind : "other"}`, { n: number(count) });
}
