// The day as a picture: a bar for each hour, which leads to the visits of that hour, and back.
import { html } from "../html.js";
import { usePolled } from "../shared/polled.js";
import { t } from "../words.js";
import { byHour, hourName, question } from "./day.js";

const EVERY_MS = 10_000;
const NAMED_EACH = 3;

/** Bars are one stop of Tab, in which arrows move. */
export function Strip({ chosen, set, isShown }) {
  const query = { ...question({ ...chosen, hour: "" }), by: /** @type {const} */ ("hour") };
  const [found] = usePolled("statistics", query, EVERY_MS, { pause: !chosen.isToday });
  const counts = byHour(found.value?.buckets ?? []);
  const most = Math.max(...counts);
  if (found.value && !most && !chosen.hour) return null;
  const stop = chosen.hour ? Number(chosen.hour) : counts.findIndex(Boolean);
  const keys = ({ key, target }) => {
    const bars = [...target.parentNode.querySelectorAll("button:enabled")];
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (step) bars[(bars.indexOf(target) + step + bars.length) % bars.length].focus();
  };
  const bar = (count, place) => {
    const hour = String(place).padStart(2, "0");
    const isChosen = chosen.hour === hour;
    const says = `${hourName(hour)}: ${t("visits", { count })}`;
    return html`<button key=${hour} aria-pressed=${isChosen} aria-label=${says} title=${says}
      tabindex=${place === stop ? 0 : -1} disabled=${!count && !isChosen}
      onClick=${() => set({ hour: isChosen ? "" : hour })}>
      <span style=${{ height: `${(100 * count) / (most || 1)}%` }}></span>
      <small>${place % NAMED_EACH ? "" : hour}</small></button>`;
  };
  const quiet = chosen.isToday && !chosen.hour ? "quiet" : "";
  return html`<div class=${`day-hours ${quiet} ${isShown}`} role="group" aria-label=${t("visits.hours")}
    onKeyDown=${keys}>${counts.map(bar)}</div>`;
}
