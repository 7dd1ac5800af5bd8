// Figures as a file for a spreadsheet.
import { minutes } from "../shared/known.js";
import { Moment } from "../shared/tables.js";
import { saveTable } from "../shared/saved.js";
import { t } from "../words.js";
import { amounts, hasClosed } from "./closed.js";
import { asking, splitBy } from "./figures.js";
import { nameOfSplit, nameOfValue } from "./values.js";

/** Return a cell of a bucket: a month as text, a day, or an hour. */
const timeOf = (name) => (name.length < 10 ? name : new Moment(name.replace("T", " ")));

/** Return the rows of the file, in words: a row for each value of each bucket. Entries say of how many minutes. */
export function lines({ measure, split }, page, cameras) {
  const isSplit = split !== "none";
  const isEntered = measure === "entries";
  const looked = new Map(isEntered ? page.buckets.map((one) => [one.time, minutes(one.looked)]) : []);
  const head = [t("chart.time"), ...(isSplit ? [nameOfSplit(split)] : []), t(`traffic.measure.${measure}`),
    ...(isEntered ? [t("minutes.watched"), t("minutes.open")] : []),
    ...(hasClosed({ measure, split }, page) ? [t("traffic.closed")] : [])];
  return [head, ...amounts({ measure, split }, page).map(([time, value, amount, ...closed]) =>
    [timeOf(time), ...(isSplit ? [nameOfValue(split, value, cameras)] : []), amount,
      ...(looked.get(time) ?? []), ...closed])];
}

/** Read the figures of a period and save them. */
export async function saved(asked, cameras, format) {
  const { measure, by, now } = asked;
  const page = await asking(asked, now, { by, split: splitBy(asked) });
  saveTable(lines(asked, page, cameras), `${FILES[measure]}-${now.first}`, format);
}

const FILES = { arrivals: "visits", persons: "people", entries: "entries" };
