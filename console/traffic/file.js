// Figures as a file for a spreadsheet.
import { Moment } from "../shared/tables.js";
import { saveTable } from "../shared/saved.js";
import { t } from "../words.js";
import { counted, splitBy } from "./figures.js";
import { nameOfSplit, nameOfValue } from "./values.js";

/** Return a cell of a bucket: a month as text, a day, or an hour. */
const timeOf = (name) => (name.length < 10 ? name : new Moment(name.replace("T", " ")));

/** Return the rows of the file, in words: a row for each value of each bucket. */
export function lines({ measure, split }, buckets, cameras) {
  const isSplit = split !== "none";
  const head = [t("chart.time"), ...(isSplit ? [nameOfSplit(split)] : []), t(`traffic.measure.${measure}`)];
  return [head, ...buckets.flatMap(({ time, amounts }) => Object.entries(amounts).map(([value, amount]) =>
    [timeOf(time), ...(isSplit ? [nameOfValue(split, value, cameras)] : []), amount]))];
}

/** Read the figures of a period and save them. */
export async function saved(asked, cameras, format) {
  const { measure, by, now } = asked;
  const buckets = await counted(asked, now, { by, split: splitBy(asked) });
  saveTable(lines(asked, buckets, cameras), `${FILES[measure]}-${now.first}`, format);
}

const FILES = { arrivals: "visits", persons: "people", entries: "entries" };
