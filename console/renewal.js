// A service that was updated while this tab was open: what the tab has not loaded yet is there no more.
import { Problem } from "./api.js";
import { renewedFrom } from "./store.js";
import { isAnyLeft } from "./undo.js";
import { untilAnswered } from "./unsent.js";
import { t } from "./words.js";

/** Where each part of this console lies. It differs from version to version. */
const map = document.querySelector("script[type=importmap]").textContent;
const typed = new Set();
addEventListener("input", ({ target }) => typed.add(target), { capture: true });
const isTyped = () => [...typed].some((field) => field.isConnected);

/** Load a part of the console, which may be refused for a moment; another version's is a problem of its own. */
export const loaded = (load, tries = Infinity) => untilAnswered(() => load().catch(explained), { tries });

async function explained(problem) {
  if (await isUpdated()) throw updated();
  await reloadFor(/https?:[^ ]+\.js/.exec(problem.message ?? "")?.[0]);
  throw problem;
}

/**
 * Load the page again if a module comes now that was refused, as itself or for what it imports: a page never asks again
 * for a module. Five times for each at most.
 */
async function reloadFor(url) {
  const count = Number(sessionStorage.getItem(url));
  if (!url || count >= 5 || isTyped() || isAnyLeft() || !(await fetch(url).then(({ ok }) => ok, () => false))) return;
  sessionStorage.setItem(url, String(count + 1));
  location.reload();
}

/** Tell whether the service answers another console by now. */
const isUpdated = () => fetch(location.pathname + location.search, { cache: "no-store" })
  .then(async (answer) => answer.ok && !(await answer.text()).includes(map), () => false);

const updated = () => Object.assign(new Problem({ status: 410, code: "Updated", detail: t("problem.updated") }),
  { action: [t("again.load"), () => location.reload()] });

/**
 * Load the page again if it is of an earlier version. Return whether that was done: once for each version, and only if
 * nobody has typed something or may take something back.
 */
export function renew({ code }) {
  if (code !== "Updated" || isTyped() || isAnyLeft() || renewedFrom.now === map) return false;
  renewedFrom.set(map);
  if (renewedFrom.now !== map) return false; // a browser that keeps nothing would load it again and again
  location.reload();
  return true;
}
