// What goes wrong on a page: told once, however many of its parts met it, and tried again ever less often.
import { Value } from "../store.js";

const FIRST_S = 8;
const MOST_S = 60;

/** Those in sight that another try may mend: a problem and what tries again. */
export const troubles = new Value(/** @type {{ problem: import("types").Trouble, again: () => any }[]} */ ([]));

/** Say whether it may be over by itself: no connection, a failing service, too many requests. */
export const isPassing = ({ code, status }) => code === "Offline" || status >= 500 || status === 429;

/** Add one; return what takes it away. */
export function meet(trouble) {
  troubles.set([...troubles.now, trouble]);
  return () => troubles.set(troubles.now.filter((one) => one !== trouble));
}

const alike = (all, { problem }) => all.filter((one) => one.problem.code === problem.code);

/** Say whether this one is told: the first of those with its code. One that comes just now is the last. */
export const isTold = (all, trouble) => alike([...all, trouble], trouble)[0] === trouble;

/** Try again whatever failed in the same way. */
export const tryAll = (all, trouble) => alike(all, trouble).forEach((one) => one.again());

/** Return the seconds until the next try by itself, after so many. */
export const waitOf = (tries) => Math.min(MOST_S, FIRST_S * 2 ** tries);
