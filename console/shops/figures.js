// A shop's day in a row: what is asked of the service, and what the row says of the answers.
import { byHour, usualDay } from "../visits/day.js";

const HERE_MS = 1_800_000;
const LEAST_CHANGE = 3;
const SPREADS = 2;

/** Return the day and the minute by a zone's clocks: ["2026-11-20", "14:05"]. */
export function local(zone, at) {
  const options = { timeZone: zone, dateStyle: "short", timeStyle: "short" };
  return new Intl.DateTimeFormat("sv-SE", /** @type {any} */ (options)).format(at).split(" ");
}

/**
 * Say whether so many are "many" or "few" for this time of the day; "": neither. The counts of a usual time spread by
 * the root of their mean, as those of people do who come by themselves. `usual` 16: from 25 on many, up to 7 few.
 */
export function unusual(count, usual) {
  const change = count - usual;
  if (Math.abs(change) < LEAST_CHANGE || Math.abs(change) <= SPREADS * Math.sqrt(usual)) return "";
  return change > 0 ? "many" : "few";
}

/** Return a shop's day: its visits, by the hour, too, and what is usual; null where that is not known yet. */
export function dayOf({ buckets }, week, zone, now) {
  const [day, clock] = local(zone, now);
  const usual = week && usualDay(week, day, clock);
  const hours = byHour(buckets);
  const count = hours.reduce((sum, one) => sum + one, 0);
  return { count, hours, usual: usual?.hours ?? null, change: usual ? count - usual.now : null,
    is: usual ? unusual(count, usual.now) : "" };
}

/** Return the names of those who were seen within the last half hour, who came last first. */
export function here(arrivals, now) {
  const seen = arrivals.filter((one) => Date.parse(one.last) > now - HERE_MS).map((one) => one.name);
  return [...new Set(seen.filter(Boolean))];
}

/** Say whether as many came as usual: nobody knows that while a camera recognises nobody. */
export const isUsual = (change, isBlind) => change === 0 && !isBlind;
