// What several parts of the page know: values that tell who uses them when they change.
import { useEffect, useState } from "preact/hooks";

/**
 * A value with listeners.
 * @template T
 */
export class Value {
  #now;
  #listeners = new Set();

  /** @param {T} first */
  constructor(first) {
    this.#now = first;
  }

  get now() {
    return this.#now;
  }

  /** @param {T} next */
  set(next) {
    if (Object.is(next, this.#now)) return;
    this.#now = next;
    for (const listener of [...this.#listeners]) listener(next);
  }

  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/**
 * Draw again when the value changes.
 * @template T
 * @param {Value<T>} value
 */
export function useValue(value) {
  const [now, set] = useState(value.now);
  useEffect(() => {
    set(value.now);
    return value.listen(set);
  }, [value]);
  return now;
}

/** A value that this browser keeps. */
class Preference extends Value {
  #key;

  constructor(name, allowed, isFree) {
    const key = `regulars.${name}`;
    const found = stored(() => localStorage.getItem(key));
    const isKept = allowed.includes(found) || (isFree && Boolean(found));
    super(isKept ? found : allowed[0]);
    this.#key = key;
    this.isKept = isKept;
  }

  set(next) {
    this.isKept = true;
    stored(() => localStorage.setItem(this.#key, next));
    super.set(next);
  }

  /** Begin with another value than the first, unless somebody has chosen one. */
  begin(first) {
    if (!this.isKept) super.set(first);
  }
}

/** A browser that keeps nothing has the first choice each time. */
function stored(act) {
  try {
    return act();
  } catch {
    return null;
  }
}

/** Return a value that this browser keeps; only what `allowed` has is taken from it, or any text if it `isFree`. */
export const preference = (name, allowed, isFree = false) => new Preference(name, allowed, isFree);

export const session = new Value(/** @type {import("v1").Answer<"get", "session">} */ (null));
/** Return the id of a session's book, which stays the same through restores. */
export const bookOf = (known) => known?.book.split(".")[0];
/** What the page shows, if its title is to say more than the page's name: a person's name. */
export const pageTitle = new Value("");
/** The book that the page's address names; null: none. */
export const inAddress = new URLSearchParams(globalThis.location?.search).get("shop");
/** Return what this tab knows by a name when it is loaded again. */
const ofTab = (name) => ({
  get now() { return stored(() => sessionStorage.getItem(`regulars.${name}`)); },
  set(next) { stored(() => sessionStorage.setItem(`regulars.${name}`, next)); },
});
/** The book that this tab shows: its address names none while there is one shop. */
export const shownHere = ofTab("shop");
/** The version of the console from which this tab has loaded itself again. */
export const renewedFrom = ofTab("renewed");
/** Say whether this browser is signed in to several shops. */
export const hasSeveral = () => session.now?.books.length > 1;
export const may = (role, known = session.now) => ORDER.indexOf(known?.role) >= ORDER.indexOf(role);
const ORDER = ["camera", "viewer", "operator", "admin"];
/** Lists that pages load if a screen shows them alone: the service refuses them all others. */
const LOADS = {
  report: [], traffic: ["cameras"], counter: ["arrivals", "groups"],
  visits: ["arrivals", "groups", "observations", "cameras", "places", "usual"],
};
export const mayLoad = (list, known = session.now) => LOADS[known?.page]?.includes(list) ?? true;

export const theme = preference("theme", ["system", "light", "dark"]);
/** Read what the page says of the service. */
const said = (name) => JSON.parse(
  /** @type {HTMLMetaElement} */ (document.querySelector(`meta[name=${name}]`)).content);
/**
 * Kinds of events that a hook may choose from.
 * @type {string[]}
 */
export const EVENTS = said("events");
/**
 * Texts of a person of one line, each with its most characters.
 * @type {Record<string, number>}
 */
export const PERSON_TEXTS = said("person-texts");
/**
 * Languages of the console, of messages and of papers, as the page says them: whether somebody has read their words.
 * @type {{ console: Record<string, boolean>; messages: Record<string, boolean>; papers: Record<string, boolean> }}
 */
export const LANGUAGES = said("languages");
export const language = preference("language", ["system", ...Object.keys(LANGUAGES.console)]);
export const blur = preference("blur", ["off", "on"]);
export const alerts = {
  sound: preference("alerts.sound", ["off", "on"]),
  notify: preference("alerts.notify", ["off", "on"]),
};
export const shortcuts = preference("shortcuts", ["on", "off"]);

theme.listen(showTheme);
blur.listen(showBlur);
session.listen((known) => known && blur.begin(known.role === "viewer" ? "on" : "off"));

export function showTheme() {
  document.documentElement.dataset.theme = theme.now;
}

export function showBlur() {
  document.documentElement.dataset.blur = blur.now;
}
