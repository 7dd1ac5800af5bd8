// How long a session lasted that is over, for the sentence that says so.
const HOUR_MS = 3_600_000;
const DAY_H = 24;

/** Return the unit and how many of it; nothing if somebody ended the session before its time. */
export function lasted({ begun_at: begun, expires_at: until }, now) {
  const hours = Math.round((Date.parse(until) - Date.parse(begun)) / HOUR_MS);
  if (!(hours > 0 && Date.parse(until) <= now)) return {};
  return hours < 2 * DAY_H ? { unit: "hours", count: hours } : { unit: "days", count: Math.round(hours / DAY_H) };
}
