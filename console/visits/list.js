// The visits of a day by the hour, newest first: one stop of Tab, in which arrows move.
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { useKept } from "../kept.js";
import { to } from "../router.js";
import { addDays } from "../shared/days.js";
import { Empty, groupName, nameOf, Portrait, Score, Shapes, useSlow } from "../shared/parts.js";
import { may } from "../store.js";
import { clock, dayAndClock, hasHalves, isoDay, minuteOf, number, t } from "../words.js";
import { useHeld } from "./book.js";
import { folded, hourName, hours, which } from "./day.js";
import { MOST_WHOLE, Part, useRows } from "./drawn.js";
import { Now } from "../shared/asking.js";
import { NARROW, useMedia } from "../shared/media.js";

const SOON = "800px";
const ONCE_SHOWN = 3;
const PART_MINUTES = 5;
/** How much above the threshold a score is sure, and not shown. */
const SURE = 0.03;

export function List({ day, chosen, all, cameras, who, look }) {
  const slow = useSlow(day.waits);
  const { rows, waiting } = useHeld(day.rows);
  const begun = useRef(null);
  const { list, mark } = useRows();
  const clocks = useRef(new Map());
  const isNarrow = useMedia(NARROW);
  if (day.waits || (day.problem && !rows.length)) return slow ? html`<${Shapes} count=${6} />` : null;
  begun.current ??= day.rows[0]?.first ?? "";
  if (!rows.length && !day.token) return html`<${Nobody} chosen=${chosen} all=${all} cameras=${cameras} />`;
  const clockOf = (at) => clocks.current.get(at) ?? clocks.current.set(at, minuteOf(at)).get(at);
  const row = (one) => html`<${Visit} key=${one.sighting} one=${one} who=${who} look=${look}
    camera=${cameras.get(one.camera) ?? one.camera} isNew=${chosen.isToday && one.first > begun.current} />`;
  const parts = (some, before) => inParts(some, clockOf).map(([key, rows]) => html`<${Part} key=${key} rows=${rows}
    isWhole=${day.rows.length < MOST_WHOLE} row=${row} changed=${mark} before=${before + some.indexOf(rows[0])} />`);
  return html`<div class=${`hours ${hasHalves() ? "halves" : ""}`} ...${list}>
    ${waiting > 0 && html`<button class="strong waiting" onClick=${() => scrollTo({ top: 0 })}>
      ${t("visits.waiting", { count: waiting })} ↑</button>`}
    ${hours(rows, !day.token, (at) => clockOf(at).slice(0, 2)).map((hour) => html`<${Hour} key=${hour.hour}
      hour=${hour} isFolded=${isNarrow && !chosen.group && !chosen.only} parts=${parts} />`)}
    ${day.token ? html`<${End} key=${`${rows.length} ${day.token}`} more=${day.more}
      isWhole=${rows.length < MOST_WHOLE} />`
      : html`<p class="soft end">${t("visits.end", { first: clock(rows.at(-1).first) })}</p>`}
  </div>`;
}

/** The visits of an hour. If it `isFolded`, those of strangers who came for the first time are behind one button. */
function Hour({ hour, isFolded, parts }) {
  const [open, setOpen] = useKept(`${isoDay(hour.rows[0].first)} ${hour.hour}`, false);
  const { rows, once } = isFolded ? folded(hour.rows) : { rows: hour.rows, once: [] };
  return html`<section class="hour">
    <h2>${hourName(hour.hour)}${hour.count !== null && html` <span class="soft">· ${number(hour.count)}</span>`}</h2>
    ${parts(rows, hour.before)}
    ${once.length > 0 && html`<ol class="visits"><li class="once"><button class="plain" aria-expanded=${open}
      onClick=${() => setOpen(!open)}><span class="pair">${once.slice(0, ONCE_SHOWN).map((one) => html`
        <${Portrait} key=${one.sighting} url=${one.crop_url} />`)}</span>
      ${t("visits.figure.first", { count: once.length })}</button></li></ol>`}
    ${open && parts(once, hour.before + rows.length)}</section>`;
}

/** Divide the visits of an hour into parts that stay the same whoever comes before or behind them. */
const inParts = (rows, clockOf) =>
  [...Map.groupBy(rows, (one) => Math.floor(Number(clockOf(one.first).slice(3, 5)) / PART_MINUTES))];

