// Who signs out of a shop in one tab of a browser shows nobody in its other tabs. Each page loads the files of this
// folder, and so hears of it.
import { newName } from "../api.js";
import { bookOf, session } from "../store.js";
import { isAnyLeft, settleAll } from "../undo.js";

const HEARD_MS = 300;
const MOST_MS = 10_000;
const tabs = new BroadcastChannel("regulars.left");

function listen(hear) {
  const take = ({ data }) => hear(data);
  tabs.addEventListener("message", take);
  return () => tabs.removeEventListener("message", take);
}

/** Call `hear` with each book that was left in another tab; return what ends that. */
export const whenLeft = (hear) => listen(({ left }) => left && hear(left));

/** Tell the other tabs that somebody signed out of a book. */
export const tellTabs = (book) => tabs.postMessage({ left: book });

/** Have the other tabs do what waits there behind "Undo" for a book; return once they have, or after a while. */
export function settleTabs(book) {
  const asked = newName();
  let working = 0;
  return new Promise((/** @type {(value?: any) => void} */ done) => {
    const end = listen(({ answer, works }) => {
      if (answer !== asked) return;
      working += works;
      if (!working) go();
    });
    const go = () => { end(); done(); };
    setTimeout(() => working || go(), HEARD_MS);
    setTimeout(go, MOST_MS);
    tabs.postMessage({ leaves: book, asked });
  });
}

listen(async ({ leaves, asked }) => {
  if (!leaves || leaves !== bookOf(session.now) || !isAnyLeft()) return;
  tabs.postMessage({ answer: asked, works: 1 });
  await settleAll("do");
  tabs.postMessage({ answer: asked, works: -1 });
});
whenLeft((book) => { if (book === bookOf(session.now)) session.set(null); });
