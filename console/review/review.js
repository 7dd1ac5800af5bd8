// Review: one card at a time, decided by a key.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { useKeys } from "../keys.js";
import { useViewer } from "../shared/asking.js";
import { look } from "../shared/combobox.js";
import { cameraName, useShared } from "../shared/known.js";
import { sameName } from "../shared/correct.js";
import { Dialog, Empty, groupName, Portrait, Segments, Select, Shapes, Trouble, useSlow }
  from "../shared/parts.js";
import { unlikeOf } from "../shared/likeness.js";
import { call, Twins, IdentityDialog } from "../shared/whose.js";
import { may, useValue } from "../store.js";
import { number, t } from "../words.js";
import { Card } from "./card.js";
import { decisionsOf } from "./decisions.js";
import { candidates } from "./deck.js";
import { decided, done, undo } from "./done.js";
import { KINDS } from "./queues.js";
import { useReview } from "./use.js";

const AHEAD = 4;
const SHOWN = 8;
const LEAST = [1, 2, 3, 5, 10];

export default function Review({ place }) {
  const review = useReview(place.query.queue);
  const { deck, problem, waits } = review;
  const [dialog, setDialog] = useState(null);
  const cameras = useShared("cameras");
  const slow = useSlow(waits);
  const head = useRef();
  const naming = useRef();
  const { card, queue } = deck;
  const viewer = useViewer();
  const whole = () => viewer.open({ pictures: [card] });
  const operator = may("operator");
  const can = operator ? offered(review, card, setDialog) : {};
  useLayoutEffect(() => { // before a key can come that is meant for the card
    if (!deck.hasMoved || !card) return;
    head.current.focus({ preventScroll: true });
    deck.hasMoved = false;
  }, [card?.id]);
  useKeys(keysOf(review, card, can, { naming, operator, whole }), [{}]);
  return html`<div class="page review">
    <header class="top"><div><h1>${t("page.review")}</h1><${Progress} queue=${queue} /></div>
      <${Tools} review=${review} can=${can} /></header>
    ${problem && html`<${Trouble} problem=${problem} again=${review.more} />`}
    <div class="columns">
      <div>
        ${!card && slow && html`<${Shapes} count=${1} kind="large" />`}
        ${deck.shown(AHEAD).map((one, index) => html`<${Card} key=${one.id} card=${one} here=${index === 0}
          camera=${cameraName(cameras.value, one.camera)} head=${index ? null : head}
          naming=${index ? null : naming} can=${index ? {} : can} whole=${whole}
          gone=${() => review.gone(one)} />`)}
        ${queue && !card && !waits && !problem && html`
          <${Nothing} queue=${queue} more=${review.more} show=${review.show} />`}
        ${card && !operator && html`<p class="notice">${t("review.viewer")}</p>`}
      </div>
      <${Done} />
    </div>
    ${viewer.dialog}
    ${dialog && html`<${Asked} ...${dialog} card=${dialog.card ?? card} can=${can} close=${() => setDialog(null)} />`}
  </div>`;
}

/** What the person who looks may do with the card in sight. */
function offered(review, card, setDialog) {
  if (!card) return {};
  const can = decisionsOf(card, review.decide(card));
  const named = can.name && (async (text) => {
    can.name(text);
    const face = sameName(await look(text).catch(() => []), text, card.face.id);
    if (face) setDialog({ kind: "same", card, face, name: text, unlike: await unlikeOf(card.face.id, face) });
  });
  const isAlike = (face) => card.kind === "uncertain" || candidates(card).some((one) => one.face.id === face.id);
  const is = can.is && (async (face) => {
    const unlike = !isAlike(face) && await unlikeOf(card.face.id, face);
    if (unlike) setDialog({ kind: "same", card, face, name: null, unlike, sure: () => can.is(face) });
    else can.is(face);
  });
  return { ...can, is, name: named, skip: review.skip, other: can.is && (() => setDialog({ kind: "other" })),
    move: can.group && (() => setDialog({ kind: "group" })) };
}

function keysOf(review, card, can, { naming, operator, whole }) {
  const press = (text, does) => [text, () => (card && does ? does() : false)];
  const candidate = (place) => can.is && candidates(card)[place] && (() => can.is(candidates(card)[place].face));
  const looks = {
    j: press("keys.next", () => review.move(1)),
    k: press("keys.previous", () => review.move(-1)),
    o: press("keys.whole", card?.picture_url && whole),
  };
  if (!operator) return looks;
  const isPair = card?.kind === "pair";
  return {
    ...looks,
    ...Object.fromEntries([0, 1, 2, 3, 4].map((place) => [place + 1, press("keys.candidate", candidate(place))])),
    Enter: ["keys.yes", (event) => (card && !event.target.closest("button, a") ? can.yes() : false)],
    y: press("keys.yes", isPair && can.yes),
    x: press("keys.no", can.no),
    n: isPair ? press("keys.no", can.no) : press("keys.name", can.name && (() => naming.current?.focus())),
    g: press("keys.group", can.move),
    m: press("keys.merge", can.other),
    d: press("keys.forget", can.remove),
    s: press("keys.skip", review.skip),
    u: ["undo", undo],
  };
}

