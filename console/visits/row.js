// One visit in the list: when, who beside the portrait, which visit it is, and what can be said about it.
import { send } from "../api.js";
import { html } from "../html.js";
import { to } from "../router.js";
import { groupName, Line, nameOf, Portrait, Score, whose } from "../shared/parts.js";
import { may } from "../store.js";
import { complain, say } from "../undo.js";
import { ago, clock, dayAndClock, isoDay, shortDay, t, visit } from "../words.js";

/** Say which visit it is, and when the one before was: "7th visit, last 3 days ago". */
export function which(one) {
  if (!one.visit) return "";
  if (!one.before) return visit(one.visit);
  return t("visits.visit", { visit: visit(one.visit), ago: ago(one.before, "long", Date.parse(one.first)) });
}

/** How much above the threshold a score is sure: a narrow screen leaves it out. */
const SURE = 0.03;

/** A visit. `rename(face, name)`: it has a name now; `reject(one)`: it is somebody else's. */
export function Visit({ one, camera, rename, reject, isNew }) {
  const stayed = one.sightings > 1 ? t("visits.sightings", { count: one.sightings, last: clock(one.last) }) : "";
  return html`<li class=${`visit ${isNew ? "new" : ""} ${one.name ? "" : "nameless"}
      ${one.score >= one.threshold + SURE ? "sure" : ""}`}>
    <time datetime=${one.first} title=${dayAndClock(one.first)}>${when(one.first)}</time>
    <span class="pair"><${Portrait} url=${one.crop_url} alt=${t("visits.crop")} />
      <${Portrait} url=${one.portrait?.thumb_url} name=${one.name ?? ""} alt=${t("visits.portrait")} /></span>
    <div class="who-came">
      <${Name} one=${one} />
      <p class="soft">${[which(one), camera, stayed].filter(Boolean).join(" · ")}</p>
      ${one.name === "" && may("operator") && html`<${Line} value="" label=${t("visits.who")} className="ask"
        placeholder=${t("visits.who")} save=${(name) => save(one.face, name, rename)} />`}
    </div>
    <div class="decision">
      <${Score} score=${one.score} threshold=${one.threshold} />
      ${one.name !== null && may("operator") && one.score != null && html`<button class="plain quiet"
        onClick=${() => reject(one)}>${one.name ? whose("visits.not", { name: one.name })
          : t("visits.not.this")}</button>`}
    </div>
  </li>`;
}

const when = (at) => (isoDay(at) === isoDay(Date.now()) ? clock(at) : html`${clock(at)}<small>${shortDay(at)}</small>`);

function Name({ one }) {
  const name = html`<strong class="name">${nameOf(one)}</strong>`;
  return html`<p class="title">${one.name === null ? name : html`<a href=${to(["person", one.face])}>${name}</a>`}
    ${(one.name || one.group !== "stranger") && html`<span class="tag">${groupName(one.group)}</span>`}</p>`;
}

async function save(face, name, rename) {
  if (!name) return;
  const back = () => send("PATCH", `faces/${face}`, { name: "" }).then(() => rename(face, ""), complain);
  try {
    await send("PATCH", `faces/${face}`, { name });
    rename(face, name);
    say(whose("visits.named", { name }), { action: [t("undo"), back] });
  } catch (problem) {
    complain(problem);
    throw problem;
  }
}
