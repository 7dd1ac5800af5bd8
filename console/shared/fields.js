// The fields of a message's text: `{guest}` for v1, "[guest]" in the words of who writes and reads it.
import { t, tOr } from "../words.js";

const FIELDS = ["camera", "capacity", "date", "days", "event", "group", "guest", "inside", "inside_share", "last_seen",
  "name", "number", "report", "shop", "state", "time", "visits", "who"];

/** Return a field as it is read. */
export const inWords = (field) => `[${t(`field.${field}`)}]`;

/** Return a text of v1 with its fields in words. One that is not known stays. */
export const told = (text) => text.replace(/\{(\w+)\}/g, (all, field) =>
  (tOr(`field.${field}`, "") ? inWords(field) : all));

/** Return a text with its fields as v1 has them. */
export const written = (text) => FIELDS.reduce((all, field) => all.replaceAll(inWords(field), `{${field}}`), text);

/** Return a text of v1 with values in place of its fields. */
export const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, field) => values[field] ?? "");
