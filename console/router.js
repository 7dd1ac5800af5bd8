// Which page is shown: `#/people?group=VIP`. It stands behind `#`, so no name gets into a log.
import { Value } from "./store.js";

export const place = new Value(read());

addEventListener("hashchange", () => place.set(read()));

function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page = "", ...rest] = path.split("/").map(plain);
  return { page, rest, query: Object.fromEntries(new URLSearchParams(query)) };
}

function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Return the link to a page: `to("people", { group: "VIP" })`, `to(["person", id])`. */
export function to(page, query = {}) {
  const path = [page].flat().map(encodeURIComponent).join("/");
  const pairs = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  return `#/${path}${pairs.size ? `?${pairs}` : ""}`;
}

/** Return the address of a shop's console, and of all of them, from which a page begins anew. */
export const toShop = (book) => `?shop=${book}`;
export const toShops = () => location.pathname;

/** Have the address name the shop that the page shows. */
export function placeShop(book) {
  history.replaceState(history.state, "", `${toShop(book)}${location.hash}`);
}

export function go(page, query) {
  location.hash = to(page, query);
}

/** Go to a page in place of this one, so that "back" leads past it. */
export function replace(page, query) {
  if (history.state?.dialog) {
    addEventListener("popstate", () => replace(page, query), { once: true });
    return leave();
  }
  history.replaceState(null, "", to(page, query));
  place.set(read());
}

const dialogs = [];
let isLeaving = false;
if (history.state?.dialog) history.replaceState(null, "");

/** Have "back" close this dialog while it is open. Return what is called once it is closed. */
export function opened(close) {
  dialogs.push(close);
  setTimeout(agree);
  return () => {
    dialogs.splice(dialogs.indexOf(close), 1);
    setTimeout(agree);
  };
}

/** Keep one place in the history for dialogs, while there are some. */
function agree() {
  if (dialogs.length && !history.state?.dialog) history.pushState({ dialog: true }, "");
  if (!dialogs.length && history.state?.dialog) leave();
}

/** Give the dialogs' place back. The browser takes a moment: until then, nobody goes back once more. */
function leave() {
  if (!isLeaving) history.back();
  isLeaving = true;
}

addEventListener("popstate", () => {
  if (dialogs.length && !history.state?.dialog && !isLeaving) dialogs.at(-1)();
  isLeaving = false;
  setTimeout(agree);
});
