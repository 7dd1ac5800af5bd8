// The list of a day: what its address says, pages put together, hours, and what waits while somebody reads below.
import { addDays, begin, hourSpan, isDay, weekdayOf } from "../shared/days.js";
import { isSpecial } from "../shared/known.js";
import { ago, dated, hasHalves, isoDay, shortDay, t, visit } from "../words.js";

const ONLY = ["first", "uncertain"];
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** How long ago somebody was seen just now. */
export const RECENT_MS = 30 * MINUTE_MS;
const [SPECIAL, STAFF] = ["special", "staff"];
/** The order of those who were just seen: special guests first, staff last. */
const RANKS = [SPECIAL, "", STAFF];

/** Read the page's place. `staff`: "yes" counts and lists them, too. */
export function asked({ day = "", hour = "", group = "", camera = "", only = "", staff = "" }, today) {
  const chosen = isDay(day) && day <= today ? day : today;
  const kind = ONLY.includes(only) ? only : "";
  const part = /^\d\d$/.test(hour) && hourSpan(chosen, hour) ? hour : "";
  const isToday = chosen === today;
  return { day: chosen, isToday, hour: part, group, camera, only: kind, staff: staff === "yes" ? "yes" : "" };
}

/** Return the place of another choice. Today is said by no day, so that the link of an open page stays today's. */
export const placed = ({ day, isToday, ...rest }) => ({ day: isToday ? "" : day, ...rest });

/** Say what to ask of the book: the whole day or hour, so that its figures stay the same whatever is listed of it. */
export function question({ day, isToday, hour, camera, staff }) {
  const end = isToday ? null : begin(addDays(day, 1));
  const [from, to] = hour ? hourSpan(day, hour) : [begin(day), end];
  const written = (at) => (at ? new Date(at).toISOString() : "");
  return { from: written(from), to: written(to), camera, staff: staff ? true : undefined };
}

/** Add up the buckets of a day by the hour, from 0 to 23. */
export function byHour(buckets) {
  const counts = Array(24).fill(0);
  for (const { time, amounts } of buckets) counts[Number(time.slice(11, 13))] += amounts.total ?? 0;
  return counts;
}

/** Return what a usual day of that weekday brings: by the hour, by `clockNow` and as a whole; null: not known. */
export function usualDay(week, day, clockNow) {
  const hours = week?.[weekdayOf(day)];
  if (!hours?.some(Boolean)) return null;
  const [hour, minute] = clockNow.split(":").map(Number);
  const sum = (until) => hours.slice(0, until).reduce((all, one) => all + one, 0);
  return { hours, whole: Math.round(sum(24)), now: Math.round(sum(hour) + (hours[hour] * minute) / 60) };
}

const atHour = (hour) => Date.UTC(2024, 0, 1, Number(hour));

/** Name an hour of the day: "16 – 17", or "4 – 5 PM". */
export const hourName = (hour) => (hasHalves()
  ? dated({ hour: "numeric" }).formatRange(atHour(hour), atHour(hour) + HOUR_MS)
  : `${hour} – ${String((Number(hour) + 1) % 24).padStart(2, "0")}`);

/** Return what stands below an hour's bar, as short as can be: "15", or "3p". */
export const hourMark = (hour) => (hasHalves()
  ? dated({ hour: "numeric" }).format(atHour(hour)).toLowerCase().replace(/[\s.]|m\.?$/g, "") : hour);

/** Return the same weekday of the week before, until the same minute of the day. */
export function weekBefore(day, isToday, now) {
  const before = addDays(day, -7);
  const elapsed = Math.floor((now - begin(day)) / MINUTE_MS) * MINUTE_MS;
  const end = begin(addDays(before, 1));
  return { day: before, from: begin(before), to: isToday ? Math.min(begin(before) + elapsed, end) : end };
}

/**
 * Put the newest page before what was known: below its last row the known ones stay. If page and known rows have
 * no row in common, some between may be missing, and the list begins anew.
 */
export function joined(known, { arrivals, next_token: token }) {
  const last = arrivals.at(-1);
  const there = new Set(known.rows.map((row) => row.sighting));
  if (!token || !last || !arrivals.some((arrival) => there.has(arrival.sighting))) return { rows: arrivals, token };
  const listed = new Set(arrivals.map((arrival) => arrival.sighting));
  const older = known.rows.filter((row) => row.first <= last.first && !listed.has(row.sighting));
  return older.length ? { rows: [...arrivals, ...older], token: known.token } : { rows: arrivals, token };
}

