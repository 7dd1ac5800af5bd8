// Add people: drop a folder, see what each picture is good for, and only then enrol.
import { useEffect, useState } from "preact/hooks";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { GroupDialog } from "./group.js";
import { newcomers } from "./newcomers.js";
import { Drop, placed } from "../shared/pictures.js";
import { useShared } from "../shared/known.js";
import { groupName, nameOf, Portrait, Trouble } from "../shared/parts.js";
import { to } from "../router.js";
import { useValue } from "../store.js";
import { number, t } from "../words.js";

const PLAIN_QUALITY = 60;
/** Below it, what spoils a picture most is worth a word. */
const MOST_PEOPLE = 60;
const MOST_SHOTS = 12;
const MOST_REFUSED = 200;

export default function Add() {
  const all = newcomers();
  const { people } = all;
  useValue(all.drawn);
  const [group, setGroup] = useState("regular");
  const [problem, setProblem] = useState(null);
  const [dialog, setDialog] = useState(false);
  const [most, setMost] = useState(MOST_PEOPLE);
  const groups = useShared("groups");
  useEffect(() => () => all.tidy(), []);
  const take = (pairs) => {
    setProblem(pairs.length ? null : { detail: t("add.nothing"), code: "Unusable" });
    if (pairs.length) all.take(pairs);
  };
  const of = (...states) => people.filter((one) => states.includes(one.state)).length;
  const ready = of("ready", "stuck");
  const added = of("added");
  const looking = people.flatMap((one) => one.shots).filter((one) => one.state === "looking").length;
  const told = looking ? t("add.looking", { count: looking }) : of("adding") ? t("add.adding", { done: added, count: people.length - of("refused") })
    : added && !ready ? t("add.added", { count: added }) : t("add.ready", { count: ready });
  return html`<div class="page add">
    <header class="top"><div><h1>${t("page.add")}</h1><p class="soft">${t("add.says")}</p></div></header>
    ${problem && html`<${Trouble} problem=${problem} />`}
    <${Drop} take=${take} folders title=${t(people.length ? "add.more" : "add.drop")} says=${people.length ? "" : t("add.drop.says")} small=${people.length > 0} />
    ${all.isUnkept && html`<p class="notice small">${t("add.unkept")}</p>`}
    ${people.length > 0 && html`<div class="bar-top">
      <p aria-live="polite">${told}</p>
      <span class="apart"></span>
      <label class="inline">${t("add.into")}<select value=${group} onChange=${(event) => (event.target.value === "+" ? setDialog(true) : setGroup(event.target.value))}>
        ${groups.value?.filter((one) => one.name !== "stranger").map((one) => html`<option key=${one.id} value=${one.name}>${groupName(one.name)}</option>`)}<option value="+">${t("people.group")}…</option></select></label>
      ${added && !ready && !looking ? html`<a class="button strong" href=${to("people", { group })}>${t("add.see")}</a>`
        : html`<button class="strong" disabled=${!ready || looking > 0} onClick=${() => all.add(group)}>${t("add.do", { count: ready })}</button>`}
    </div>
    <ul class="newcomers">${people.slice(0, most).map((one) => html`<${Row} key=${one.id} one=${one} all=${all} />`)}</ul>
    ${people.length > most && html`<button onClick=${() => setMost(most + MOST_PEOPLE)}>${t("more")}</button>`}
    ${!looking && html`<${Refused} people=${people} />`}`}
    ${dialog && html`<${GroupDialog} close=${() => setDialog(false)} done=${(name) => { setDialog(false); groups.again(); setGroup(name); }} />`}
  </div>`;
}

