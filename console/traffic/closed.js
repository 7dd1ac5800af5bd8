// What was counted when a day, week or month was closed, beside what is counted now.
import { html } from "../html.js";
import { joined, t } from "../words.js";

const MOST_SHOWN = 6;
export const KINDS = ["new", "returning", "known"];
const OF_ALL = { arrivals: "visits", persons: "people", entries: "entries" };

/** Return the names of closed figures by the values of a split that they are beside: other splits are not closed. */
function namesBeside({ measure, split }) {
  if (split === "none") return { total: OF_ALL[measure] };
  return measure === "arrivals" && split === "visit" ? Object.fromEntries(KINDS.map((one) => [one, one])) : {};
}

/** Say whether any amount of a page may stand beside a closed one. */
export const hasClosed = (asked, { closed }) => closed.length > 0 && Object.keys(namesBeside(asked)).length > 0;

/**
 * List time, value and amount of each bucket, and what it was when that was closed, if any was. The amount of what
 * cannot be counted again is empty.
 */
export function amounts(asked, { buckets, closed }) {
  const names = namesBeside(asked);
  if (!hasClosed(asked, { closed })) {
    return buckets.flatMap(({ time, amounts }) => Object.entries(amounts).map((one) => [time, ...one]));
  }
  const known = new Map(closed.map((one) => [one.time, one]));
  return buckets.flatMap(({ time, amounts }) => {
    const was = (value) => known.get(time)?.[names[value]] ?? null;
    const isGone = known.get(time)?.is_kept === false;
    const gone = Object.keys(names).filter((value) => was(value) && !Object.hasOwn(amounts, value));
    const all = [...Object.entries(amounts), ...gone.map((value) => [value, 0])];
    return all.map(([value, amount]) => [time, value, isGone ? null : amount, was(value)]);
  });
}

/** Say a change, or what was counted if the observations have gone; "" if it is the same. */
export function change(what, was, now, isKept) {
  if (!isKept) return t("traffic.was.gone", { what, was });
  return was === now ? "" : t("traffic.was.now", { what, was, now });
}

/** List what changed of the closed buckets. `name`: names a bucket; `amount`: gives what is counted of one now. */
export function changes({ measure }, { buckets, closed }, name, amount) {
  const now = new Map(buckets.map((one) => [one.time, amount(one)]));
  return closed.filter((one) => one[OF_ALL[measure]] !== null).map((one) =>
    change(name(one.time), one[OF_ALL[measure]], now.get(one.time) ?? 0, one.is_kept)).filter(Boolean);
}

/** The line of what came since. `of`: the name of its text; `told`: the changes. */
export function Since({ of, told }) {
  if (!told.length) return null;
  const shown = told.length > MOST_SHOWN ? [...told.slice(0, MOST_SHOWN), "…"] : told;
  return html`<p class="soft since">${t(of, { changes: joined(...shown) })}</p>`;
}
