// Names of weekdays.
import { dated } from "../words.js";

/** Name a weekday, 0 for Monday. */
export const weekdayName = (number, style) => dated({ weekday: style }).format(new Date(Date.UTC(2024, 0, 1 + number)));
