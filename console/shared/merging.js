// A merge: portraits and an arrow that say who stays, and what it has then.
import { useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { merging } from "./correct.js";
import { Unlike, unlikeAmong } from "./likeness.js";
import { Dialog, Ending, groupName, nameOf, Portrait, Trouble, useLoaded, whose } from "./parts.js";
import { complain, say, unleft } from "../undo.js";
import { number, t } from "../words.js";

export const MOST_MERGED = 21;
const MOST_PICTURES = 8;

/** `faces`: two to 21, of whom the first stays if nobody turns the arrow. `done`: called with the id of who stayed. */
export function Merging({ faces: first, close, done }) {
  const [faces, setFaces] = useState(first);
  const [stays, setStays] = useState(first[0]);
  const [merges, setMerges] = useState([]);
  const [problem, setProblem] = useState(null);
  const [waits, setWaits] = useState(false);
  const others = faces.filter((face) => face !== stays);
  const unlike = useLoaded((signal) => unlikeAmong(stays.id, first.filter((one) => one !== stays), signal), [stays.id]);
  const isPair = first.length === 2;
  const undo = (all) => all.reduceRight((before, back) => before.then(back), Promise.resolve())
    .catch(complain).then(() => done(stays.id));
  const act = async () => {
    const all = [...merges];
    setWaits(true);
    setProblem(null);
    try {
      for (const one of others) {
        const { does, inverse } = merging(one, stays);
        const made = await does(send);
        all.push(() => inverse(send, made));
        setFaces((before) => before.filter((each) => each !== one));
      }
    } catch (failed) {
      setMerges(all);
      setWaits(false);
      return setProblem(failed);
    }
    say(t("person.merged"), { action: [t("undo"), () => undo(all)] });
    close();
    done(stays.id);
  };
  const leave = () => { close(); if (merges.length) done(stays.id); };
  const sum = (of) => faces.reduce((total, face) => total + of(face), 0);
  const isBegun = merges.length > 0;
  const said = { visits: number(sum((one) => one.arrive_count)),
    photos: Math.min(MOST_PICTURES, sum((one) => one.pictures)) };
  const side = (face) => html`<div class=${face === stays ? "stays" : ""}>
    <${Portrait} url=${face.portrait.thumb_url} name=${face.name} size="x" />
    <strong class="name">${nameOf(face)}</strong>
    <p class="small soft">${groupName(face.group)} · ${t("visits", { count: face.arrive_count })}</p>
    <p class="small">${t(face === stays ? "person.merge.stays" : "person.merge.goes")}</p></div>`;
  const pair = () => html`${side(first[0])}${isBegun ? html`<span></span>` : html`<button class="square arrow"
      aria-label=${t("person.merge.turn")} title=${t("person.merge.turn")} onClick=${() => setStays(others[0])}>
      <${Icon} name=${stays === first[0] ? "left" : "right"} size=${24} /></button>`}${side(first[1])}`;
  const goer = (face) => html`<li key=${face.id}><button aria-label=${t("person.merge.stay", { name: nameOf(face) })}
      disabled=${waits || isBegun} onClick=${() => setStays(face)}>
      <${Portrait} url=${face.portrait.thumb_url} name=${face.name} /><span class="name small">${nameOf(face)}</span>
    </button></li>`;
  return html`<${Dialog} title=${t("person.merge.title")} close=${leave} wide=${!isPair}>
    ${problem && html`<${Trouble} problem=${problem} />`}
    <div class="merging">${isPair ? pair() : html`<ul class="goers">${others.map(goer)}</ul>
      <${Icon} name="right" size=${24} />${side(stays)}`}</div>
    ${!isPair && html`<p class="soft small">${t("person.merge.choose")}</p>`}
    <p>${whose("person.merge.says", { name: nameOf(stays) })} ${t("person.merge.then", said)}</p>
    ${unlike.value?.map((one) => html`<p key=${one.face.id} class="notice"><${Unlike} ...${one} /></p>`)}
    ${isBegun && html`<p role="status">${t("person.merge.far", { done: merges.length, count: first.length - 1 })}</p>`}
    <${Ending} close=${leave} disabled=${waits} onClick=${() => unleft(act())}>${t("person.merge.do")}<//>
  <//>`;
}
