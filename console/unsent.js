// Changes that must not be lost: this browser keeps them until the service has answered. They are sent again by the
// same name, so each is done once, whether the connection breaks or the page is left.
import { newName, send } from "./api.js";
import { session, Value } from "./store.js";
import { complain, say } from "./undo.js";
import { t } from "./words.js";

const KEY = "regulars.unsent";
const FIRST_MS = 1000;
const LATEST_MS = 15_000;
const KEPT_MS = 82_800_000; // a name is good for a day

/** What only this browser has: changes of which a call failed, or that an earlier page left. */
export const late = new Value(/** @type {any[]} */ ([]));
/** The last answer to one of these. */
export const arrived = new Value(/** @type {any} */ (null));
const setLate = (one, isLate) => {
  if (isLate !== late.now.some(({ name }) => name === one.name)) {
    late.set(isLate ? [...late.now, one] : late.now.filter(({ name }) => name !== one.name));
  }
};

const by = () => `${session.now?.tenant} ${session.now?.member ?? session.now?.key}`;

function left() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
}

function keep(all) {
  try {
    if (all.length) localStorage.setItem(KEY, JSON.stringify(all));
    else localStorage.removeItem(KEY);
  } catch { /* a browser that keeps nothing sends it all the same */ }
}

function drop(done) {
  keep(left().filter(({ name }) => name !== done.name));
  setLate(done, false);
}

/** Change something, as `send` does, however long it takes to reach the service. */
export function surely(method, path, body) {
  const one = { method, path, body, name: newName(), by: by(), book: session.now?.book, at: Date.now() };
  keep([...left(), one]);
  return inTurn(one);
}

/** The names of what this page is sending, in its turn or by itself. */
const going = new Set();
const turns = new Map();
/** The revision that a change of our own made of another. */
const made = new Map();

/** Send changes by a revision one after the other for each thing, each by the revision that our own last one made. */
function inTurn(one) {
  going.add(one.name);
  return inItsTurn(one).finally(() => going.delete(one.name));
}

function inItsTurn(one) {
  if (!one.body?.revision) return sent(one);
  const mine = (turns.get(one.path) ?? Promise.resolve()).then(() => sent(renewed(one)));
  turns.set(one.path, mine.catch(() => {}));
  return mine;
}

function renewed(one) {
  let { revision } = one.body;
  while (made.has(`${one.path} ${revision}`)) revision = made.get(`${one.path} ${revision}`);
  const next = { ...one, body: { ...one.body, revision } };
  keep(left().map((each) => (each.name === one.name ? next : each)));
  return next;
}

async function sent(one) {
  try {
    const answer = await untilAnswered(
      () => send(one.method, one.path, one.body, { name: one.name, keepalive: true }),
      { failed: () => setLate(one, true) });
    const before = one.body?.revision;
    if (before && answer.revision > before) made.set(`${one.path} ${before}`, answer.revision);
    if (late.now.some(({ name }) => name === one.name)) arrived.set({ ...one, answer });
    drop(one);
    return answer;
  } catch (problem) {
    if (problem.status !== 401 && problem.code !== "OtherBook") drop(one);
    throw problem;
  }
}

/** Tell whether a call that failed so may be answered later: the network was broken, or the service busy. */
export const isLater = ({ status }) => !status || status === 429 || status >= 500;

/** Call until it is answered. `failed`: hears of each try; `when`: on which problems; `tries`: so often at most. */
export async function untilAnswered(act, { failed = () => {}, when = isLater, tries = Infinity } = {}) {
  for (let count = 1, wait = FIRST_MS; ; count++, wait = Math.min(2 * wait, LATEST_MS)) {
    try {
      return await act();
    } catch (problem) {
      if (count === tries || !when(problem)) throw problem;
      failed();
      await again(problem.retryAfter * 1000 || wait);
    }
  }
}

const again = (ms) => new Promise((go) => {
  const on = () => { clearTimeout(timer); removeEventListener("online", on); go(undefined); };
  const timer = setTimeout(on, ms);
  addEventListener("online", on);
});

/** Send what an earlier page could not; say what was meant for an earlier life of the book, and drop it. */
export function sendLeft() {
  const all = left().filter((one) => one.at > Date.now() - KEPT_MS);
  const own = all.filter((one) => one.by === by());
  const stale = own.filter(({ book }) => book && book !== session.now.book); // a page of before kept no book
  keep(all.filter((one) => !stale.includes(one)));
  if (stale.length) say(t("unsent.restored", { count: stale.length }), { kind: "problem" });
  for (const one of own.filter((each) => !stale.includes(each) && !going.has(each.name))) {
    setLate(one, true);
    inTurn(one).catch(complain);
  }
}

let owner = "";
session.listen((known) => {
  if (known) {
    owner = by();
    return;
  }
  keep(left().filter((one) => one.by !== owner)); // others have not signed out
  late.set([]);
});
