// Where somebody was on a page, and what was open there, by the browser's entry of history: "back" leads there again.
import { useState } from "preact/hooks";

const { navigation } = /** @type {any} */ (globalThis); // none in older browsers, where "back" begins at the top
const KEPT_MS = 3_000;
const ROW = "[data-id], [data-index]";
const OWN = ["wheel", "touchstart", "pointerdown", "keydown"];
const EVERY_MS = 50;
/** @type {Map<string, { y: number, row: string }>} */
const places = new Map();
/** @type {Map<string, any>} */
const states = new Map();
let way = "";

history.scrollRestoration = "manual";
navigation?.addEventListener("currententrychange", ({ from, navigationType }) => {
  if (navigationType === "replace") return;
  way = navigationType;
  places.set(from.key, { y: scrollY, row: rowOf(document.activeElement) });
});

/**
 * A state of a page that is there again for who comes back, such as that a row is open. `name`: one on the page. It is
 * never what the service answered: that is read anew.
 * @template T
 * @param {string} name
 * @param {T} first
 * @returns {[T, (next: T) => void]}
 */
export function useKept(name, first) {
  const place = () => `${navigation.currentEntry.key} ${name}`;
  const [value, set] = useState(() => (navigation && states.has(place()) ? states.get(place()) : first));
  const keep = (next) => {
    if (navigation) states.set(place(), next);
    set(next);
  };
  return [value, keep];
}

/** Forget where somebody was: whoever signs in next at this browser may be another person. */
export function forgetPlaces() {
  places.clear();
  states.clear();
}

/** Return what finds the row of a list that something is in, also once it was drawn anew; "" outside of lists. */
export function rowOf(within) {
  const { id, index } = within?.closest(ROW)?.dataset ?? {};
  if (id) return `[data-id="${CSS.escape(id)}"]`;
  return index ? `[data-index="${index}"]` : "";
}

/** Give a row the focus. Tell whether it has it: it may not be drawn, or not be shown yet. */
export function focusRow(row) {
  const found = row && /** @type {HTMLElement | null} */ (document.querySelector(row));
  if (!found) return false;
  found.focus({ preventScroll: true });
  return document.activeElement === found;
}

/** Scroll to where somebody was who comes back, as the page grows, until they go on themselves; else to the top. */
export function comeBack() {
  const { y, row } = (isBack() && places.get(navigation.currentEntry.key)) || { y: 0, row: "" };
  let isThere = !row;
  const scroll = () => {
    scrollTo(0, y);
    isThere ||= focusRow(row);
  };
  scroll();
  if (!y && isThere) return () => {};
  const again = setInterval(scroll, EVERY_MS);
  const stop = () => {
    clearInterval(again);
    clearTimeout(timer);
    for (const one of OWN) removeEventListener(one, stop);
  };
  const timer = setTimeout(stop, KEPT_MS);
  for (const one of OWN) addEventListener(one, stop, { passive: true });
  return stop;
}

/** Tell whether somebody has come back to where they were; else the page's title takes the focus. */
export const isBack = () => way === "traverse" && places.has(navigation.currentEntry.key);
