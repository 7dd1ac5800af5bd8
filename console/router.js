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

export function go(page, query) {
  location.hash = to(page, query);
}

/** Go to a page in place of this one, so that "back" leads past it. */
export function replace(page, query) {
  history.replaceState(null, "", to(page, query));
  place.set(read());
}
