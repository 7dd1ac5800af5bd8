// Who signs out of a shop in one tab of a browser shows nobody in its other tabs. Each page loads the files of this
// folder, and so hears of it.
import { bookOf, session } from "../store.js";

const tabs = new BroadcastChannel("regulars.left");
tabs.onmessage = ({ data }) => { if (data === bookOf(session.now)) session.set(null); };

/** Tell the other tabs that somebody signed out of a book. */
export const tellTabs = (book) => tabs.postMessage(book);
