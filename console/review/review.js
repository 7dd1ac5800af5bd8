// Review: one card at a time, decided by a key.
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { Find } from "../find.js";
import { html } from "../html.js";
import { useKeys } from "../keys.js";
import { placed } from "../shared/pictures.js";
import { KINDS, Queue, settled } from "./queues.js";
import { cameraName, useShared } from "../shared/known.js";
import { Dialog, Empty, groupName, nameOf, Portrait, Score, Shapes, Trouble, useSlow, whose } from "../shared/parts.js";
import { may, preference, session, useValue, Value } from "../store.js";
import { complain, later, say, undoLast } from "../undo.js";
import { dayAndClock, isoDay, number, t } from "../words.js";

const AHEAD = 4;
const LOADED = 8;
const CANDIDATES = 5;
const SHOWN = 8;
const LEAST = [1, 2, 3, 5, 10];

/** What was decided here, newest first: `{ text, undo }`; without `undo` it is too late. It outlives the page. */
const done = new Value([]);
let count = 0;

/** How much was decided today in this browser, kept as "day tenant count". */
const tally = preference("review.today", [""], true);
const today = () => `${isoDay(Date.now())} ${session.now?.tenant} `;
const decided = () => (tally.now.startsWith(today()) ? Number(tally.now.slice(today().length)) : 0);

/** What the page that is shown now does: an "Undo" may be older. */
const here = { back: undefined };

const fresh = (least) => Object.fromEntries(KINDS.map((kind) => [kind, new Queue(kind, least)]));
const elsewhere = ({ face }) => say(whose("review.elsewhere", { name: nameOf(face) }));
const path = (face) => `faces/${encodeURIComponent(face.id)}`;

