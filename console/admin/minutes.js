// Minutes that somebody types, by the tenant's clocks.
import { hourSpan } from "../shared/days.js";

const MINUTE_MS = 60_000;

/**
 * Return the instant of a minute of the tenant's clocks, "2026-11-20T14:05", as v1 takes it. Of an hour that comes
 * twice it is the first; of one that the clocks leave out, the hour behind it.
 */
export function minuteAt(text) {
  const [day, time] = text.split("T");
  const [hour, minute] = time.split(":").map(Number);
  const named = (number) => hourSpan(day, String(number).padStart(2, "0"));
  const [first] = named(hour) ?? named(hour + 1);
  return new Date(first + minute * MINUTE_MS).toISOString();
}
