// A card of Review: what is asked, the two pictures, who else it may be, and what can be decided.
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { useCombobox } from "../shared/combobox.js";
import { pathOf } from "../shared/correct.js";
import { groupName, nameOf, Portrait, Score, whose } from "../shared/parts.js";
import { placed } from "../shared/pictures.js";
import { dayAndClock, t } from "../words.js";
import { CANDIDATES, candidates, whoStays } from "./deck.js";

/** `called`: how a text with a name in it is made. */
function question({ kind, face }, called = t) {
  if (kind !== "uncertain") return t(`review.${kind}.asks`);
  return face.name ? called("review.uncertain.asks", { name: face.name }) : t("review.uncertain.same");
}

/** One card. Those that come next are there already, hidden, so that their pictures are, too. */
export function Card({ card, camera, here, head, naming, can, whole, gone }) {
  const ref = useRef();
  useNear(card, gone);
  useEffect(() => {
    for (const one of ref.current.querySelectorAll("img")) one.decode().catch(() => {});
  }, [card.near]);
  const { face } = card;
  const isPair = card.kind === "pair";
  const facts = isPair ? [] : [camera, dayAndClock(card.at), t("visits", { count: face.arrive_count })];
  return html`<article ref=${ref} class=${`large ${isPair ? "pair-of" : ""}`} hidden=${!here}
      aria-label=${question(card)}>
    <header><h2 ref=${head} tabindex="-1">${question(card, whose)}</h2>
      ${facts.length > 0 && html`<p class="soft">${facts.join(" · ")}</p>`}
      ${card.twice && html`<p>${t("review.twice")}</p>`}</header>
    ${isPair ? html`<${Pair} card=${card} />` : html`
      <figure><${Portrait} url=${card.crop_url} alt=${t("visits.crop")} size="w" lazy=${false} />
        <figcaption class="row"><span class="soft small">${t("visits.crop")}</span>
          <${Score} score=${card.score} threshold=${card.threshold} /></figcaption></figure>
      <figure><${Portrait} url=${face.portrait.url} name=${face.name} alt=${t("visits.portrait")} size="w"
          lazy=${false} meant=${face.portrait} />
        <figcaption class="row">${can.name ? html`<${Naming} can=${can} naming=${naming} head=${head} face=${face} />`
          : html`<strong class="name">${nameOf(face)}</strong><span class="tag">${groupName(face.group)}</span>`}
        </figcaption></figure>
      ${card.picture_url && html`<button class="whole" aria-label=${t("keys.whole")} onClick=${whole}>
        <${Whole} card=${card} /></button>`}
      <${Near} card=${card} is=${can.is} />`}
    ${can.yes && html`<${Deciding} card=${card} can=${can} />`}
  </article>`;
}

/** Load who the face of a card is most like, unless the card came with it. */
function useNear(card, gone) {
  const [, draw] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    if (card.near || card.kind === "pair") return;
    get(`${pathOf(card.face)}/similar`, { limit: CANDIDATES, listed: true }).then((found) => {
      Object.assign(card, { near: found.faces, needs: found.threshold });
      draw();
    }, (problem) => { if (problem.status === 404) gone(); });
  }, []);
}

/** Two people who may be one; the one who would stay is the first. */
function Pair({ card }) {
  const side = (face) => html`<figure>
    <${Portrait} url=${face.portrait.url} name=${face.name} alt=${t("visits.portrait")} size="w" lazy=${false}
      meant=${face.portrait} />
    <figcaption><strong class="name">${nameOf(face)}</strong>
      <span class="soft small">${groupName(face.group)} · ${t("visits", { count: face.arrive_count })}</span>
    </figcaption></figure>`;
  return html`${whoStays(card.face, card.other).map(side)}
    <p class="row"><${Score} score=${card.score} threshold=${card.threshold} match=${false} /></p>`;
}

/** The field for a name, with the people of such a name below. */
function Naming({ can, naming, head, face }) {
  const options = (text, found) => (text ? found ?? [] : []).filter((one) => one.id !== face.id)
    .map((one) => ({ id: one.id, face: one }));
  const { text, field, list } = useCombobox({
    id: `name-${face.id}`, options, choose: (one) => can.is(one.face), free: can.name });
  const keys = (event) => { if (event.key === "Escape") head.current.focus(); else field.onKeyDown(event); };
  const send = (event) => { event.preventDefault(); if (text.trim()) can.name(text.trim()); };
  return html`<form class="naming" onSubmit=${send}>
    <input ref=${naming} ...${field} onKeyDown=${keys} aria-label=${t("visits.who")} placeholder=${t("visits.who")} />
    <button class="strong">${t("review.name")}</button>${list}</form>`;
}

/** The whole capture, with a box around the face. */
function Whole({ card }) {
  const [size, setSize] = useState(null);
  return html`<span class="frame-of"><img class="face" src=${card.picture_url} alt=${t("review.whole")}
      onLoad=${({ target }) => setSize({ width: target.naturalWidth, height: target.naturalHeight })} />
    ${size && card.box && html`<span class="box meant" style=${placed(card.box, size)}></span>`}</span>`;
}

function Near({ card, is }) {
  if (!card.near) return null;
  const found = candidates(card);
  if (!found.length) return html`<p class="soft small">${t("review.near.nobody")}</p>`;
  const shown = ({ face, score, match }, index) => html`
    <${Portrait} url=${face.portrait.thumb_url} name=${face.name} lazy=${false} />
    <span><strong class="name">${nameOf(face)}</strong><small class="soft">${groupName(face.group)}</small>
      <${Score} score=${score} threshold=${card.needs} match=${match} /></span>${is && html`<kbd>${index + 1}</kbd>`}`;
  return html`<section aria-label=${t("review.near")}><h3 class="soft small">${t("review.near")}</h3>
    <ol class="near">${found.map((one, index) => html`<li key=${one.face.id}>${is
      ? html`<button onClick=${() => is(one.face)}>${shown(one, index)}</button>`
      : html`<div>${shown(one, index)}</div>`}</li>`)}
    </ol></section>`;
}

/** What decides: no, somebody else, yes. On a phone it is a bar above the tabs. */
function Deciding({ card, can }) {
  const no = can.no ?? can.remove;
  const key = { pair: "n" }[card.kind] ?? (can.no ? "x" : "d");
  return html`<div class="deciding">
    ${no && html`<button class="danger" onClick=${no}>
      ${t(can.no ? `review.no.${card.kind}` : "review.forget")}<kbd aria-hidden="true">${key}</kbd></button>`}
    ${can.move && html`<button class="groups-of" onClick=${can.move}>
      ${t("group")} …<kbd aria-hidden="true">g</kbd></button>`}
    ${can.other && html`<button onClick=${can.other}>${t("review.other")}<kbd aria-hidden="true">m</kbd></button>`}
    ${can.keep && html`<button onClick=${can.keep}>${t("review.mask")}</button>`}
    <button class=${card.kind === "promoted" ? "" : "strong"} onClick=${can.yes}>${t(`review.yes.${card.kind}`)}
      <kbd aria-hidden="true">${card.kind === "pair" ? "y" : "↵"}</kbd></button>
  </div>`;
}
