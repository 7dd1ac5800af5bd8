// The visits of one person, newest first, a line each with its pictures; before them a calendar that leads to its days.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { to } from "../router.js";
import { Now, useViewer, useIdentity } from "../shared/asking.js";
import { placeInWeek } from "../shared/days.js";
import { sentence } from "../shared/habit.js";
import { cameraName, useShared } from "../shared/known.js";
import { Portrait, Trouble, useLoaded } from "../shared/parts.js";
import { complain } from "../undo.js";
import { clock, dated, day, dayAndClock, isoDay, t } from "../words.js";

const WEEKS = 13;
const DAY_MS = 86_400_000;
const MOST_SHOWN = 6;

/** All arrivals come with the first page of sightings. */
export function Came({ path, face, operator, changed }) {
  const [pages, setPages] = useState([]);
  const first = useLoaded((signal) => get(`${path}/sightings`, {}, { signal }), [path]);
  const last = pages.at(-1) ?? first.value;
  const more = () => get(`${path}/sightings`, { token: last.next_token })
    .then((page) => setPages([...pages, page]), complain);
  const anew = () => { changed(); setPages([]); first.again(); };
  const who = useIdentity(anew);
  const viewer = useViewer(anew);
  if (first.problem) return html`<${Trouble} problem=${first.problem} again=${first.again} />`;
  if (!first.value) return null;
  const { arrivals } = first.value;
  const seen = [first.value, ...pages].flatMap((page) => page.sightings);
  const isIn = (one) => (each) => each.first <= one.captured_at && one.captured_at <= each.last;
  const visits = Map.groupBy(seen, (one) => arrivals.find(isIn(one)) ?? one);
  const comes = sentence(first.value.habit);
  return html`<section><h2>${t("person.visits")}</h2>
    ${comes && html`<p>${comes}</p>`}
    ${!seen.length && html`<p class="soft">
      ${t(face.arrive_count ? "person.visits.unkept" : "person.visits.none")}</p>`}
    ${arrivals.length > 0 && html`<${Calendar} arrivals=${arrivals} />`}
    <ol class="came-when">${[...visits].map(([visit, some]) => html`<${Visit} key=${some[0].id} visit=${visit}
      some=${some} face=${face} who=${operator && who} look=${viewer.open} />`)}</ol>
    ${last?.next_token && html`<button onClick=${more}>${t("more")}</button>`}
    ${who.dialog}${viewer.dialog}
  </section>`;
}

/** One visit; `visit`: an arrival, or the sighting itself if none is kept. */
function Visit({ visit, some, face, who, look }) {
  const cameras = useShared("cameras");
  const { id, score } = some[0];
  const from = visit.first ?? some[0].captured_at;
  const until = visit.last && clock(visit.last) !== clock(from) && ` – ${clock(visit.last)}`;
  const asked = { ...some[0], ...visit, face: face.id, sighting: id, sightings: visit.first ? some.length : 1 };
  const open = (place) => look({ pictures: some.map((one) => ({ camera: one.camera, sighting: one.id })), place });
  const places = new Set(some.map((one) => cameraName(cameras.value, one.camera)));
  const now = who && who.now(id);
  return html`<li><p><a href=${to("visits", { day: isoDay(from) })}>
        <time datetime=${from}>${dayAndClock(from)}</time></a>${until}
      <small class="soft">${[...places].join(", ")}</small></p>
    <span class="row">${some.slice(0, MOST_SHOWN).map((one, place) => html`<button key=${one.id} class="plain picture"
        onClick=${() => open(place)}>
        <${Portrait} url=${one.crop_url} alt=${`${t("visits.crop")} ${clock(one.captured_at)}`} /></button>`)}
      ${some.length > MOST_SHOWN && html`<button class="plain small" onClick=${() => open(MOST_SHOWN)}>
        +${some.length - MOST_SHOWN}</button>`}</span>
    ${now ? html`<span><${Now} ...${now} /></span>` : who && (face.name || score != null) && html`<button
      class="plain quiet small" onClick=${() => who.ask(asked, { isWrong: true })}>${t("whose.wrong")}</button>`}</li>`;
}

/** The last weeks, a column each. A day with a visit leads there, and says when. */
function Calendar({ arrivals }) {
  const days = Map.groupBy(arrivals, (one) => isoDay(one.first));
  const today = new Date(`${isoDay(Date.now())}T12:00:00Z`);
  const sinceFirst = placeInWeek(today.getUTCDay() - 1);
  const first = today.getTime() - (sinceFirst + 7 * (WEEKS - 1)) * DAY_MS;
  const dayOf = (week, weekday = 0) => new Date(first + (week * 7 + weekday) * DAY_MS);
  const month = (week) => dated({ month: "short" }).format(dayOf(week));
  const begins = (week) => month(week) === month(week + 1) && (!week || month(week) !== month(week - 1));
  const weeks = [...Array(WEEKS).keys()];
  const cell = (week, weekday) => {
    const at = dayOf(week, weekday);
    const key = at.toISOString().slice(0, 10);
    const found = days.get(key);
    if (!found) return html`<td class=${at > today ? "after" : ""}></td>`;
    const words = `${day(found[0].first)}: ${found.map((one) => clock(one.first)).reverse().join(", ")}`;
    return html`<td><a class=${`many${Math.min(3, found.length)}`} href=${to("visits", { day: key })} title=${words}
      aria-label=${words}></a></td>`;
  };
  return html`<table class="calendar"><caption>${t("person.calendar", { count: WEEKS })}</caption>
    <thead><tr><td></td>
      ${weeks.map((week) => (begins(week) ? html`<th scope="col">${month(week)}</th>` : html`<td></td>`))}</tr></thead>
    <tbody>${[0, 1, 2, 3, 4, 5, 6].map((weekday) => html`<tr>
      <th scope="row">${dated({ weekday: "short" }).format(dayOf(0, weekday))}</th>
      ${weeks.map((week) => cell(week, weekday))}</tr>`)}</tbody></table>`;
}

/** Sightings of which somebody said that they are of somebody else. */
export function Rejections({ path, count, changed }) {
  const read = (signal) => get(`${path}/rejections`, {}, { signal }).then((page) => page.rejections);
  const loaded = useLoaded((signal) => (count ? read(signal) : Promise.resolve([])), [path, count]);
  if (!loaded.value?.length) return null;
  const back = (one) => send("DELETE", `${path}/rejections/${one.sighting}`).then(() => {
    loaded.set(loaded.value.filter((each) => each !== one));
    changed();
  }, complain);
  return html`<section><h2>${t("person.rejections")}</h2><ul class="plain-list">${loaded.value.map((one) => html`
    <li key=${one.sighting}><span>${dayAndClock(one.captured_at)} · ${one.camera}</span>
      <button class="plain" onClick=${() => back(one)}>${t("person.rejections.back")}</button></li>`)}</ul></section>`;
}
