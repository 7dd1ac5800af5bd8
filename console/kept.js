// Where somebody was on a page, by the browser's entry of history: "back" leads there again.
const { navigation } = /** @type {any} */ (globalThis); // none in older browsers, where "back" begins at the top
const KEPT_MS = 3_000;
const ROW = "[data-id], [data-index]";
const OWN = ["wheel", "touchstart", "pointerdown", "keydown"];
/** @type {Map<string, { y: number, row: string }>} */
const places = new Map();

history.scrollRestoration = "manual";
navigation?.addEventListener("currententrychange", ({ from }) =>
  places.set(from.key, { y: scrollY, row: rowOf(document.activeElement) }));

/** Return what finds the row of a list that something is in, also once it was drawn anew; "" outside of lists. */
export function rowOf(within) {
  const { id, index } = within?.closest(ROW)?.dataset ?? {};
  if (id) return `[data-id="${CSS.escape(id)}"]`;
  return index ? `[data-index="${index}"]` : "";
}

/** Give a row the focus. Tell whether it is there. */
export function focusRow(row) {
  const found = row && /** @type {HTMLElement | null} */ (document.querySelector(row));
  if (found) found.focus({ preventScroll: true });
  return Boolean(found);
}

/** Scroll to where somebody was who comes back, as the page grows, until he goes on himself; else to the top. */
export function comeBack() {
  const { y, row } = places.get(navigation?.currentEntry.key) ?? { y: 0, row: "" };
  let isThere = !row;
  const scroll = () => {
    scrollTo(0, y);
    isThere ||= focusRow(row);
  };
  scroll();
  if (!y && isThere) return () => {};
  const watcher = new ResizeObserver(scroll);
  watcher.observe(document.body);
  const stop = () => {
    watcher.disconnect();
    clearTimeout(timer);
    for (const one of OWN) removeEventListener(one, stop);
  };
  const timer = setTimeout(stop, KEPT_MS);
  for (const one of OWN) addEventListener(one, stop, { passive: true });
  return stop;
}

/** Whether somebody has come back to where he was; else the page's title takes the focus. */
export const isBack = () => places.has(navigation?.currentEntry.key);
