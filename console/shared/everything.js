// The files with all that is held about a person.
import { get } from "../api.js";
import { sisters } from "./sisters.js";

/** Fetch a file for each face; a large one comes in parts. Return the settings that are blank on its page. */
export async function fetchAll(ids, language, book = undefined) {
  const shops = await sisters(book);
  let missing = [];
  for (const id of ids) {
    let part = null;
    do {
      const path = `faces/${encodeURIComponent(id)}/everything`;
      const made = await get(path, { language, part, shops }, { book });
      const link = document.createElement("a");
      link.href = made.url;
      link.download = "";
      link.click();
      part = made.next_part;
      missing = made.missing;
    } while (part);
  }
  return missing;
}
