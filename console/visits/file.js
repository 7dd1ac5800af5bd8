// A day's visits as a file for a spreadsheet.
import { get } from "../api.js";
import { saveTable } from "../shared/saved.js";
import { moment } from "../shared/tables.js";
import { t, tOr } from "../words.js";
import { extended, question } from "./day.js";

const LARGEST = 100;
const HEAD = ["first", "last", "name", "group", "camera", "visit", "sightings", "score", "id"];

/** Return the rows of the file, in words. */
export const lines = (rows, cameras) => [HEAD.map((one) => t(`visits.csv.${one}`)), ...rows.map((row) => [
  moment(row.first), moment(row.last), row.name ?? t("face.somebody"), tOr(`groups.${row.group}`, row.group),
  cameras.get(row.camera) ?? row.camera, row.visit ?? null, row.sightings, row.score ?? null,
  row.name === null ? null : row.face])];

/** Read all visits that are listed, page after page, and save them. */
export async function saved(chosen, cameras, format) {
  const asked = { ...question(chosen), group: chosen.group, only: chosen.only, limit: LARGEST };
  let known = { rows: [], token: undefined };
  do {
    known = extended(known, await get("arrivals", { ...asked, token: known.token ?? "" }));
  } while (known.token);
  saveTable(lines(known.rows, cameras), `visits-${chosen.day}`, format);
}
