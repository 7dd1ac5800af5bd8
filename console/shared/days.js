// Days of the tenant's calendar: texts such as 2026-11-20, whatever the browser's clock says.
import { session } from "../store.js";
import { isoDay, minuteOf } from "../words.js";

export const DAY_MS = 86_400_000;
export const instant = (day) => Date.parse(`${day}T00:00Z`);
/** Say whether a text is a day. */
export const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(instant(text));

/** Return the weekday of a day, 0 for Monday. */
export const weekdayOf = (day) => (new Date(instant(day)).getUTCDay() + 6) % 7;

/** Return the place of a weekday, 0 for Monday, in the tenant's weeks, from 0. */
export const placeInWeek = (weekday) => (weekday - (session.now?.first_weekday ?? 0) + 7) % 7;

export const written = (ms) => new Date(ms).toISOString().slice(0, 10);
export const addDays = (day, count) => written(instant(day) + count * DAY_MS);

/** Return the first instant of a day in the tenant's zone, also if its clocks change at midnight, in ms since 1970. */
export function begin(day) {
  const midnight = instant(day);
  const around = [midnight - DAY_MS, midnight + DAY_MS].map((at) => midnight - offset(at));
  around.sort((one, other) => one - other);
  return around.find((at) => isoDay(at) === day && isoDay(at - 1) !== day) ?? around[0];
}

const HALF_HOUR_MS = 1_800_000;

/** Return when an hour of a day, "14", begins and ends by the tenant's clocks; null if they leave it out that day. */
export function hourSpan(day, hour) {
  const halves = Array.from({ length: 52 }, (_, place) => begin(day) + place * HALF_HOUR_MS);
  const within = halves.filter((at) => isoDay(at) === day && minuteOf(at).slice(0, 2) === hour);
  return within.length ? [within[0], within.at(-1) + HALF_HOUR_MS] : null;
}

function offset(at) {
  const options = { timeZone: session.now.time_zone, dateStyle: "short", timeStyle: "medium" };
  const clock = new Intl.DateTimeFormat("sv-SE", /** @type {any} */ (options)).format(at);
  return Date.parse(`${clock.replace(" ", "T")}Z`) - Math.floor(at / 1000) * 1000;
}
