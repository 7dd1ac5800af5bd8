// A day's visits as a file for a spreadsheet.
import { get } from "../api.js";
import { saveTable } from "../shared/saved.js";
import { stamp, t, tOr } from "../words.js";
import { extended, question } from "./day.js";

const LARGEST = 100;
const HEAD = ["first", "last", "name", "group", "camera", "visit", "sightings", "score", "id"];

/** Return the rows of the file, in words. */
export const lines = (rows, written, cameras) => [HEAD.map((one) => t(`visits.csv.${one}`)), ...rows.map((row) => [
  written(row.first), written(row.last), row.name ?? "", tOr(`groups.${row.group}`, row.group),
  cameras.get(row.camera) ?? row.camera, row.visit ?? "", row.sightings, row.score ?? "", row.face])];

/** Read all visits that are listed, page after page, and save them. */
export async function saved(chosen, cameras) {
  const asked = { ...question(chosen), group: chosen.group, only: chosen.only, limit: LARGEST };
  let known = { rows: [], token: undefined };
  do {
    known = extended(known, await get("arrivals", { ...asked, token: known.token ?? "" }));
  } while (known.token);
  saveTable(lines(known.rows, stamp, cameras), `visits-${chosen.day}.csv`);
}
