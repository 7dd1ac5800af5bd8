// One visit in the list: when, who beside the portrait, which visit it is, and what can be said about it.
import { html } from "../html.js";
import { to } from "../router.js";
import { groupName, nameOf, Portrait, Score } from "../shared/parts.js";
import { Now } from "../shared/asking.js";
import { may } from "../store.js";
import { clock, dayAndClock, t } from "../words.js";
import { which } from "./day.js";

/** How much above the threshold a score is sure: a narrow screen leaves it out. */
const SURE = 0.03;

/** A visit. `who`: asks who it is, and says what was answered (shared/asking.js); `look`: opens its pictures. */
export function Visit({ one, camera, who, look, isNew }) {
  const stayed = one.sightings > 1 ? t("visits.sightings", { count: one.sightings, last: clock(one.last) }) : "";
  const crop = html`<${Portrait} url=${one.crop_url} alt=${t("visits.crop")} />`;
  const opens = one.crop_url && html`<button class="plain picture" onClick=${() => look(one)}>${crop}</button>`;
  return html`<li class=${`visit ${isNew ? "new" : ""} ${one.name ? "" : "nameless"}
      ${one.score >= one.threshold + SURE ? "sure" : ""}`}>
    <time datetime=${one.first} title=${dayAndClock(one.first)}>${clock(one.first)}</time>
    <span class="pair">${opens ?? crop}
      <${Portrait} url=${one.portrait?.thumb_url} name=${one.name ?? ""} alt=${t("visits.portrait")} /></span>
    <div class="who-came">
      <${Name} one=${one} now=${who.now(one.sighting)} />
      <p class="soft">${[which(one), camera, stayed].filter(Boolean).join(" · ")}</p>
      ${one.name === "" && may("operator") && html`<button class="line ask" onClick=${() => who.ask(one)}>
        ${t("visits.who")}</button>`}
    </div>
    <div class="decision">
      <${Score} score=${one.score} threshold=${one.threshold} />
      ${may("operator") && (one.name || one.score != null) && !who.now(one.sighting) && html`<button class="plain quiet"
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
