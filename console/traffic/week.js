// The week by the hour, who has stayed away longest, and what stands in place of nothing.
import { useState } from "preact/hooks";
import { get } from "../api.js";
import { counted, OLDEST, total } from "./figures.js";
import { lastHour, period, periodName, typical, WEEKS } from "./periods.js";
import { html } from "../html.js";
import { placeInWeek, weekdayOf } from "../shared/days.js";
import { share, useShared } from "../shared/known.js";
import { NARROW, useMedia } from "../shared/media.js";
import { Empty, groupOptions, nameOf, Portrait, Select, Trouble, useLoaded } from "../shared/parts.js";
import { to } from "../router.js";
import { weekdayName } from "../shared/weekdays.js";
import { ago, number, t } from "../words.js";
import { stamp } from "../shared/tables.js";

const AWAY = 8;
const LEAST_HOURS = 12;
/** How much of the colour a step has, of a hundred; on more than half of it a text is light. */
const SHARES = [10, 18, 26, 34, 43, 82, 100];
const READABLE = 50;
const WEEKDAYS = [0, 1, 2, 3, 4, 5, 6];

/** Return the mean amount of a whole hour of a weekday, null if there was none, as a function of both. */
function hourly(buckets) {
  const begun = buckets.find((bucket) => total([bucket])).time; // a young book has no weeks of nothing before it
  const known = new Map();
  for (const one of buckets.filter((bucket) => bucket.time >= begun.slice(0, 10))) {
    const key = `${weekdayOf(one.time.slice(0, 10))} ${Number(one.time.slice(11, 13))}`;
    const [sum, count] = known.get(key) ?? [0, 0];
    known.set(key, [sum + total([one]), count + 1]);
  }
  return (weekday, hour) => {
    const [sum, count] = known.get(`${weekday} ${hour}`) ?? [0, 0];
    return count ? sum / count : null;
  };
}

/** Return the hours to show: from the first in which anybody came to the last. */
function hoursOf(amount) {
  const open = [...Array(24).keys()].filter((hour) => WEEKDAYS.some((weekday) => amount(weekday, hour)));
  const length = Math.max(open.at(-1) - open[0] + 1, LEAST_HOURS); // fewer look as if something were missing
  const first = Math.min(open[0], 24 - length);
  return Array.from({ length }, (_, place) => first + place);
}

/**
 * Hours and weekdays of a typical week as a table in eight steps of one colour. A cell leads to its last hour.
 * `children`: what stands below it, and comes with it, so that nothing moves.
 */
export function Week({ asked, children }) {
  const { measure, span, now, staff } = asked;
  const of = typical(span, now);
  const narrow = useMedia(NARROW);
  const loaded = useLoaded((signal) => counted(asked, of, { by: "hour" }, signal), [measure, span, now.first, staff]);
  if (loaded.problem) return html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />${children}`;
  if (!loaded.value) return null;
  const whole = loaded.value.filter((one) => !share(one.looked));
  if (!total(whole)) return children;
  const amount = hourly(whole);
  const hours = hoursOf(amount);
  const most = Math.max(...WEEKDAYS.flatMap((weekday) => hours.map((hour) => amount(weekday, hour) ?? 0)));
  const said = (weekday, hour, found) => {
    const place = { ...lastHour(weekday, hour, of.end, stamp(Date.now())), staff };
    return html`<a href=${to("visits", place)}>${number(found, found >= 10 ? 0 : 1)}</a>`;
  };
  const cell = (weekday, hour) => {
    const found = amount(weekday, hour);
    if (found === null) return html`<td></td>`;
    if (!found) return html`<td class="none">·</td>`;
    const share = SHARES[Math.min(SHARES.length, Math.ceil((SHARES.length * found) / most)) - 1];
    return html`<td class=${`some ${share > READABLE ? "most" : ""}`} style=${{ "--share": `${share}%` }}>
      ${said(weekday, hour, found)}</td>`;
  };
  const byDay = (weekday) => html`<th scope=${narrow ? "col" : "row"}>${weekdayName(weekday, "short")}</th>`;
  const byHour = (hour) => html`<th scope=${narrow ? "row" : "col"}>${String(hour).padStart(2, "0")}</th>`;
  const days = [...WEEKDAYS].sort((one, other) => placeInWeek(one) - placeInWeek(other));
  const [across, down, head, side] = narrow ? [days, hours, byDay, byHour] : [hours, days, byHour, byDay];
  return html`
    <section><header><h2>${t("traffic.week")}</h2>
      <p class="soft">${span === "week" ? t("traffic.week.typical", { count: WEEKS })
        : t("traffic.week.average", { period: periodName(span, now) })}</p></header>
    <table class="heat"><caption class="unseen">${t(`traffic.measure.${measure}`)}, ${t("traffic.week")}</caption>
      <thead><tr><td></td>${across.map(head)}</tr></thead>
      <tbody>${down.map((one) => html`<tr key=${one}>${side(one)}
        ${across.map((other) => (narrow ? cell(other, one) : cell(one, other)))}</tr>`)}</tbody></table></section>
    ${children}`;
}

/** Who has stayed away longest. */
export function Away() {
  const [group, setGroup] = useState("regular");
  const groups = useShared("groups").value ?? [{ id: group, name: group }];
  const load = (signal) =>
    get("faces", { group, listed: true, order: "arrived", desc: false, limit: AWAY }, { signal });
  const loaded = useLoaded((signal) => load(signal).then((page) => page.faces), [group]);
  if (loaded.problem) return html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`;
  return html`<section><header><h2>${t("traffic.away")}</h2>
      <${Select} label=${t("group")} value=${group} set=${setGroup} options=${groupOptions(groups)} />
      <a class="button plain" href=${to("people", { group, sort: "away" })}>${t("traffic.away.all")}</a></header>
    ${loaded.value?.length === 0 && html`<p class="soft">${t("people.empty.group")}</p>`}
    <ol class="away">${loaded.value?.map((face) => html`<li key=${face.id}><a href=${to(["person", face.id])}>
      <${Portrait} url=${face.portrait.thumb_url} name=${face.name} />
      <span><strong class="name">${nameOf(face)}</strong>
        <small class="soft">${face.arrive_time ? ago(face.arrive_time) : t("face.never")}</small></span>
      </a></li>`)}</ol></section>`;
}

/** Nothing in this time: say which day is the first that has anything, and lead there. */
export function First({ asked, show }) {
  const loaded = useLoaded(async (signal) => {
    const until = { first: OLDEST, end: period("day", asked.today, 1).first };
    const some = (found) => found.find((one) => total([one]))?.time;
    const month = some(await counted(asked, until, { by: "month" }, signal));
    return month ? some(await counted(asked, period("month", `${month}-01`), { by: "day" }, signal)) : null;
  }, [asked.measure]);
  if (loaded.value === undefined && !loaded.problem) return null;
  const day = loaded.value;
  const never = asked.measure === "entries" ? "traffic.uncounted" : "traffic.never";
  return html`<${Empty} icon="traffic" title=${t(day ? "traffic.empty" : never)}>
    ${day ? html`<p>${t("traffic.first", { day: periodName("day", period("day", day)) })}</p>
      <p><button class="strong" onClick=${() => show(day)}>${t("traffic.first.show")}</button></p>`
      : html`<p>${t(`${never}.says`)}</p>`}<//>`;
}
