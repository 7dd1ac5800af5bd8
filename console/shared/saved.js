// What the page made, as a file among the downloads.
import { get } from "../api.js";

const LONG_ENOUGH_MS = 1000;
const NO_TEXT = /(^|[;\t\r\n])(?=["\s]*([=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|\d{16}))/g;
/** The place before what a spreadsheet takes for a formula or rounds, as `write_rows` (storage/values.py) has it. */

/** Save an answer that is no JSON, such as CSV. */
export const saveAnswer = async (path, query, name) => save([await get(path, query)], "text/csv", name);

export function save(parts, type, download) {
  const href = URL.createObjectURL(new Blob(parts, { type }));
  Object.assign(document.createElement("a"), { href, download }).click();
  setTimeout(() => URL.revokeObjectURL(href), LONG_ENOUGH_MS);
}

/** Write a table for spreadsheets, in which no cell is a formula or a long number. */
export const table = (rows) => `${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;

function cell(value) {
  const text = typeof value === "string" ? value.replace(NO_TEXT, "$1'") : String(value);
  return `"${text.replaceAll('"', '""')}"`;
}

/** Save a table; the mark before it tells Excel that it is UTF-8. */
export const saveTable = (rows, name) => save(["\ufeff", table(rows)], "text/csv", name);
