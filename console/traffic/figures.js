// What Traffic shows: what the address asks for, the statistics of a period and of the one before, and charts of them.
import { get, readSession } from "../api.js";
import { begin, isDay } from "../shared/days.js";
import { share } from "../shared/known.js";
import { session } from "../store.js";
import { isoDay, joined, t } from "../words.js";
import { stamp } from "../shared/tables.js";
import { changes } from "./closed.js";
import { before as earlier, bucketName, buckets, period, periodName, SPANS, tick } from "./periods.js";

export const MEASURES = ["arrivals", "persons", "entries"];
export const BUCKETS = {
  day: ["hour"], week: ["day", "hour"], month: ["day", "week"], year: ["week", "day", "month"],
};
const LABELS = ["a", "b", "c", "d"].map((name) => `labels.${name}`);
const OF_VISITS = ["visit", "stay", "again"];
const SPLITS = [...OF_VISITS, "camera", "group", "age", "gender", ...LABELS, "none"];
/** What a link to figures may ask: by nothing else is nobody told from another. */
const OF_FIGURES = [...OF_VISITS, "camera", "none"];
/** What becomes of those who came in. */
const ENTERED = ["known", "not_known", "faceless"];
/** The share of the other time's watched hours from which on two times are compared. */
const ALIKE = 0.9;
const HOUR_MS = 3_600_000;
export const OLDEST = "2000-01-01";

const among = (options, wanted) => (options.includes(wanted) ? wanted : options[0]);
const sum = (amounts) => amounts.reduce((all, amount) => all + amount, 0);
export const total = (found) => sum(found.flatMap((one) => Object.values(one.amounts)));

/** Read the page's place: what is counted, of which time, and how it is shown. */
export function wish(query) {
  const today = isoDay(Date.now());
  const span = among(["week", ...SPANS], query.span);
  const measure = among(MEASURES, query.measure);
  const splits = measure === "entries" ? ["entry"] : SPLITS.filter((one) =>
    (measure === "arrivals" || !OF_VISITS.includes(one)) && (!session.now?.page || OF_FIGURES.includes(one)));
  const day = isDay(query.at) && query.at >= OLDEST && query.at <= today ? query.at : today;
  return { measure, span, day, today, by: among(BUCKETS[span], query.by), splits, split: among(splits, query.split),
    beside: query.beside !== "no", staff: query.staff === "yes" && !session.now?.page ? "yes" : "",
    now: period(span, day), before: earlier(span, day) };
}

/** Say what to ask of the statistics: of a period, or of its part until an instant. */
export const question = ({ measure, staff }, { first, end }, more, until = begin(end)) => ({
  ...(measure === "entries" ? { entries: true } : { measure }), staff: staff ? true : undefined,
  from: new Date(begin(first)).toISOString(),
  to: until < Date.now() ? new Date(until).toISOString() : "", ...more,
});

export const splitBy = ({ split }) => (["none", "entry"].includes(split) ? "" : split);

const watched = (found) => sum(found.map((one) => one.looked?.watched_s ?? 0));

/** Return the statistics with entries as amounts; without the buckets that nobody watched. */
function entered({ buckets, entries, begun, closed, days_counted_again }) {
  const amounts = (found) => Object.fromEntries(ENTERED.map((name) => [name, found[name]]));
  return { begun, closed, days_counted_again, staff: entries?.staff ?? 0, entries,
    buckets: buckets.filter((one) => one.entries)
      .map(({ time, entries: found }) => ({ time, amounts: amounts(found), looked: found })) };
}

/** Read statistics. If days or weeks are cut in another way than this page does, it follows. */
export async function asking(asked, of, more, signal, until) {
  const page = await get("statistics", question(asked, of, more, until), { signal });
  if (["time_zone", "first_weekday"].some((name) => page[name] !== session.now?.[name])) readSession();
  return asked.measure === "entries" ? entered(page) : page;
}
export const counted = (...asked) => asking(...asked).then((page) => page.buckets);

/**
 * Read what the page shows: the buckets of the period and of the one before, and the amounts of both as a whole. To
 * compare like with like, a period that is not over is compared with the same part. A link to figures is answered for
 * whole hours, so it compares these. Persons are counted anew for a whole period, since days of persons cannot be
 * added. One that is over may be closed, and says what came since.
 */
