// What the page made, as a file among the downloads.
import { table } from "./tables.js";
import { workbook, XLSX } from "./xlsx.js";

const LONG_ENOUGH_MS = 1000;

export function save(parts, type, download) {
  const href = URL.createObjectURL(new Blob(parts, { type }));
  Object.assign(document.createElement("a"), { href, download }).click();
  setTimeout(() => URL.revokeObjectURL(href), LONG_ENOUGH_MS);
}

/** How a table is saved, by the end of the file's name. The mark before CSV tells Excel that it is UTF-8. */
const WRITERS = {
  csv: (rows, name) => save(["\ufeff", table(rows)], "text/csv", name),
  xlsx: (rows, name) => save(workbook(rows), XLSX, name),
};

/** Save a table, whose first row is its head. @param {string} format "csv" or "xlsx" */
export const saveTable = (rows, name, format) => WRITERS[format](rows, `${name}.${format}`);
