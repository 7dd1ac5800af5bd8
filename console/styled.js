// What only some pages need: a folder's stylesheet and words. "shared" has those of several folders.
import { loadMore } from "./words.js";

const asked = new Map();

/** Load a stylesheet, once. */
export function styled(name) {
  if (!asked.has(name)) {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: import.meta.resolve(name) });
    asked.set(name, new Promise((done, failed) => {
      Object.assign(link, { onload: done, onerror: (event) => { link.remove(); failed(event); } });
      document.head.append(link);
    }));
    asked.get(name).catch(() => asked.delete(name));
  }
  return asked.get(name);
}

/** Load the words and the stylesheet of a folder, once. */
export const dressed = (folder) => Promise.all([loadMore(folder), styled(`./${folder}/style.css`)]);
