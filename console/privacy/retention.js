// How long each kind of data is kept, and what goes by that within a week.
import { get } from "../api.js";
import { html } from "../html.js";
import { groupName, Trouble, useLoaded } from "../shared/parts.js";
import { day, number, t } from "../words.js";
import { Settings as Fields } from "../shared/settings.js";

const kept = (name, min, max) => ({ kind: "number", min, max, unit: "unit.days", none: `set.${name}.none` });
const DAYS = {
  capture_days: kept("capture_days", 1, 36500),
  sighting_days: kept("sighting_days", 1, 120),
  stranger_days: kept("stranger_days", 1, 3650),
  regular_days: kept("regular_days", 1, 3650),
  observation_days: kept("observation_days", 150, 3650),
};

/** The settings, and for those who may see it what they do. */
export function Retention({ operator, ...common }) {
  const days = Object.keys(DAYS).map((name) => common.value[name]).join();
  return html`<${Fields} fields=${DAYS} ...${common} />${operator && html`<${Going} days=${days} />`}`;
}

function Going({ days }) {
  const loaded = useLoaded((signal) => get("retention", {}, { signal }), [days]);
  if (loaded.problem) return html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`;
  if (!loaded.value) return null;
  const going = loaded.value.kinds.filter((one) => one.within_7_days);
  const held = loaded.value.held ? html` ${t("kept.held", { count: loaded.value.held })}` : "";
  if (!going.length) return html`<p class="soft small">${t("kept.nothing")}${held}</p>`;
  return html`<table class="kept"><caption class="soft small">${t("kept.going")}${held}</caption>
    <thead><tr><td></td>${["now", "soon", "oldest"].map((one) => html`
      <th key=${one} scope="col">${t(`kept.${one}`)}</th>`)}</tr></thead>
    <tbody>${going.map((one) => html`<tr key=${`${one.kind} ${one.group}`}>
      <th scope="row">${one.group === null ? t(`kept.${one.kind}`) : groupName(one.group)}</th>
      <td>${number(one.now)}${one.waits_until && html`<br />
        <span class="soft small">${t("kept.waits", { day: day(one.waits_until) })}</span>`}</td>
      <td>${number(one.within_7_days)}${one.more && "+"}</td><td>${day(one.oldest)}</td></tr>`)}</tbody></table>`;
}
