// Days, weeks, months and years of the tenant's calendar, and their names.
import { addDays, DAY_MS, placeInWeek, weekdayOf, written } from "../shared/days.js";
import { dated, ofClock } from "../words.js";

export const SPANS = ["day", "week", "month", "year"];

/** Return the first day of the week that holds a day. */
const weekBegin = (day) => addDays(day, -placeInWeek(weekdayOf(day)));

/** Return the first day of a period and the day behind its last: that which holds `day`, or `later` ones after it. */
export function period(span, day, later = 0) {
  const [year, month] = day.split("-").map(Number);
  const edge = {
    day: (n) => addDays(day, n),
    week: (n) => addDays(weekBegin(day), 7 * n),
    month: (n) => written(Date.UTC(year, month - 1 + n)),
    year: (n) => written(Date.UTC(year + n, 0)),
  }[span];
  return { first: edge(later), end: edge(later + 1) };
}

/** Return the period to compare with: the one before, of a day the same weekday of the week before. */
export const before = (span, day) => (span === "day" ? period("day", day, -7) : period(span, day, -1));

export const WEEKS = 8;

/** Return the time of which a typical week is shown: of a week, the eight weeks that end with it. */
export const typical = (span, { first, end }) =>
  ({ first: span === "week" ? addDays(first, -7 * (WEEKS - 1)) : first, end });

/** Return the last such hour of a weekday that has begun by `now`, "2026-11-20 15:04", in a time that ends at `end`. */
export function lastHour(weekday, number, end, now) {
  const hour = String(number).padStart(2, "0");
  const last = [addDays(end, -1), now.slice(0, 10)].sort()[0];
  const day = addDays(last, -((weekdayOf(last) - weekday + 7) % 7));
  return { day: `${day} ${hour}` > now ? addDays(day, -7) : day, hour };
}

/** Return the names of all buckets of a period, as the statistics give them. */
export function buckets(by, { first, end }) {
  const found = [];
  if (by === "month") for (let at = first; at < end; at = period("month", at, 1).first) found.push(at.slice(0, 7));
  else if (by === "week") for (let at = weekBegin(first); at < end; at = addDays(at, 7)) found.push(at);
  else for (let at = first; at < end; at = addDays(at, 1)) {
    if (by === "day") found.push(at);
    else for (let hour = 0; hour < 24; hour++) found.push(`${at}T${String(hour).padStart(2, "0")}:00`);
  }
  return found;
}

const DAY = { weekday: "short", day: "numeric", month: "short" };
const DATE = { day: "numeric", month: "short", year: "numeric" };
const MONTH = { month: "long", year: "numeric" };

/** Return when a bucket begins. */
const beginOf = (by, name) =>
  new Date(by === "month" ? `${name}-01` : `${name.slice(0, 13)}${by === "hour" ? ":00Z" : ""}`);

const inWords = (by, options, name) => dated(options).format(beginOf(by, name));

/** Say a bucket in words: "Fri, 20 Nov, 09:00". */
export function bucketName(by, name) {
  const at = beginOf(by, name);
  if (by === "week") return dated(DATE).formatRange(at, new Date(at.getTime() + 6 * DAY_MS));
  return inWords(by, { hour: { ...DAY, ...ofClock() }, day: DAY, month: MONTH }[by], name);
}

/** Return what stands below a bucket, "" for most of many. */
export function tick(by, span, name) {
  const at = new Date(by === "month" ? `${name}-01` : `${name.slice(0, 10)}`);
  const [date, hour] = [at.getUTCDate(), Number(name.slice(11, 13))];
  if (by === "hour" && span === "day") return hour % 3 ? "" : inWords("hour", ofClock(), name);
  if (by === "month" || span === "year") {
    return by !== "month" && date > (by === "week" ? 7 : 1) ? "" : dated({ month: "short" }).format(at);
  }
  if (hour) return "";
  return dated(span === "week" ? { weekday: "short", day: "numeric" } : { day: "numeric" }).format(at);
}

/** Say a period in words: "16 – 22 Nov 2026". */
export function periodName(span, { first, end }) {
  const at = new Date(first);
  if (span === "year") return dated({ year: "numeric" }).format(at);
  if (span === "month") return dated(MONTH).format(at);
  if (span === "day") return dated({ ...DAY, year: "numeric" }).format(at);
  return dated(DATE).formatRange(at, new Date(addDays(end, -1)));
}
