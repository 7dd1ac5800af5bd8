// A day's visits as a file for a spreadsheet.
import { get } from "../api.js";
import { save } from "../shared/saved.js";
import { clock } from "../words.js";
import { extended, question } from "./day.js";

const LARGEST = 100;
const HEAD = ["time", "last", "name", "group", "camera", "visit", "sightings", "score", "id"];

/** Write the visits as a file for a spreadsheet, in which no cell is a formula. */
export function table(rows, clockOf, cameras) {
  const cells = (one) => [clockOf(one.first), clockOf(one.last), one.name ?? "", one.group,
    cameras.get(one.camera) ?? one.camera, one.visit ?? "", one.sightings, one.score ?? "", one.face];
  const lines = [HEAD, ...rows.map(cells)].map((line) => line.map(cell).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

function cell(value) {
  const text = String(value);
  const plain = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** Read all visits that are listed, page after page, and save them. */
export async function saved(chosen, cameras) {
  const asked = { ...question(chosen), group: chosen.group, only: chosen.only, limit: LARGEST };
  let known = { rows: [], token: undefined };
  do {
    known = extended(known, await get("arrivals", { ...asked, token: known.token ?? "" }));
  } while (known.token);
  save([`\ufeff${table(known.rows, clock, cameras)}`], "text/csv", `visits-${chosen.day}.csv`);
}
