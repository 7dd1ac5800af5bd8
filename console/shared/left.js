// Who signs out of a shop in one tab of a browser shows nobody in its other tabs. Each page loads the files of this
// folder, and so hears of it.
import { bookOf, session } from "../store.js";

const tabs = new BroadcastChannel("regulars.left");

/** Call `hear` with each book that was left in another tab; return what ends that. */
export function whenLeft(hear) {
  const take = ({ data }) => hear(data);
  tabs.addEventListener("message", take);
  return () => tabs.removeEventListener("message", take);
}

whenLeft((book) => { if (book === bookOf(session.now)) session.set(null); });

/** Tell the other tabs that somebody signed out of a book. */
export const tellTabs = (book) => tabs.postMessage(book);