/** Add an older page. */
export function extended(known, { arrivals, next_token: token }) {
  const there = new Set(known.rows.map((row) => row.sighting));
  return { rows: [...known.rows, ...arrivals.filter((arrival) => !there.has(arrival.sighting))], token };
}

/**
 * Divide rows by the hour that they began in, with how many are `before`. `hourOf(at)`: "14". The last hour has no
 * count while more may come.
 */
export function hours(rows, isWhole, hourOf) {
  /** @type {{ hour: string, rows: any[], count: number | null, before: number }[]} */
  const found = [];
  for (const [before, one] of rows.entries()) {
    const hour = hourOf(one.first);
    if (found.at(-1)?.hour !== hour) found.push({ hour, rows: [], count: null, before });
    found.at(-1).rows.push(one);
  }
  const counted = (place) => isWhole || place < found.length - 1;
  return found.map((part, place) => ({ ...part, count: counted(place) ? part.rows.length : null }));
}

/**
 * Return who was seen just now, each once, newest first. A visit is over once the gap of its camera
 * has passed: who made it is left out. `observations`: newest first.
 */
export function seen(observations, groups, cameras, now) {
  const gaps = new Map(cameras.map((camera) => [camera.id, 1000 * camera.gap_s]));
  const isHere = ({ name, at, camera }) =>
    name !== null && now - Date.parse(at) < Math.min(RECENT_MS, gaps.get(camera) ?? RECENT_MS);
  const here = new Map(observations.filter(isHere).reverse().map((one) => [one.face, one]));
  const kindOf = ({ group }) => (isSpecial(groups, group) ? SPECIAL
    : groups.some(({ name, staff }) => staff && name === group) ? STAFF : "");
  const rank = (one) => RANKS.indexOf(one.kind);
  return [...here.values()].map((one) => ({ ...one, kind: kindOf(one) }))
    .sort((one, other) => rank(one) - rank(other) || Date.parse(other.at) - Date.parse(one.at));
}

/**
 * Take out of an hour's visits those of strangers who came for the first time, if there are several: `rows` without
 * them, and `once`.
 */
export function folded(rows) {
  const isOnce = (one) => one.visit === 1 && one.group === "stranger" && one.name === "";
  const once = rows.filter(isOnce);
  return once.length > 1 ? { rows: rows.filter((one) => !isOnce(one)), once } : { rows, once: [] };
}

/** Leave out the rows above the one that was the first when somebody scrolled down. */
export function held(rows, top) {
  const place = top ? rows.findIndex((row) => row.sighting === top) : 0;
  return place > 0 ? { rows: rows.slice(place), waiting: place } : { rows, waiting: 0 };
}

/** Say which visit it is, and when the one before was: "7th visit, previously 3 days ago". */
export function which({ visit: count, first, before }, now = Date.now()) {
  if (!count || !before) return count ? visit(count) : "";
  const [of, today] = [before, now].map(isoDay);
  const when = of === today ? ago(before, "long", now) : ago(of, "long", Date.parse(today));
  return t("visits.visit", { visit: visit(count), ago: isoDay(first) === today ? when : shortDay(before) });
}

/** Return the figures of a day that lead to a part of it: those that are not 0, or that are chosen. */
export function figures(totals, { group, only, staff }) {
  const counts = { ...(group && { [group]: 0 }), ...totals.groups };
  const ofGroup = ([name, count]) =>
    ({ kind: "group", name, count, isChosen: group === name, to: { group: name, only: "" } });
  const ofKind = (kind) => ({ kind, count: totals[kind], isChosen: only === kind, to: { group: "", only: kind } });
  const groups = Object.entries(counts).filter(([name]) => name !== "stranger" || name === group);
  const all = { kind: "all", count: totals.arrivals, isChosen: !group && !only, to: { group: "", only: "" } };
  const ofStaff = { kind: "staff", count: totals.staff || (totals.kinds.staff ?? 0), isChosen: staff === "yes",
    to: { staff: staff ? "" : "yes" } };
  return [
    all, ofKind("first"), ...groups.sort((one, other) => other[1] - one[1]).map(ofGroup), ofKind("uncertain"), ofStaff,
  ].filter((one) => one.count || one.isChosen);
}
