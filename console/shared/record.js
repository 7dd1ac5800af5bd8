// When does a record of consent begin and end?
import { isoDay } from "../words.js";
import { begin } from "./days.js";

/** The last day of a record, which ends behind it. */
export const until = (one) => new Date(Date.parse(one.expires_at) - 1);
export const isOver = (one) => one.expires_at !== null && Date.parse(one.expires_at) <= Date.now();

/** The day that a form proposes: a record's own; of one that is over today, since only a later one renews it. */
export const sinceOf = (one) => isoDay(one && !isOver(one) ? one.given_at : Date.now());

/** When a record was given of which a form has the day: as it was before, of today now, else as that day began. */
export function givenOn(since, one) {
  if (one && !isOver(one) && since === isoDay(one.given_at)) return Date.parse(one.given_at);
  return since === isoDay(Date.now()) ? Date.now() : begin(since);
}
