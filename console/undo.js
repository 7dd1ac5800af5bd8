// Changes that wait behind "Undo", and what was said at the bottom of the page.
import { Value } from "./store.js";
import { explain, t } from "./words.js";

export const WAIT_MS = 8000;
const STAYS_MS = 3_600_000;
export const notes = new Value(/** @type {import("types").Note[]} */ ([]));
let number = 0;

/**
 * Say something for a while. `action`: a pair of a text and what it does.
 * @param {any} text a string, or one with markup
 * @param {{ action?: [string, () => any] | false, kind?: string, forMs?: number }} [options]
 */
export function say(text, { action, kind = "", forMs = WAIT_MS } = {}) {
  /** @type {import("types").Note} */
  const note = { id: ++number, text, action, kind };
  notes.set([...notes.now, note]);
  note.timer = setTimeout(() => unsay(note), forMs);
  return note;
}

export function unsay(note) {
  clearTimeout(note.timer);
  notes.set(notes.now.filter((one) => one.id !== note.id));
}

/** Say how something goes on, in place of what was said. */
export function tell(note, text) {
  note.text = text;
  notes.set([...notes.now]);
}

/** Say what failed. */
export function complain(problem) {
  const says = explain(problem);
  const { detail } = problem;
  const action = problem.action ?? (detail && detail !== says && [t("problem.details"), () => say(detail)]);
  say(says, { kind: "problem", action, forMs: action ? STAYS_MS : WAIT_MS });
}

const waiting = new Set();
let unfinished = 0;

/** Ask before the page is left while this goes on. */
export async function unleft(work) {
  unfinished++;
  try {
    return await work;
  } finally {
    unfinished--;
  }
}

/**
 * Do something that cannot be undone 8 s later, unless "Undo" is pressed before. It is done at once if the page is
 * left. `take`: shows it as done; `back`: shows it as it was; `act`: does it, with `{keepalive}`. `isLarge`: a page
 * that is left cannot send all of it, so the browser asks before. `isQuiet`: the page itself offers "Undo".
 */
export function later(text, { take, back, act, isLarge = false, isQuiet = false }) {
  take();
  const change = { done: false, isLarge, timer: undefined, note: undefined, settle: undefined };
  const settle = (how) => {
    if (change.done) return;
    change.done = true;
    waiting.delete(change);
    clearTimeout(change.timer);
    if (change.note) unsay(change.note);
    if (how === "undo") back();
    else return act({ keepalive: how === "leave" }).catch((problem) => { back(); complain(problem); });
  };
  change.settle = settle;
  change.timer = setTimeout(() => settle("do"), WAIT_MS);
  if (!isQuiet) change.note = say(text, { action: [t("undo"), () => settle("undo")], forMs: WAIT_MS + 500 });
  waiting.add(change);
  return change;
}

/** Take back what was done last. Return false if there is nothing. */
export function undoLast() {
  const last = notes.now.findLast(({ action }) => action?.[0] === t("undo"));
  if (!last) return false;
  unsay(last);
  last.action[1]();
}

/** Tell whether something waits behind "Undo", or goes on. */
export const isAnyLeft = () => unfinished > 0 || waiting.size > 0;

/** Do at once what waits. `how`: "leave" if the page goes, else "do". */
export function settleAll(how) {
  return Promise.all([...waiting].map((change) => change.settle(how)));
}

addEventListener("pagehide", () => settleAll("leave"));
addEventListener("beforeunload", (event) => {
  if (unfinished || [...waiting].some((change) => change.isLarge)) event.preventDefault();
});
