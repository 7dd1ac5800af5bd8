// A week on one sheet: visits of each day, who of them was new, and the busiest hour. It is made to be printed.
import { address } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { replace, to } from "../router.js";
import { addDays, isDay } from "../shared/days.js";
import { Loading, useLoaded } from "../shared/parts.js";
import { session } from "../store.js";
import { isoDay, number, t } from "../words.js";
import { counted, question, sums, total } from "./figures.js";
import { bucketName, period, periodName } from "./periods.js";

const VISITS = { measure: "arrivals", staff: "" };
const KINDS = ["new", "returning", "regular"];
const HIGH = 120, WIDE = 60, WEEK = 7;

/** The last whole week, or that of the day in the address. */
export default function Report({ place }) {
  const today = isoDay(Date.now());
  const week = period("week", isDay(place.query.at) ? place.query.at : addDays(today, -7));
  const loaded = useLoaded((signal) => Promise.all([
    counted(VISITS, week, { by: "day", split: "visit" }, signal), counted(VISITS, week, { by: "hour" }, signal)]),
  [week.first]);
  const turn = (later) => replace("report", { at: addDays(week.first, 7 * later) });
  const file = address("statistics", question(VISITS, week, { by: "day", split: "visit", format: "csv" }));
  return html`<div class="page report">
    <p class="row unprinted"><a class="back" href=${to("traffic", { at: week.first })}>
        <${Icon} name="back" size=${18} />${t("page.traffic")}</a><span class="apart"></span>
      <button class="square" aria-label=${t("traffic.earlier")} onClick=${() => turn(-1)}>
        <${Icon} name="back" /></button>
      <button class="square" aria-label=${t("traffic.later")} disabled=${week.end > today} onClick=${() => turn(1)}>
        <${Icon} name="forward" /></button>
      <a class="button" href=${file} download=${`visits-${week.first}.csv`}>CSV</a>
      <button class="strong" onClick=${() => print()}>${t("report.print")}</button></p>
    <h1>${t("report.title", { name: session.now.display_name || session.now.tenant })}</h1>
    <p class="soft">${periodName("week", week)}</p>
    <${Loading} of=${loaded} count=${3} />
    ${loaded.value && html`<${Sheet} days=${loaded.value[0]} hours=${loaded.value[1]} />`}
  </div>`;
}

function Sheet({ days, hours }) {
  const busiest = hours.reduce((most, one) => (total([one]) > total([most]) ? one : most), { time: "", amounts: {} });
  const ofWeek = sums(days);
  const row = (name, amount, all) => html`<tr><th scope="row">${name}</th><td>${number(all)}</td>
    ${KINDS.map((kind) => html`<td key=${kind}>${number(amount(kind))}</td>`)}</tr>`;
  return html`<p class="amount sum"><strong>${t("traffic.count.arrivals", { count: total(days) })}</strong>
      <span class="soft">${busiest.time && t("report.busiest", { hour: bucketName("hour", busiest.time),
        count: total([busiest]) })}</span></p>
    <${Bars} days=${days} />
    <table class="numbers"><thead><tr><td></td><th scope="col">${t("traffic.measure.arrivals")}</th>
        ${KINDS.map((kind) => html`<th key=${kind} scope="col">${t(`traffic.visit.${kind}`)}</th>`)}</tr></thead>
      <tbody>${days.map((one) => row(bucketName("day", one.time), (kind) => one.amounts[kind] ?? 0, total([one])))}
        ${row(t("report.week"), ofWeek, total(days))}</tbody></table>`;
}

/** The table as a picture: a bar for each day, of regulars, returning and new people from below. */
function Bars({ days }) {
  const most = Math.max(1, ...days.map((one) => total([one])));
  const parts = (one) => {
    let top = HIGH;
    return [...KINDS].reverse().map((kind) => {
      const height = (HIGH * (one.amounts[kind] ?? 0)) / most;
      return html`<rect key=${kind} class=${kind} width="40" height=${height} y=${top -= height} />`;
    });
  };
  return html`<svg class="days" viewBox=${`0 0 ${WEEK * WIDE} ${HIGH + 20}`} aria-hidden="true">
    ${days.map((one, place) => html`<g key=${one.time} transform=${`translate(${place * WIDE + 10} 0)`}>${parts(one)}
      <text x="20" y=${HIGH + 15}>${bucketName("day", one.time).split(/[ ,]/)[0]}</text></g>`)}</svg>
    <p class="legend small" aria-hidden="true">${KINDS.map((kind) => html`<span key=${kind} class=${kind}></span>
      ${t(`traffic.visit.${kind}`)}`)}</p>`;
}
