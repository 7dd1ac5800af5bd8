// The head of the book: the day, how many came, and what leads to a part of them.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { loaded } from "../renewal.js";
import { groupName, Save, Select, useLoaded } from "../shared/parts.js";
import { addDays } from "../shared/days.js";
import { dressed } from "../styled.js";
import { complain } from "../undo.js";
import { dated, minuteOf, number, signed, t } from "../words.js";
import { useTotals } from "./book.js";
import { byHour, figures, hourMark, hourName, question, usualDay, weekBefore } from "./day.js";

const MINUTE_MS = 60_000;
const SHORT = { weekday: "short", day: "numeric", month: "short" };
const named = (day, options) => dated(options).format(new Date(day));

/** Days are turned, or one is chosen. */
export function Turn({ chosen, set, today }) {
  const name = named(chosen.day, { weekday: "long", day: "numeric", month: "long", year: yearOf(chosen.day, today) });
  const go = (day) => day && day <= today && set({ day: day === today ? "" : day });
  return html`<div class="turn day" role="group" aria-label=${t("visits.day")}>
    <button class="square" aria-label=${t("visits.earlier")} title=${t("visits.earlier")}
      onClick=${() => go(addDays(chosen.day, -1))}><${Icon} name="back" /></button>
    <label class="date"><strong class="long">${chosen.isToday ? t("visits.today", { day: name }) : name}</strong>
      <strong class="short" aria-hidden="true">${named(chosen.day, SHORT)}</strong>
      <input type="date" aria-label=${t("visits.day")} max=${today} value=${chosen.day}
        onClick=${(event) => event.target.showPicker?.()} onChange=${(event) => go(event.target.value)} /></label>
    <button class="square" aria-label=${t("visits.later")} title=${t("visits.later")} disabled=${chosen.isToday}
      onClick=${() => go(addDays(chosen.day, 1))}><${Icon} name="forward" /></button>
  </div>`;
}

const yearOf = (day, today) => (day.slice(0, 4) === today.slice(0, 4) ? undefined : "numeric");

/** Which camera, and the day as a file. */
export function Choices({ chosen, set, cameras }) {
  const [waits, setWaits] = useState(false);
  const file = async (format) => {
    setWaits(true);
    await loaded(() => Promise.all([import("./file.js"), dressed("shared")]), 1)
      .then(([{ saved }]) => saved(chosen, cameras, format)).catch(complain);
    setWaits(false);
  };
  return html`<${Select} label=${t("camera")} value=${chosen.camera} set=${(camera) => set({ camera })}
      options=${[["", t("visits.cameras")], ...cameras]} />
    <${Save} save=${file} disabled=${waits} />`;
}

/** The figures of the day or of one hour, and the day as a picture, which is asked for anew when somebody has come. */
export function Counts({ chosen, set, isShown, week }) {
  const totals = useTotals({ ...chosen, hour: "" });
  const usual = chosen.camera || chosen.staff ? null : usualDay(week, chosen.day, minuteOf(Date.now()));
  const Shown = chosen.hour ? OfHour : Figures;
  return html`<p class="glance"><strong>${totals && t("visits.figure.all", { count: totals.arrivals })}</strong>
      <span class="soft">${usual && t(chosen.isToday ? "visits.usual.now" : "visits.usual", usual)}</span></p>
    <div class=${`counts ${isShown}`}>
      <${Shown} key=${chosen.hour} chosen=${chosen} set=${set} totals=${totals} usual=${usual} /></div>
    <${Strip} chosen=${chosen} set=${set} isShown=${isShown} count=${totals?.arrivals} usual=${usual?.hours} />`;
}

const OfHour = (given) => html`<${Figures} ...${given} totals=${useTotals(given.chosen)} />`;

/** How many came, of whom, and how many more than a week before. */
function Figures({ chosen, set, totals, usual }) {
  if (!totals) return html`<p class="figures soft">${"\u00a0"}</p>`;
  const text = (one) => (one.kind === "group" ? `${number(one.count)} ${groupName(one.name)}`
    : t(`visits.figure.${one.kind}`, { count: one.count }));
  const [all, ...parts] = figures(totals, chosen).map((one) => html`<button key=${one.name ?? one.kind}
    aria-pressed=${one.isChosen} onClick=${() => set(one.to)}>${text(one)}</button>`);
  return html`<div class="figures" role="group" aria-label=${t("visits.figures")}>
    ${all}<span>${t("visits.people", { count: totals.persons })}</span>${parts}
    ${!chosen.hour && html`<${Than} chosen=${chosen} count=${totals.arrivals} />`}
    ${!chosen.hour && usual && html`<span class="soft">
      ${t(chosen.isToday ? "visits.usual.now" : "visits.usual", usual)}</span>`}</div>`;
}

/** How many more than on the same weekday a week before, by the same time. */
function Than({ chosen, count }) {
  const { day, isToday, camera, staff } = chosen;
  const minute = isToday ? Math.floor(Date.now() / MINUTE_MS) : 0;
  const before = weekBefore(day, isToday, Date.now());
  const found = useLoaded((signal) => counted(before, question({ ...chosen, day: before.day, isToday: false }), signal),
    [day, camera, staff, minute]);
  if (!found.value) return null; // nobody came then: it was closed, or there was no book yet
  const change = count - found.value;
  const values = { change: signed(change), day: named(before.day, { weekday: "long" }) };
  return html`<span class="soft">${t(isToday ? "visits.than.now" : "visits.than", values)}</span>`;
}

/** Count the visits of a time. */
async function counted({ from, to }, { camera, staff }, signal) {
  if (to <= from) return 0;
  const until = new Date(to).toISOString();
  const asked = { from: new Date(from).toISOString(), to: until, camera, staff };
  const { buckets } = await get("statistics", asked, { signal });
  return buckets.reduce((sum, one) => sum + (one.amounts.total ?? 0), 0);
}

const NAMED_EACH = 3;

/**
 * The day as a picture: a bar for each hour, which leads to the visits of that hour, and back. Bars are one stop of
 * Tab, in which arrows move.
 */
function Strip({ chosen, set, isShown, count: came, usual }) {
  const { day, camera, staff } = chosen;
  const query = { ...question({ ...chosen, hour: "" }), by: /** @type {const} */ ("hour") };
  const read = (signal) => (came ? get("statistics", query, { signal }) : { buckets: [] });
  const found = useLoaded(async (signal) => read(signal), [day, camera, staff]);
  useEffect(found.again, [came]);
  const counts = byHour(found.value?.buckets ?? []);
  const most = Math.max(...counts, ...(usual ?? []));
  if (came !== undefined && found.value && !most && !chosen.hour) return null;
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
      ${usual?.[place] > 0 && html`<em style=${{ height: `calc((100% - 18px) * ${usual[place] / most})` }}></em>`}
      <span style=${{ height: `${(100 * count) / (most || 1)}%` }}></span>
      <small>${place % NAMED_EACH ? "" : hourMark(hour)}</small></button>`;
  };
  const quiet = chosen.isToday && !chosen.hour ? "quiet" : "";
  return html`<div class=${`day-hours ${quiet} ${isShown}`} role="group" aria-label=${t("visits.hours")}
    onKeyDown=${keys}>${counts.map(bar)}</div>`;
}
