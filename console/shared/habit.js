// How somebody usually comes, as one sentence. Only what is certain is answered, and said.
import { placeInWeek } from "./days.js";
import { dated, inDays, isoDay, listed, t } from "../words.js";

const DAY_MS = 86_400_000;
const RUN = 3;
const LONG = { weekday: "long", day: "numeric", month: "long" };

/** Name weekdays in the tenant's order; three or more in a row by the first and the last: "Mondays to Fridays". */
function weekdaysOf(unordered) {
  const weekdays = [...unordered].sort((one, other) => placeInWeek(one) - placeInWeek(other));
  const names = weekdays.map((one) => t(`habit.day.${one}`));
  const isRun = names.length >= RUN && placeInWeek(weekdays.at(-1)) - placeInWeek(weekdays[0]) === names.length - 1;
  return isRun ? t("habit.run", { first: names[0], last: names.at(-1) }) : listed(names);
}

function dayOf(day, now) {
  const days = Math.round((Date.parse(day) - Date.parse(isoDay(now))) / DAY_MS);
  return Math.abs(days) <= 1 ? inDays(days) : dated(LONG).format(new Date(day));
}

/** Put two texts together by the pattern of this name, or return the one that there is. */
const both = (name, one, other) => (one && other ? t(name, { one, other }) : one || other || "");

/**
 * Say a habit, as v1 answers it: "Comes Wednesdays and Saturdays before noon, every 3 days; 5 visits
 * this month, next expected tomorrow". It is "" if nothing is certain. Who comes on one weekday of
 * each week needs no "every 7 days".
 */
export function sentence(habit, now = Date.now()) {
  const { weekdays, part_of_day: part, every_days: every, next_day: next, missed_day: missed } = habit;
  const isWeekly = weekdays.length === 1 && every === 7;
  const days = weekdays.length > 0 && weekdaysOf(weekdays);
  const when = both("habit.when", days, part && t(`habit.part.${part}`));
  const often = every === 1 ? t("habit.daily")
    : every && !isWeekly && t("habit.every", { count: every });
  if (!when && !often) return "";
  const month = habit.visits_this_month;
  const counted = month > 0 && t("habit.month", { count: month });
  const late = missed && t("habit.missed", { day: dayOf(missed, now) });
  const expected = both("habit.and", late, next && t("habit.next", { day: dayOf(next, now) }));
  const comes = t("habit.comes", { when: both("habit.and", when, often) });
  return both("habit.then", comes, both("habit.and", counted, expected));
}
