// Changes that wait behind "Undo", and what was said at the bottom of the page.
import { Value } from "./store.js";
import { t } from "./words.js";

export const WAIT_MS = 8000;
export const notes = new Value(/** @type {import("types").Note[]} */ ([]));
let number = 0;

/**
 * Say something for a while. `action`: a pair of a text and what it does.
 * @param {string} text
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

/** Say what failed, in the API's words. */
export function complain(problem) {
  say(problem.detail || t("problem.offline"), { kind: "problem" });
}

const waiting = new Set();

/**
 * Do something that cannot be undone 8 s later, unless "Undo" is pressed before. It is done at once if the page is left.
 * `take`: shows it as done; `back`: shows it as it was; `act`: does it, with `{keepalive}`. `isQuiet`: the page itself offers "Undo".
 */
export function later(text, { take, back, act, isQuiet = false }) {
  take();
  const change = { done: false, timer: undefined, note: undefined, settle: undefined };
  const settle = (how) => {
    if (change.done) return;
    change.done = true;
    waiting.delete(change);
    clearTimeout(change.timer);
    if (change.note) unsay(change.note);
    if (how === "undo") back();
    else act({ keepalive: how === "leave" }).catch((problem) => { back(); complain(problem); });
  };
  change.settle = settle;
  change.timer = setTimeout(() => settle("do"), WAIT_MS);
  if (!isQuiet) change.note = say(text, { action: [t("undo"), () => settle("undo")], forMs: WAIT_MS + 500 });
  waiting.add(change);
  return change;
}

/** Take back the last change that still waits. Return false if none does. */
export function undoLast() {
  const last = [...waiting].pop();
  last?.settle("undo");
  return Boolean(last);
}

addEventListener("pagehide", () => {
  for (const change of [...waiting]) change.settle("leave");
});