/** Loads the next page before the end is in sight; at once, if the list is to be whole. */
function End({ more, isWhole }) {
  const ref = useRef();
  useEffect(() => {
    if (isWhole) { more(); return; }
    const told = (seen) => { if (seen.at(-1).isIntersecting) more(); }; // a busy browser tells several changes at once
    const watcher = new IntersectionObserver(told, { rootMargin: SOON });
    watcher.observe(ref.current);
    return () => watcher.disconnect();
  }, []);
  return html`<div ref=${ref}><${Shapes} count=${2} /></div>`;
}

function Nobody({ chosen, all, cameras }) {
  if (chosen.group || chosen.only || chosen.camera || chosen.hour) {
    return html`<${Empty} icon="live" title=${t("visits.nobody.such")}>
      <p><button class="strong" onClick=${all}>${t("visits.all")}</button></p><//>`;
  }
  if (!chosen.isToday) return html`<${Empty} icon="live" title=${t("visits.nobody.then")} />`;
  return html`<${Empty} icon="live" title=${t("visits.nobody")}>
    <p>${t(cameras.size ? "visits.nobody.says" : "visits.nobody.cameras")}</p>
    <p class="row">${cameras.size
      ? html`<a class="button strong" href=${to("visits", { day: addDays(chosen.day, -1) })}>${t("visits.earlier")}</a>`
      : may("admin") && html`<a class="button strong" href=${to("cameras")}>${t("page.cameras")}</a>`}
      ${may("operator") && html`<a class="button" href=${to("add")}>${t("people.add")}</a>`}</p>
  <//>`;
}

/** Tell whether a face was made from what is shown of this visit: its portrait would be the same picture again. */
const isMade = (one) => one.visit === 1 && one.score == null && one.group === "stranger" && one.crop_url;

/** A visit. `who`: asks who it is, and says what was answered (shared/asking.js); `look`: opens its pictures. */
function Visit({ one, camera, who, look, isNew }) {
  const stayed = one.sightings > 1 ? t("visits.sightings", { count: one.sightings, last: clock(one.last) }) : "";
  const crop = html`<${Portrait} url=${one.crop_url} alt=${t("visits.crop")} />`;
  const now = who.now(one.sighting, one.face);
  const opens = look && one.crop_url && html`<button class="plain picture" onClick=${() => look(one)}>${crop}</button>`;
  return html`<li data-id=${one.sighting} class=${`visit ${isNew ? "new" : ""} ${one.name ? "" : "nameless"}
      ${one.score >= one.threshold + SURE ? "sure" : ""}`}>
    <time datetime=${one.first} title=${dayAndClock(one.first)}>${clock(one.first)}</time>
    <span class="pair">${opens ?? crop}${!isMade(one) && html`
      <${Portrait} url=${one.portrait?.thumb_url} name=${one.name ?? ""} alt=${t("visits.portrait")} />`}</span>
    <div class="who-came">
      <${Name} one=${one} now=${now} />
      <p class="soft">${[which(one), camera, stayed].filter(Boolean).join(" · ")}</p>
    </div>
    <div class="decision">
      <${Score} score=${one.score} threshold=${one.threshold} />
      ${one.name === "" && may("operator") && html`<button class="line ask" onClick=${() => who.ask(one)}>
        ${t("visits.who")}</button>`}
      ${may("operator") && (one.name || one.score != null) && !now && html`<button class="plain quiet"
        onClick=${() => who.ask(one, { isWrong: true })}>${t("whose.wrong")}</button>`}
    </div>
  </li>`;
}

/** Tell whether the group says more than the name does: most people are regulars, and a stranger has no name. */
const isTold = ({ name, group }) => group !== "regular" && (name || group !== "stranger");

function Name({ one, now }) {
  if (now) return html`<p class="title"><${Now} ...${now} /></p>`;
  const name = html`<strong class="name">${nameOf(one)}</strong>`;
  return html`<p class="title">${one.name === null ? name : html`<a href=${to(["person", one.face])}>${name}</a>`}
    ${isTold(one) && html`<span class="tag">${groupName(one.group)}</span>`}</p>`;
}