function Row({ one, all }) {
  const known = one.known;
  const open = ["ready", "refused", "looking"].includes(one.state);
  const keep = () => { all.keep(one); all.draw(); };
  const rename = (event) => { one.name = event.target.value; };
  const choose = (shot, index) => {
    shot.choose(index);
    one.chosen[one.shots.indexOf(shot)] = index;
    if (one.good.length) one.state = "ready";
    keep();
  };
  const more = one.shots.length - MOST_SHOTS;
  return html`<li class=${`newcomer ${one.state}`}>
    <div class="head">
      ${open ? html`<input type="text" class="line title name" aria-label=${t("person.name")} placeholder=${t("face.unnamed")} maxlength="100" value=${one.name} onInput=${rename} onBlur=${keep} />`
        : html`<strong class="name">${one.face ? html`<a href=${to(["person", one.face])}>${one.name || t("face.unnamed")}</a>` : one.name || t("face.unnamed")}</strong>`}
      <span class=${`state ${one.state}`}>${one.state === "ready" ? t("add.good", { count: one.good.length }) : t(`add.state.${one.state === "refused" && one.shots.some((shot) => shot.faces.length > 1) ? "choose" : one.state}`)}</span>
      ${open && html`<button class="plain square" aria-label=${t("add.leave", { name: one.name })} onClick=${() => all.leave(one)}><${Icon} name="close" size=${18} /></button>`}
    </div>
    ${one.says && html`<p class="notice small">${one.says}</p>`}
    ${known && one.state === "ready" && html`<div class="known"><${Portrait} url=${known.face.portrait.thumb_url} size="s" />
      <span class="name">${t("add.known", { name: nameOf(known.face), score: number(known.score, 2) })}</span>
      <select class="name" aria-label=${t("add.as")} value=${one.as ?? ""} onChange=${(event) => { one.as = event.target.value || null; keep(); }}>
        <option value=${known.face.id}>${t("add.as.known", { name: nameOf(known.face) })}</option><option value="">${t("add.as.new")}</option></select></div>`}
    <ul class="shots">${one.shots.slice(0, MOST_SHOTS).map((shot, n) => html`<${Picture} key=${n} shot=${shot} choose=${(index) => choose(shot, index)} open=${open} />`)}
      ${more > 0 && html`<li class="soft small">${t("add.shots", { count: more })}</li>`}</ul>
  </li>`;
}

function Picture({ shot, choose, open }) {
  const quality = shot.state === "good" && shot.face && t("quality", { value: Math.round(shot.face.quality) });
  const flaw = shot.face?.quality < PLAIN_QUALITY && shot.face.flaw;
  return html`<li class=${`shot ${shot.state}`}>
    <span class="frame-of">${shot.url ? html`<img class="face" src=${shot.url} alt=${shot.file.name} decoding="async" loading="lazy" />` : html`<span class="portrait m none"><${Icon} name="picture" /></span>`}
      ${shot.faces.map((face, index) => html`<button key=${index} class=${`box ${index === shot.at ? "meant" : ""}`} style=${placed(face.box, shot)} disabled=${!open || shot.faces.length < 2}
        aria-label=${t("add.face", { n: index + 1 })} aria-pressed=${index === shot.at} onClick=${() => choose(index)}></button>`)}</span>
    <small class="says">${shot.says || quality || ""}${flaw && !shot.says ? html`<br />${flaw}` : ""}</small>
  </li>`;
}

/** Every picture that is not of use, and why. */
function Refused({ people }) {
  const rows = people.flatMap((one) => one.shots.filter((shot) => shot.state === "refused").map((shot) => [one, shot]));
  if (!rows.length) return null;
  return html`<details class="refused"><summary>${t("add.refused", { count: rows.length })}</summary><div class="scroll" tabindex="0" role="region" aria-label=${t("add.refused", { count: rows.length })}><table>
    <thead><tr>${["add.file", "person.name", "add.why"].map((one) => html`<th key=${one} scope="col">${t(one)}</th>`)}</tr></thead>
    <tbody>${rows.slice(0, MOST_REFUSED).map(([one, shot], n) => html`<tr key=${n}><td class="name">${shot.file.name}</td><td class="name">${one.name || t("face.unnamed")}</td><td>${shot.says}</td></tr>`)}</tbody></table></div></details>`;
}
