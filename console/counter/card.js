// Somebody who has just come, in large: who it is, the note, which visit, and how that person
// usually comes. Who stands there says whether it is right.
import { useRef } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { to } from "../router.js";
import { Now, useIdentity } from "../shared/asking.js";
import { pathOf } from "../shared/correct.js";
import { sentence } from "../shared/habit.js";
import { groupName, nameOf, Portrait, useLoaded, whose } from "../shared/parts.js";
import { may, mayLoad } from "../store.js";
import { later } from "../undo.js";
import { clock, joined, t, visit } from "../words.js";

const NEWEST = 100;

/** `one`: a visit, as v1 lists it; `close`: called once it is answered; `open`: if that is undone. */
export function Card({ one, close, open }) {
  const isGiven = useRef(false);
  const who = useIdentity((patch) => { // once it is somebody else's, and once that is taken back
    if (patch([one])[0] === one) return; // it is of another visit
    isGiven.current = !isGiven.current;
    (isGiven.current ? close : open)();
  });
  const now = who.now(one.sighting, one.face);
  const { value } = useLoaded(async (signal) => mayLoad("faces") && about(one, signal), [one.sighting]);
  const comes = value && sentence(value.habit);
  return html`<article class="came-now">
    <span class="pictures"><${Portrait} url=${one.portrait?.url ?? one.crop_url} size="huge"
        name=${one.name ?? ""} alt=${t("visits.portrait")} lazy=${false} />
      ${one.portrait?.url && html`<${Portrait} url=${one.crop_url} size="x" lazy=${false}
        alt=${t("visits.crop")} />`}</span>
    <div><h2 class="name"><a href=${to(["person", one.face])}>${nameOf(one)}</a></h2>
      <p>${joined(groupName(one.group), one.visit && visit(one.visit), clock(one.first))}</p>
      ${comes && html`<p class="soft">${comes}</p>`}
      ${[one.counter_note, value?.note].map((text) => text && html`<p class="note-text">${text}</p>`)}
      ${now && html`<p class="answers"><${Now} ...${now} /></p>`}
      ${may("operator") && !now && html`<p class="answers">
        <button onClick=${() => who.ask(one, { isWrong: true })}>${t("counter.other")}</button>
        <button class="strong" onClick=${() => confirms(one, { close, open })}>
          ${t("counter.right")}</button></p>`}</div>${who.dialog}
  </article>`;
}

async function about(one, signal) {
  const path = pathOf({ id: one.face });
  const [{ note }, { habit }] = await Promise.all([
    get(path, {}, { signal }), get(`${path}/sightings`, { limit: 1 }, { signal })]);
  return { note, habit };
}

/** It is who the card says: nobody need look at the match any more, if a review asks that. */
function confirms(one, { close, open }) {
  const act = async (options) => {
    const { reviews } = await get("reviews", { kind: "uncertain", limit: NEWEST });
    const review = reviews.find(({ sighting }) => sighting === one.sighting);
    if (review) await send("POST", `reviews/${review.id}/done`, undefined, options);
  };
  later(whose("counter.was.right", { name: nameOf(one) }), { take: close, back: open, act });
}