export default function Review() {
  const queues = useRef(null);
  queues.current ??= fresh(LEAST[0]);
  const [kind, setKind] = useState(null);
  const [at, setAt] = useState(0);
  const [dialog, setDialog] = useState(null);
  const [problem, setProblem] = useState(null);
  const [waits, setWaits] = useState(true);
  const [, draw] = useReducer((count) => count + 1, 0);
  const groups = useShared("groups");
  const cameras = useShared("cameras");
  const slow = useSlow(waits);
  const head = useRef();
  const naming = useRef();
  const moved = useRef(false);
  const queue = queues.current[kind];
  const card = queue?.cards[at];
  const close = () => setDialog(null);

  const load = async (work) => {
    setWaits(true);
    setProblem(null);
    await work().catch(setProblem);
    setWaits(false);
    draw();
  };
  const begin = () => load(async () => {
    const { promoted, uncertain } = queues.current;
    await Promise.all([promoted, uncertain].map((one) => one.ended || one.list()));
    setKind((before) => before ?? (!promoted.count && uncertain.count ? "uncertain" : "promoted"));
  });
  const more = () => (queue ? load(() => queue.load(at + LOADED)) : begin());
  useEffect(() => { begin(); }, []);
  useEffect(() => { if (queue && !queue.isOver && queue.cards.length < at + LOADED) more(); }, [queue, queue?.cards.length, at]);
  useEffect(() => {
    if (!problem) return;
    addEventListener("online", more);
    return () => removeEventListener("online", more);
  }, [problem]);
  useEffect(() => {
    if (!moved.current || !card) return;
    head.current.focus({ preventScroll: true });
    moved.current = false;
  }, [card?.id]);

  const show = (next, place = 0) => { moved.current = true; setKind(next); setAt(place); draw(); };
  const move = (step) => show(kind, Math.max(0, Math.min(at + step, queue.cards.length - 1)));
  const skip = () => {
    queue.cards.push(...queue.cards.splice(at, 1));
    show(kind, at);
  };
  const take = (one) => {
    const { cards } = queues.current[one.kind];
    if (!cards.includes(one)) return false;
    settled.add(one.id);
    cards.splice(cards.indexOf(one), 1);
    show(kind, Math.max(0, Math.min(at, cards.length - 1)));
    return true;
  };
  /** Bring a card back: into sight, or `behind` the one that is. */
  here.back = (one, behind = 0) => {
    const { cards } = queues.current[one.kind];
    settled.delete(one.id);
    settled.delete(one.face.id);
    if (cards.some((each) => each.id === one.id)) return;
    cards.splice(behind && at + behind, 0, one);
    if (behind) draw();
    else show(one.kind);
  };
  /** Decide about a card: at once if there is an `inverse`, else when it is too late for "Undo". */
  const decide = (text, does, inverse) => {
    const one = card;
    if (!take(one)) return;
    const entry = { id: ++count, text, card: one, undo: null };
    const tell = (entries, step) => { tally.set(today() + (decided() + step)); done.set(entries); };
    const drop = () => tell(done.now.filter((each) => each !== entry), -1);
    const failed = (failure) => {
      drop();
      if (failure.status === 404 || failure.code === "Changed") return elsewhere(one);
      here.back(one, 1);
      complain(failure);
    };
    if (inverse) {
      const sent = does({});
      sent.catch(failed);
      entry.undo = () => {
        drop();
        sent.then(inverse).then(() => get(path(one.face))).then((face) => here.back({ ...one, face }), complain);
      };
    } else {
      const change = later(text, {
        isQuiet: true,
        take: () => {},
        back: () => { drop(); here.back(one); },
        act: (options) => { entry.undo = null; done.set([...done.now]); return does(options).catch(failed); },
      });
      entry.undo = () => change.settle("undo");
    }
    tell([entry, ...done.now], 1);
  };

  const face = card?.face;
  const patch = (changes) => (options) => send("PATCH", path(face), { ...changes, revision: face.revision }, options);
  const back = (changes) => () => send("PATCH", path(face), changes);
  const finish = (options) => send("POST", `reviews/${card.id}/done`, undefined, options);
  const reject = (other) => async (options) => {
    const { sighting } = await send("POST", `${path(face)}/sightings/${card.sighting}/reject`, { other: other?.id }, options);
    if (other && sighting.resolution !== "stranger" && sighting.face !== other.id) say(whose("review.notgiven", { name: nameOf(other) }));
  };
  const isAbout = kind !== "uncertain";
  const yes = () => (kind === "stranger" ? decide(t("review.did.regular"), patch({ group: "regular" }), back({ group: face.group }))
    : decide(t("review.did.yes", { name: nameOf(face) }), finish));
  const is = (other) => {
    if (!other || other.id === face.id) return other && yes();
    const text = t("review.did.is", { name: nameOf(other) });
    if (!isAbout) return decide(text, reject(other));
    settled.add(face.id);
    decide(text, () => send("POST", `${path(other)}/merge`, { other: face.id }), (merged) => send("POST", `merges/${encodeURIComponent(merged.merge)}/undo`));
  };
  const no = () => decide(t("visits.rejected", { name: nameOf(face) }), reject(null));
  const name = (text) => (isAbout ? decide(t("visits.named", { name: text }), patch({ name: text }), back({ name: "" }))
    : decide(t("visits.named", { name: text }), (options) => patch({ name: text })(options).then(() => finish(options))));
  const group = (wanted) => {
    close();
    decide(t("review.did.moved", { name: nameOf(face), group: groupName(wanted) }), patch({ group: wanted }), back({ group: face.group }));
  };
  const remove = () => {
    settled.add(face.id);
    decide(t("person.deleted", { name: nameOf(face) }), (options) => send("DELETE", path(face), undefined, options));
  };
  const undo = () => {
    const last = done.now.find((one) => one.undo);
    return last ? last.undo() : undoLast();
  };

  const operator = may("operator");
  const can = { yes, no: card?.score != null && no, name: (isAbout || !card?.face.name) && name, other: () => setDialog("other"),
    group: isAbout && (() => setDialog("group")), remove: isAbout && remove, skip };
  const press = (text, does) => [text, () => (card && does ? does() : false)];
  useKeys({
    j: press("keys.next", () => move(1)),
    k: press("keys.previous", () => move(-1)),
    o: press("keys.whole", card?.picture_url && (() => setDialog("whole"))),
    ...(operator ? {
      ...Object.fromEntries([1, 2, 3, 4, 5].map((n) => [n, press("keys.candidate", () => is(candidates(card)[n - 1]?.face))])),
      Enter: ["keys.yes", (event) => (card && !event.target.closest("button, a") ? yes() : false)],
      x: press("keys.no", can.no),
      n: press("keys.name", can.name && (() => naming.current?.focus())),
      g: press("keys.group", can.group),
      m: press("keys.merge", can.other),
      d: press("keys.forget", can.remove),
      s: press("keys.skip", skip),
      u: ["undo", undo],
    } : {}),
  }, [{}]);

  const shown = queue?.cards.slice(at, at + 1 + AHEAD) ?? [];
  return html`<div class="page review">
    <header class="top"><div><h1>${t("page.review")}</h1><${Progress} queue=${queue} /></div>
      <div class="tools">
        <div class="segments" role="group" aria-label=${t("review.queues")}>${KINDS.map((one) => html`
          <button key=${one} aria-pressed=${kind === one} onClick=${() => show(one)}>${t(`review.${one}`)}${counted(queues.current[one])}</button>`)}</div>
        ${kind === "stranger" && html`<select aria-label=${t("review.least")} value=${queue.least} onChange=${(event) => {
          queues.current.stranger = new Queue("stranger", Number(event.target.value)); setAt(0); draw(); }}>
          ${LEAST.map((one) => html`<option key=${one} value=${one}>${t("review.least.count", { count: one })}</option>`)}</select>`}
      </div></header>
    ${problem && html`<${Trouble} problem=${problem} again=${more} />`}
    <div class="columns">
      <div>
        ${!card && slow && html`<${Shapes} count=${1} kind="large" />`}
        ${shown.map((one, index) => html`<${Card} key=${one.id} card=${one} camera=${cameraName(cameras.value, one.camera)} here=${index === 0} head=${index ? null : head} naming=${index ? null : naming}
          can=${operator && index === 0 ? can : {}} is=${operator ? is : null} whole=${() => setDialog("whole")} gone=${() => { if (take(one) && !index) elsewhere(one); }} />`)}
        ${queue && !card && !waits && !problem && html`<${Nothing} queue=${queue} more=${more} show=${show} />`}
        ${card && !operator && html`<p class="notice">${t("review.viewer")}</p>`}
      </div>
      <${Done} />
    </div>
    ${dialog === "whole" && html`<${Dialog} title=${dayAndClock(card.at)} close=${close} wide=${true}><${Whole} card=${card} /><//>`}
    ${dialog === "other" && html`<${Find} close=${close} title=${t("review.other")} choose=${is} />`}
    ${dialog === "group" && html`<${Dialog} title=${t("people.move")} close=${close}><div class="choices">${groups.value?.map((one) => html`
      <button key=${one.id} disabled=${one.name === card.face.group} onClick=${() => group(one.name)}>${groupName(one.name)}</button>`)}</div><//>`}
  </div>`;
}

const candidates = (card) => (card.near ?? []).filter(({ face }) => !settled.has(face.id)).slice(0, CANDIDATES);
const counted = (queue) => (queue.count || queue.ended) && html`<span class="count">${number(queue.count)}${queue.ended ? "" : "+"}</span>`;

function question({ kind, face }) {
  if (kind !== "uncertain") return t(kind === "promoted" ? "review.promoted.asks" : "review.stranger.asks");
  return face.name ? whose("review.uncertain.asks", { name: face.name }) : t("review.uncertain.same");
}

/** One card. Those that come next are there already, hidden, so that their pictures are, too. */
function Card({ card, camera, here, head, naming, can, is, whole, gone }) {
  const [, draw] = useReducer((count) => count + 1, 0);
  const ref = useRef();
  useEffect(() => {
    if (card.near) return;
    get(`${path(card.face)}/similar`, { limit: CANDIDATES }).then((found) => {
      Object.assign(card, { near: found.faces, needs: found.threshold });
      draw();
    }, (problem) => { if (problem.status === 404) gone(); else card.near = []; draw(); });
  }, []);
  useEffect(() => { for (const one of ref.current.querySelectorAll("img")) one.decode().catch(() => {}); }, [card.near]);
  const { face } = card;
  const nameless = can.name
    ? html`<form onSubmit=${(event) => { event.preventDefault(); const text = naming.current.value.trim(); if (text) can.name(text); }}>
      <input ref=${naming} maxlength="100" aria-label=${t("visits.who")} placeholder=${t("visits.who")} onKeyDown=${(event) => { if (event.key === "Escape") head.current.focus(); }} />
      <button>${t("review.name")}</button></form>` : html`<strong class="name">${nameOf(face)}</strong>`;
  return html`<article ref=${ref} class="large" hidden=${!here} aria-labelledby=${`asks-${card.id}`}>
    <header><h2 ref=${head} id=${`asks-${card.id}`} tabindex="-1">${question(card)}</h2>
      <p class="soft">${[camera, dayAndClock(card.at), t("visits", { count: face.arrive_count })].join(" · ")}</p></header>
    <figure><${Portrait} url=${card.crop_url} alt=${t("visits.crop")} size="w" lazy=${false} />
      <figcaption class="row"><span class="soft small">${t("visits.crop")}</span><${Score} score=${card.score} threshold=${card.threshold} /></figcaption></figure>
    <figure><${Portrait} url=${face.portrait.url} name=${face.name} alt=${t("visits.portrait")} size="w" lazy=${false} />
      <figcaption class="row">${nameless}${!can.name && html`<span class="tag">${groupName(face.group)}</span>`}</figcaption></figure>
    ${card.picture_url && html`<button class="whole" aria-label=${t("keys.whole")} onClick=${whole}><${Whole} card=${card} /></button>`}
    <${Near} card=${card} is=${is} />
    ${can.yes && html`<div class="deciding">
      <div class="row">${can.remove && html`<button class="danger" onClick=${can.remove}>${t("review.forget")}<kbd>d</kbd></button>`}
        ${can.no && html`<button class="danger" onClick=${can.no}>${face.name ? whose("visits.not", { name: face.name }) : t("visits.not.this")}<kbd>x</kbd></button>`}</div>
      <div class="row confirm"><button onClick=${can.skip}>${t("review.skip")}<kbd>s</kbd></button>
        ${can.group && html`<button onClick=${can.group}>${t("group")} …<kbd>g</kbd></button>`}
        <button onClick=${can.other}>${t("review.other")}<kbd>m</kbd></button>
        <button class="strong" onClick=${can.yes}>${t(`review.yes.${card.kind}`)}<kbd>↵</kbd></button></div>
    </div>`}
  </article>`;
}

/** The whole capture, with a box around the face. */
function Whole({ card }) {
  const [size, setSize] = useState(null);
  return html`<span class="frame-of"><img class="face" src=${card.picture_url} alt=${t("review.whole")}
      onLoad=${({ target }) => setSize({ width: target.naturalWidth, height: target.naturalHeight })} />
    ${size && card.box && html`<span class="box meant" style=${placed(card.box, size)}></span>`}</span>`;
}

function Near({ card, is }) {
  const found = candidates(card);
  if (!found.length) return null;
  return html`<section aria-label=${t("review.near")}><h3 class="soft small">${t("review.near")}</h3><ol class="near">${found.map(({ face, score, match }, index) => {
    const shown = html`<${Portrait} url=${face.portrait.thumb_url} name=${face.name} lazy=${false} /><span><strong class="name">${nameOf(face)}</strong><small class="soft">${groupName(face.group)}</small>
      <${Score} score=${score} threshold=${card.needs} match=${match} /></span>${is && html`<kbd>${index + 1}</kbd>`}`;
    return html`<li key=${face.id}>${is ? html`<button onClick=${() => is(face)}>${shown}</button>` : html`<div>${shown}</div>`}</li>`;
  })}</ol></section>`;
}

function Nothing({ queue, more, show }) {
  if (!queue.isOver) return html`<${Empty} icon="check" title=${t("review.nothing.yet")}><p><button onClick=${more}>${t("review.further")}</button></p><//>`;
  return html`<${Empty} icon="check" title=${t("review.nothing")}>
    ${decided() > 0 && html`<p>${t("review.decided", { count: decided() })}</p>`}
    ${queue.kind !== "stranger" && html`<p><button class="strong" onClick=${() => show("stranger")}>${t("review.strangers")}</button></p>`}<//>`;
}

function Progress({ queue }) {
  useValue(done);
  const count = decided();
  const left = queue?.count ?? 0;
  return html`<p class="soft">${[t("review.decided", { count }), queue && t("review.left", { count: left })].filter(Boolean).join(" · ")}</p>
    <progress value=${count} max=${count + left || 1} aria-label=${t("review.decided", { count })}></progress>`;
}

/** What was done, with its undo. */
function Done() {
  const all = useValue(done);
  if (!all.length) return null;
  return html`<aside aria-label=${t("review.done")}><h2>${t("review.done")}</h2>
    <ol class="done">${all.slice(0, SHOWN).map((one) => html`<li key=${one.id}><${Portrait} url=${one.card.crop_url} size="s" /><span class="name">${one.text}</span>
      ${one.undo && html`<button class="plain small" onClick=${one.undo}>${t("undo")}</button>`}</li>`)}</ol>
    <p class="unseen" aria-live="polite">${all[0].text}</p></aside>`;
}
