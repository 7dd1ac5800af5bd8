// A table for spreadsheets, and how it is written as CSV. xlsx.js writes it as a workbook.
import { isoDay, minuteOf, number } from "../words.js";

const NO_TEXT = /(^|[;\t\r\n])(?='*["\s]*([=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|\d{16}))/g;

/** A day or a minute by the tenant's calendar: "2026-11-20", or "2026-11-20 14:05". */
export class Moment {
  constructor(text) {
    this.text = text;
  }
}

/** Return the minute as 2026-11-20 14:05, by the tenant's calendar; "" for none. */
export const stamp = (at) => (at ? `${isoDay(at)} ${minuteOf(at)}` : "");

/** Return the minute of an instant as a cell; null for none. */
export const moment = (at) => (at ? new Moment(stamp(at)) : null);

/** Mark what a spreadsheet takes for a formula or rounds, as `write_rows` (storage/values.py) does. */
export const marked = (text) => text.replace(NO_TEXT, "$1'");

/**
 * Write a table as CSV. Cells are texts, numbers, moments or null. No cell is a formula or a long number. If the
 * reader writes 0,5 for a half, so does the table, and semicolons divide its cells: as spreadsheets of there expect.
 */
export function table(rows) {
  const sign = number(0.5, 1)[1];
  const separator = sign === "," ? ";" : ",";
  return `${rows.map((row) => row.map((value) => cell(value, sign)).join(separator)).join("\r\n")}\r\n`;
}

function cell(value, sign) {
  const text = typeof value === "string" ? marked(value)
    : typeof value === "number" ? String(value).replace(".", sign) : value?.text ?? "";
  return `"${text.replaceAll('"', '""')}"`;
}