/** The queues that are not known to be empty, and on a phone what is not in the bar below. */
function Tools({ review, can }) {
  const { deck, show } = review;
  const kinds = KINDS.filter((kind) => kind === deck.kind || deck.queues[kind].count || !deck.queues[kind].ended);
  return html`<div class="tools">
    <${Segments} label=${t("review.queues")} value=${deck.kind} set=${show}
      options=${kinds.map((kind) => [kind, html`${t(`review.${kind}`)} ${counted(deck.queues[kind])}`])} />
    ${deck.kind === "stranger" && html`<${Select} label=${t("review.least")} value=${deck.queue.least}
      set=${(least) => review.least(Number(least))}
      options=${LEAST.map((one) => [one, t("review.least.count", { count: one })])} />`}
    ${can.skip && html`<button class="plain skips" onClick=${can.skip}>
      ${t("review.skip")}<kbd aria-hidden="true">s</kbd></button>`}
  </div>`;
}

const counted = (queue) => (queue.count || queue.ended)
  && html`<span class="count">${number(queue.count)}${queue.ended ? "" : "+"}</span>`;

/** The dialog that is open. */
function Asked({ kind, card, can, close, ...more }) {
  const one = card && { face: card.face.id, name: card.face.name, group: card.face.group,
    sighting: card.sighting, crop_url: card.crop_url };
  const choose = (choice) => (choice.kind === "face" ? can.is(choice.face)
    : choice.kind === "new" && can.name ? can.name(choice.name) : can.correct(choice));
  if (kind === "other") {
    return html`<${IdentityDialog} one=${one} isWrong=${Boolean(can.correct)} close=${close} choose=${choose} />`;
  }
  if (kind === "group") return html`<${Groups} card=${card} can=${can} close=${close} />`;
  const { face, name, unlike, sure } = /** @type {any} */ (more);
  return html`<${Twins} one=${one} face=${face} name=${name} unlike=${unlike} close=${close} choose=${(choice) => {
    close();
    if (choice.kind !== "face") return;
    if (sure) sure();
    else call(one, choice, { changed: () => {} });
  }} />`;
}

function Groups({ card, can, close }) {
  const groups = useShared("groups");
  return html`<${Dialog} title=${t("people.move")} close=${close}>
    <div class="choices">${groups.value?.map((group) => html`
      <button key=${group.id} disabled=${group.name === card.face.group}
        onClick=${() => { close(); can.group(group.name); }}>
      ${groupName(group.name)}</button>`)}</div><//>`;
}

function Nothing({ queue, more, show }) {
  if (!queue.isOver) {
    return html`<${Empty} icon="check" title=${t("review.nothing.yet")}>
      <p><button onClick=${more}>${t("review.further")}</button></p><//>`;
  }
  return html`<${Empty} icon="check" title=${t("review.nothing")}>
    ${decided() > 0 && html`<p>${t("review.decided", { count: decided() })}</p>`}
    ${queue.kind !== "stranger" && html`<p>
      <button class="strong" onClick=${() => show("stranger")}>${t("review.strangers")}</button></p>`}<//>`;
}

function Progress({ queue }) {
  useValue(done);
  const count = decided();
  const left = queue?.count ?? 0;
  return html`<p class="soft">
      ${[t("review.decided", { count }), queue && t("review.left", { count: left })].filter(Boolean).join(" · ")}</p>
    <progress value=${count} max=${count + left || 1} aria-label=${t("review.decided", { count })}></progress>`;
}

/** What was done, with its undo. */
function Done() {
  const all = useValue(done);
  if (!all.length) return null;
  return html`<aside aria-label=${t("review.done")}><h2>${t("review.done")}</h2>
    <ol class="done">${all.slice(0, SHOWN).map((one) => html`<li key=${one.id}>
      <${Portrait} url=${one.card.crop_url ?? one.card.face.portrait.thumb_url} size="s" />
      <span class="name">${one.text}</span>
      ${one.undo && html`<button class="plain small" onClick=${one.undo}>${t("undo")}</button>`}</li>`)}</ol>
    <p class="unseen" aria-live="polite">${all[0].text}</p></aside>`;
}