export async function figures(asked, signal) {
  const { measure, span, by, now, before } = asked;
  const isPersons = measure === "persons";
  const whole = { by: span === "year" ? "month" : span };
  const isOver = begin(now.end) <= Date.now();
  const beside = asked.beside && (isOver || !isPersons || !session.now?.page); // a link counts people of whole days
  const elapsed = isOver ? Infinity : Date.now() - begin(now.first);
  const compared = session.now?.page ? Math.max(1, Math.round(elapsed / HOUR_MS)) * HOUR_MS : elapsed;
  const same = Math.min(begin(before.end), begin(before.first) + compared);
  const isClosed = isOver && span !== "year";
  const read = async (more) => {
    const [page, earlier, ofWhole, pageBefore] = await Promise.all([
      asking(asked, now, { by, ...more }, signal), beside && counted(asked, before, { by, ...more }, signal),
      (isPersons || isClosed) && asking(asked, now, { ...whole, ...more }, signal),
      beside && asking(asked, before, { ...whole, ...more }, signal, same)]);
    const { buckets: series, begun, staff, days_counted_again: recounted } = page;
    const isCompared = earlier && total(earlier) > 0; // a time in which nobody came at all says nothing
    const sumBefore = pageBefore && pageBefore.buckets;
    const isWhole = ![page, pageBefore].some((one) => share(one?.entries));
    const isAlike = isWhole && watched(sumBefore || []) >= ALIKE * watched(series);
    const told = (found, of) => changes(asked, found, (time) => bucketName(of, time), (one) => total([one]));
    const since = [...(isClosed ? told(ofWhole, span) : []), ...told(page, by)];
    return { series, earlier: isCompared && earlier, sum: isPersons ? ofWhole.buckets : series, sumBefore, staff,
      recounted, since, begun: isAlike ? begun : null,
      share: share(page.entries), shareBefore: share(pageBefore?.entries) };
  };
  const parts = await read({ split: splitBy(asked) });
  // Twelve months of persons are not the persons of a year.
  return { asked, isOver, hasSum: !(isPersons && span === "year"), parts, all: isPersons ? await read({}) : parts };
}

/** Return what a chart takes: names, ticks and amounts of all buckets, of one value of the split or of all together. */
export function drawn({ measure, by, span, now, before }, { series, earlier }, value) {
  const keys = buckets(by, now);
  const ofValue = ({ amounts }) => (Object.hasOwn(amounts, value) ? amounts[value] : 0);
  const amount = (one) => (value === undefined ? total([one]) : ofValue(one));
  const placed = (found, names) => {
    const known = new Map(found.map((one) => [one.time, one]));
    return keys.map((_, index) => known.get(names[index]) ?? null);
  };
  const amounts = (found) => found.map((one) => one && amount(one));
  const looksOf = (found) => found.map((one) => one?.looked);
  const names = keys.map((key) => bucketName(by, key));
  const bucketsNow = placed(series, keys);
  const bucketsBefore = earlier && placed(earlier, buckets(by, before));
  const shown = amounts(bucketsNow);
  const looksNow = looksOf(bucketsNow);
  const shownBefore = bucketsBefore && amounts(bucketsBefore);
  const count = Math.max(...shown);
  const busiest = shown.indexOf(count);
  const ended = stamp(Date.now()).replace(" ", "T");
  const isOver = (key) => key.slice(0, 13) < ended.slice(0, Math.min(key.length, 13));
  const isGap = (key, at) => (shown[at] === null ? isOver(key) : Boolean(share(looksNow[at])));
  return { names, ticks: keys.map((key) => tick(by, span, key)), now: shown, before: shownBefore,
    called: [periodName(span, now), periodName(span, before)],
    looks: [looksNow, looksOf(bucketsBefore || [])],
    rest: count > 0 ? joined(t("traffic.most", { time: names[busiest], count }), share(looksNow[busiest])) : "",
    gaps: measure === "entries" ? keys.map(isGap) : [], top: Math.max(count, ...(shownBefore || [])) };
}

/** Say how many of those who came in were known. */
export function conversion(buckets) {
  const known = sums(buckets)("known");
  return t("traffic.known", { known, percent: Math.round((100 * known) / (total(buckets) || 1)) });
}

/** Add up the buckets of each value of a split. */
export function sums(buckets) {
  const found = new Map();
  for (const [value, amount] of (buckets || []).flatMap((one) => Object.entries(one.amounts))) {
    found.set(value, (found.get(value) ?? 0) + amount);
  }
  return (value) => found.get(value) ?? 0;
}
