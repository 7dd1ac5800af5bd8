// What many parts of a page ask for: one request however many ask, and all of them see the same.
import { useEffect } from "preact/hooks";
import { get } from "../api.js";
import { mayLoad, session, useValue, Value } from "../store.js";
import { joined, t } from "../words.js";

const state = () => new Value(/** @type {import("types").Loaded<any[]>} */ ({ waits: true }));
const known = { groups: state(), cameras: state(), boxes: state(), reviews: state() };
/** How many reviews are asked for: more are not counted. */
export const MOST_COUNTED = 100;
const LIMITS = { reviews: { limit: MOST_COUNTED, listed: true } };
const asked = {};

let tenant = session.now?.tenant;

session.listen(() => {
  if (session.now?.tenant === tenant) return;
  tenant = session.now?.tenant;
  Object.values(known).forEach((one) => one.set({ waits: true }));
});

/** Ask again for the list of this name, unless an answer is on its way or it may not be read. */
function ask(name) {
  if (!mayLoad(name)) return;
  asked[name] ??= get(name, LIMITS[name]).then(
    (page) => known[name].set({ value: page[name], waits: false }),
    (problem) => known[name].set({ ...known[name].now, problem, waits: false }),
  ).finally(() => { delete asked[name]; });
}

/**
 * Load all groups, cameras or boxes, or the first reviews, for a component, as `useLoaded` does.
 * @param {"groups" | "cameras" | "boxes" | "reviews"} name
 */
export function useShared(name) {
  const now = useKnown(name);
  useEffect(now.ask, []);
  return now;
}

/**
 * The same of what the frame asks for with each page: cameras and reviews.
 * @param {"groups" | "cameras" | "boxes" | "reviews"} name
 */
export function useKnown(name) {
  const now = useValue(known[name]);
  // An answer that is on its way may be from before what was just changed.
  const again = async () => { await asked[name]; ask(name); };
  return { ...now, again, ask: () => ask(name) };
}

/** Say whether anybody knows how many are inside a place: it is open, and somebody watched or looked round. */
export const isKnown = ({ open, openings }) =>
  open && (openings.at(-1).watched_s > 0 || openings.at(-1).corrections.length > 0);

/** Return the minutes that were watched of a time, and those that were to be. */
export const minutes = ({ watched_s: watched, open_s: open }) => [Math.floor(watched / 60), Math.floor(open / 60)];

/**
 * Say in how many minutes a figure was counted, and why it was not in others; "" if it was in the whole time.
 * `looked`: has `whole`; an opening of a place has no `doubted`.
 */
export function share(looked) {
  if (looked?.whole !== false) return "";
  const [watched, of] = minutes(looked);
  const doubted = Object.entries(looked.doubted ?? {}).sort(([, one], [, other]) => other - one);
  return joined(t("watched", { minutes: watched, of }),
    ...doubted.map(([why, count]) => t(`watched.${why}`, { count })),
    looked.sure_in > 0 && t("watched.sure", { count: looked.sure_in }));
}

/** Say whether the shop made a group for guests of its own, such as VIP. */
export const isSpecial = (groups, name) =>
  groups?.some((group) => group.name === name && !group.staff && !["regular", "stranger"].includes(name));

/** Return a group's name if this shop has it, else "": it may be renamed, or of another shop of this browser. */
export const ifThere = (groups, name) => (groups?.some((group) => group.name === name) ? name : "");

/** Return what a camera is called: its id, if it has no name or is gone. */
export const cameraName = (cameras, id) => cameras?.find((camera) => camera.id === id)?.name || id;
