// The visits of a day by the hour, newest first: one stop of Tab, in which arrows move.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { to } from "../router.js";
import { addDays } from "../shared/days.js";
import { Empty, groupName, nameOf, Portrait, Score, Shapes, useSlow } from "../shared/parts.js";
import { may } from "../store.js";
import { clock, dayAndClock, number, t } from "../words.js";
import { useHeld } from "./book.js";
import { folded, hourName, hours, which } from "./day.js";
import { Now } from "../shared/asking.js";
import { NARROW, useMedia } from "../shared/media.js";

const SOON = "800px";
const ONCE_SHOWN = 3;
/** How much above the threshold a score is sure: a narrow screen leaves it out. */
const SURE = 0.03;

export function List({ day, chosen, all, cameras, who, look }) {
  const slow = useSlow(day.waits);
  const { rows, waiting } = useHeld(day.rows);
  const begun = useRef(null);
  const keys = useRows();
  const isNarrow = useMedia(NARROW);
  if (day.waits || (day.problem && !rows.length)) return slow ? html`<${Shapes} count=${6} />` : null;
  begun.current ??= day.rows[0]?.first ?? "";
  if (!rows.length && !day.token) return html`<${Nobody} chosen=${chosen} all=${all} cameras=${cameras} />`;
  const row = (one) => html`<${Visit} key=${one.sighting} one=${one} who=${who} look=${look}
    camera=${cameras.get(one.camera) ?? one.camera} isNew=${chosen.isToday && one.first > begun.current} />`;
  return html`<div class="hours" ...${keys}>
    ${waiting > 0 && html`<button class="strong waiting" onClick=${() => scrollTo({ top: 0 })}>
      ${t("visits.waiting", { count: waiting })} ↑</button>`}
    ${hours(rows, !day.token, (at) => clock(at).slice(0, 2)).map((part) => html`<${Hour} key=${part.hour} part=${part}
      isFolded=${isNarrow && !chosen.group && !chosen.only} row=${row} />`)}
    ${day.token ? html`<${End} key=${`${rows.length} ${day.token}`} more=${day.more} />`
      : html`<p class="soft end">${t("visits.end", { first: clock(rows.at(-1).first) })}</p>`}
  </div>`;
}

/** The visits of an hour. If it `isFolded`, those of strangers who came for the first time are behind one button. */
function Hour({ part, isFolded, row }) {
  const [open, setOpen] = useState(false);
  const { rows, once } = isFolded ? folded(part.rows) : { rows: part.rows, once: [] };
  return html`<section class="hour">
    <h2>${hourName(part.hour)}${part.count !== null && html` <span class="soft">· ${number(part.count)}</span>`}</h2>
    <ol class="visits">${rows.map(row)}
      ${once.length > 0 && html`<li class="once"><button class="plain" aria-expanded=${open}
        onClick=${() => setOpen(!open)}><span class="pair">${once.slice(0, ONCE_SHOWN).map((one) => html`
          <${Portrait} key=${one.sighting} url=${one.crop_url} />`)}</span>
        ${t("visits.figure.first", { count: once.length })}</button></li>`}
      ${open && once.map(row)}</ol></section>`;
}

/** Loads the next page before the end is in sight. */
function End({ more }) {
  const ref = useRef();
  useEffect(() => {
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

/** Make the rows one stop of Tab: what can be pressed in a row comes behind its row, and arrows change the row. */
function useRows() {
  const ref = useRef();
  const [at, setAt] = useState(0);
  const all = () => [...(ref.current?.querySelectorAll(".visit") ?? [])];
  useLayoutEffect(() => {
    all().forEach((row, place, { length }) => {
      const isAt = place === Math.min(at, length - 1);
      row.tabIndex = isAt ? 0 : -1;
      for (const one of row.querySelectorAll("a, button, input")) one.tabIndex = isAt ? 0 : -1;
    });
  });
  const onFocusIn = (event) => setAt(Math.max(0, all().indexOf(event.target.closest(".visit"))));
  const onKeyDown = (event) => {
    const row = event.target.closest(".visit");
    const rows = all();
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -rows.length, End: rows.length }[event.key];
    if (!row || event.target.matches("input") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" && event.target === row) row.querySelector("a")?.click();
    if (!step) return;
    event.preventDefault();
    rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(row) + step))].focus();
  };
  return { ref, onFocusIn, onKeyDown };
}

/** Tell whether a face was made from what is shown of this visit: its portrait would be the same picture again. */
const isMade = (one) => one.visit === 1 && one.score == null && one.group === "stranger" && one.crop_url;

/** A visit. `who`: asks who it is, and says what was answered (shared/asking.js); `look`: opens its pictures. */
function Visit({ one, camera, who, look, isNew }) {
  const stayed = one.sightings > 1 ? t("visits.sightings", { count: one.sightings, last: clock(one.last) }) : "";
  const crop = html`<${Portrait} url=${one.crop_url} alt=${t("visits.crop")} />`;
  const now = who.now(one.sighting, one.face);
  const opens = one.crop_url && html`<button class="plain picture" onClick=${() => look(one)}>${crop}</button>`;
  return html`<li class=${`visit ${isNew ? "new" : ""} ${one.name ? "" : "nameless"}
      ${one.score >= one.threshold + SURE ? "sure" : ""}`}>
    <time datetime=${one.first} title=${dayAndClock(one.first)}>${clock(one.first)}</time>
    <span class="pair">${opens ?? crop}${!isMade(one) && html`
      <${Portrait} url=${one.portrait?.thumb_url} name=${one.name ?? ""} alt=${t("visits.portrait")} />`}</span>
    <div class="who-came">
      <${Name} one=${one} now=${now} />
      <p class="soft">${[which(one), camera, stayed].filter(Boolean).join(" · ")}</p>
      ${one.name === "" && may("operator") && html`<button class="line ask" onClick=${() => who.ask(one)}>
        ${t("visits.who")}</button>`}
    </div>
    <div class="decision">
      <${Score} score=${one.score} threshold=${one.threshold} />
      ${may("operator") && (one.name || one.score != null) && !now && html`<button class="plain quiet"
        onClick=${() => who.ask(one, { isWrong: true })}>${t("whose.wrong")}</button>`}
    </div>
  </li>`;
}

function Name({ one, now }) {
  if (now) return html`<p class="title"><${Now} ...${now} /></p>`;
  const name = html`<strong class="name">${nameOf(one)}</strong>`;
  return html`<p class="title">${one.name === null ? name : html`<a href=${to(["person", one.face])}>${name}</a>`}
    ${(one.name || one.group !== "stranger") && html`<span class="tag">${groupName(one.group)}</span>`}</p>`;
}
