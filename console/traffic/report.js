// A week on one sheet: visits of each day, who of them was new, and the busiest hour. It is made to be printed.
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { replace, to } from "../router.js";
import { addDays, isDay } from "../shared/days.js";
import { saved } from "./file.js";
import { share } from "../shared/known.js";
import { Loading, Save, useLoaded } from "../shared/parts.js";
import { may, session } from "../store.js";
import { complain } from "../undo.js";
import { isoDay, joined, number, signed, t } from "../words.js";
import { change, KINDS, Since } from "./closed.js";
import { asking, conversion, counted, sums, total } from "./figures.js";
import { bucketName, period, periodName } from "./periods.js";

const VISITS = { measure: "arrivals", staff: "" };
const ENTRIES = { measure: "entries", staff: "" };
const PEOPLE = { measure: "persons", staff: "" };
const HIGH = 120, WIDE = 60, WEEK = 7;

/** The last whole week, or that of the day in the address. */
export default function Report({ place }) {
  const today = isoDay(Date.now());
  const week = period("week", isDay(place.query.at) ? place.query.at : addDays(today, -7));
  const loaded = useLoaded((signal) => read(week, signal), [week.first]);
  const turn = (later) => replace("report", { at: addDays(week.first, 7 * later) });
  const file = (format) => saved({ ...VISITS, by: "day", split: "visit", now: week }, [], format).catch(complain);
  return html`<div class="page report">
    <p class="row unprinted">${!session.now.screen && html`<a class="back" href=${to("traffic", { at: week.first })}>
        <${Icon} name="back" size=${18} />${t("page.traffic")}</a>`}<span class="apart"></span>
      ${may("admin") && html`<a class="button" href=${to("settings", { invite: "report" })}>${t("report.link")}</a>
        <a class="button" href=${to("phone", { who: "week.ended" })}>${t("report.mail")}</a>`}
      <button class="square" aria-label=${t("traffic.earlier")} onClick=${() => turn(-1)}>
        <${Icon} name="back" /></button>
      <button class="square" aria-label=${t("traffic.later")} disabled=${week.end > today} onClick=${() => turn(1)}>
        <${Icon} name="forward" /></button>
      <${Save} save=${file} />
      <button class="strong" onClick=${() => print()}>${t("report.print")}</button></p>
    <h1>${t("report.title", { name: session.now.display_name || session.now.tenant })}</h1>
    <p class="soft">${periodName("week", week)}</p>
    <${Loading} of=${loaded} count=${3} />
    ${loaded.value && html`<${Sheet} ...${loaded.value} />`}
  </div>`;
}

/** Read the figures of a week, and of the one before. */
async function read(week, signal) {
  const before = period("week", week.first, -1);
  const [{ buckets: days, staff }, hours, people, entered, whole, earlier, peopleBefore] = await Promise.all([
    asking(VISITS, week, { by: "day", split: "visit" }, signal),
    counted(VISITS, week, { by: "hour" }, signal), counted(PEOPLE, week, { by: "day" }, signal),
    counted(ENTRIES, week, { by: "week" }, signal),
    ...[[PEOPLE, week, {}], [VISITS, before, { split: "visit" }], [PEOPLE, before, {}]]
      .map(([what, of, more]) => asking(what, of, { by: "week", ...more }, signal))]);
  return { days, staff, hours, people, entered, whole: total(whole.buckets), earlier: earlier.buckets,
    peopleBefore: total(peopleBefore.buckets), since: changed(whole.closed, days, whole.buckets),
    sinceBefore: changed(earlier.closed, earlier.buckets, peopleBefore.buckets) };
}

/** List what changed since a week was closed. `visits`, `people`: what is counted of it now. */
function changed([closed], visits, people) {
  if (!closed) return [];
  if (!closed.is_kept) return [change(t("traffic.measure.arrivals"), closed.visits, null, false)];
  return [change(t("traffic.measure.arrivals"), closed.visits, total(visits), true),
    change(t("traffic.measure.persons"), closed.people, total(people), true),
    ...KINDS.map((kind) => change(t(`traffic.visit.${kind}`), closed[kind], sums(visits)(kind), true))].filter(Boolean);
}

/** Say the week in a sentence. */
function sentence(visits, people, first, before) {
  const said = t("report.sentence", { visits: t("traffic.count.arrivals", { count: visits }),
    people: t("traffic.count.persons", { count: people }), count: first });
  if (!before) return said;
  const change = Math.round(100 * (visits / before - 1));
  return `${said} ${change ? t("report.change", { change: signed(change / 100, "percent") }) : t("report.same")}`;
}

function Sheet({ days, staff, hours, people, entered, whole, earlier, peopleBefore, since, sinceBefore }) {
  const busiest = hours.reduce((most, one) => (total([one]) > total([most]) ? one : most), { time: "", amounts: {} });
  const [ofWeek, before] = [sums(days), sums(earlier)];
  const row = (name, all, persons, amount) => html`<tr><th scope="row">${name}</th>
    ${[all, persons, ...KINDS.map(amount)].map((one) => html`<td>${number(one)}</td>`)}</tr>`;
  const heads = ["measure.arrivals", "measure.persons", ...KINDS.map((kind) => `visit.${kind}`)];
  return html`<p class="amount sum"><strong>${t("traffic.count.arrivals", { count: total(days) })}</strong>
      <span class="soft">${busiest.time && t("report.busiest", { hour: bucketName("hour", busiest.time),
        count: total([busiest]) })}</span></p>
    <p>${sentence(total(days), whole, ofWeek("new"), total(earlier))}
      ${staff > 0 && html` <span class="soft">${t("report.staff", { count: staff })}</span>`}</p>
    <${Since} of="report.since" told=${since} /><${Since} of="report.since.before" told=${sinceBefore} />
    ${entered.length > 0 && html`<p>${joined(t("traffic.count.entries", { count: total(entered) }),
      share(entered[0].looked), conversion(entered))}${session.now.page && ` ${t("traffic.entries.all")}`}</p>`}
    <${Bars} days=${days} />
    <div class="scrolls" tabindex="0" role="region" aria-label=${t("report.week")}>
    <table class="numbers"><thead><tr><td></td>
        ${heads.map((one) => html`<th key=${one} scope="col">${t(`traffic.${one}`)}</th>`)}</tr></thead>
      <tbody>${days.map((one, place) => row(bucketName("day", one.time), total([one]), total([people[place]]),
        (kind) => one.amounts[kind] ?? 0))}
        ${row(t("report.week"), total(days), whole, ofWeek)}
        ${row(t("report.before"), total(earlier), peopleBefore, before)}</tbody></table></div>`;
}

/** The table as a picture: a bar for each day, of known, returning and new people from below. */
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
      <text x="20" y=${HIGH + 15}>${bucketName("day", one.time).split(/[ ,،]/)[0]}</text></g>`)}</svg>
    <p class="legend small" aria-hidden="true">${KINDS.map((kind) => html`<span key=${kind} class=${kind}></span>
      ${t(`traffic.visit.${kind}`)}`)}</p>`;
}
