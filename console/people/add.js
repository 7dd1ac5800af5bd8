// Add people: drop a folder, see what each picture is good for, and only then enrol.
import { useEffect, useState } from "preact/hooks";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { GroupDialog } from "./group.js";
import { newcomers } from "./newcomers.js";
import { Drop, placed } from "../shared/pictures.js";
import { useShared } from "../shared/known.js";
import { groupOptions, nameOf, Portrait, Select, Trouble } from "../shared/parts.js";
import { to } from "../router.js";
import { useValue } from "../store.js";
import { number, t } from "../words.js";

/** Below it, what spoils a picture most is worth a word. */
const PLAIN_QUALITY = 60;
const MOST_PEOPLE = 60;
const MOST_SHOTS = 12;
const MOST_REFUSED = 200;

export default function Add() {
  const all = newcomers();
  const { people } = all;
  useValue(all.drawn);
  const [problem, setProblem] = useState(null);
  const [most, setMost] = useState(MOST_PEOPLE);
  useEffect(() => () => all.tidy(), []);
  const take = (pairs) => {
    setProblem(pairs.length ? null : { detail: t("add.nothing"), code: "Unusable" });
    if (pairs.length) all.take(pairs);
  };
  const looking = people.flatMap((person) => person.shots).filter((one) => one.state === "looking").length;
  const isMore = people.length > 0;
  return html`<div class="page add">
    <header class="top"><div><h1>${t("page.add")}</h1><p class="soft">${t("add.says")}</p></div></header>
    ${problem && html`<${Trouble} problem=${problem} />`}
    <${Drop} take=${take} folders title=${t(isMore ? "add.more" : "add.drop")} small=${isMore}
      says=${isMore ? "" : t("add.drop.says")} />
    ${isMore && html`<${Bar} all=${all} looking=${looking} />
      <ul class="newcomers">${people.slice(0, most).map((one) => html`
        <${Row} key=${one.id} one=${one} all=${all} />`)}</ul>
      ${people.length > most && html`<button onClick=${() => setMost(most + MOST_PEOPLE)}>${t("more")}</button>`}
      ${!looking && html`<${Refused} people=${people} />`}`}
  </div>`;
}

/** How far it is, into which group they go, and what adds them. */
function Bar({ all, looking }) {
  const [group, setGroup] = useState("regular");
  const [asks, setAsks] = useState(false);
  const groups = useShared("groups");
  const of = (...states) => all.people.filter((person) => states.includes(person.state)).length;
  const [ready, added] = [of("ready", "stuck"), of("added")];
  const told = () => {
    if (looking) return t("add.looking", { count: looking });
    if (of("adding")) return t("add.adding", { done: added, count: all.people.length - of("refused") });
    return added && !ready ? t("add.added", { count: added }) : t("add.ready", { count: ready });
  };
  const done = (name) => { setAsks(false); groups.again(); setGroup(name); };
  const options = groupOptions(groups.value).filter(([name]) => name !== "stranger");
  return html`<div class="bar-top">
    <p aria-live="polite">${told()}</p>
    <span class="apart"></span>
    <label class="inline">${t("add.into")}<${Select} value=${group}
      options=${[...options, ["+", `${t("people.group")}…`]]}
      set=${(one) => (one === "+" ? setAsks(true) : setGroup(one))} /></label>
    ${added && !ready && !looking ? html`<a class="button strong" href=${to("people", { group })}>${t("add.see")}</a>`
      : html`<button class="strong" disabled=${!ready || looking > 0} onClick=${() => all.add(group)}>
        ${t("add.do", { count: ready })}</button>`}
    ${asks && html`<${GroupDialog} close=${() => setAsks(false)} done=${done} />`}
  </div>`;
}

/** Say how far one is. */
function stateOf({ state, good, shots }) {
  if (state === "ready") return t("add.good", { count: good.length });
  return t(`add.state.${state === "refused" && shots.some((shot) => shot.faces.length > 1) ? "choose" : state}`);
}

function Row({ one, all }) {
  const open = ["ready", "refused", "looking"].includes(one.state);
  const name = one.name || t("face.unnamed");
  const choose = (shot) => (index) => {
    shot.choose(index);
    if (one.good.length) one.state = "ready";
    all.draw();
  };
  const more = one.shots.length - MOST_SHOTS;
  return html`<li class=${`newcomer ${one.state}`}>
    <div class="head">
      ${open ? html`<input type="text" class="line title name" aria-label=${t("person.name")} maxlength="100"
          placeholder=${t("face.unnamed")} value=${one.name} onInput=${({ target }) => { one.name = target.value; }}
          onBlur=${() => all.draw()} />`
        : html`<strong class="name">
          ${one.face ? html`<a href=${to(["person", one.face])}>${name}</a>` : name}</strong>`}
      <span class=${`state ${one.state}`}>${stateOf(one)}</span>
      ${open && html`<button class="plain square" aria-label=${t("add.leave", { name: one.name })}
        onClick=${() => all.leave(one)}><${Icon} name="close" size=${18} /></button>`}
    </div>
    ${one.says && html`<p class="notice small">${one.says}</p>`}
    ${one.state === "ready" && one.known && html`<${Known} known=${one.known} as=${one.as}
      set=${(id) => { one.as = id; all.draw(); }} />`}
    <ul class="shots">${one.shots.slice(0, MOST_SHOTS).map((shot, n) => html`<${Picture} key=${n} shot=${shot}
        choose=${choose(shot)} open=${open} />`)}
      ${more > 0 && html`<li class="soft small">${t("add.shots", { count: more })}</li>`}</ul>
  </li>`;
}

/** Whom the pictures look like: are they of that person, or of somebody new? */
function Known({ known: { face, score }, as, set }) {
  const name = nameOf(face);
  return html`<div class="known"><${Portrait} url=${face.portrait.thumb_url} size="s" />
    <span class="name">${t("add.known", { name, score: number(score, 2) })}</span>
    <${Select} class="name" label=${t("add.as")} value=${as ?? ""} set=${(id) => set(id || null)}
      options=${[[face.id, t("add.as.known", { name })], ["", t("add.as.new")]]} /></div>`;
}

function Picture({ shot, choose, open }) {
  const { face, faces, state, says, url } = shot;
  const quality = state === "good" && face && t("quality", { value: Math.round(face.quality) });
  const flaw = !says && face?.quality < PLAIN_QUALITY && face.flaw && t(`flaw.${face.flaw}`);
  const box = (one, index) => html`<button key=${index} class=${`box ${index === shot.at ? "meant" : ""}`}
    style=${placed(one.box, shot)} disabled=${!open || faces.length < 2} aria-label=${t("add.face", { n: index + 1 })}
    aria-pressed=${index === shot.at} onClick=${() => choose(index)}></button>`;
  return html`<li class=${`shot ${state}`}>
    <span class="frame-of">${url ? html`<img class="face" src=${url} alt=${shot.file.name} decoding="async"
        loading="lazy" />` : html`<${Portrait} icon="picture" />`}${faces.map(box)}</span>
    <small class="says">${says || quality || ""}${flaw && html`<br />${flaw}`}</small>
  </li>`;
}

/** Every picture that is not of use, and why. */
function Refused({ people }) {
  const rows = people.flatMap((person) => person.shots.filter((shot) => shot.state === "refused")
    .map((shot) => [person, shot]));
  if (!rows.length) return null;
  const title = t("add.refused", { count: rows.length });
  const row = ([one, shot], n) => html`<tr key=${n}><td class="name">${shot.file.name}</td>
    <td class="name">${one.name || t("face.unnamed")}</td><td>${shot.says}</td></tr>`;
  return html`<details class="refused"><summary>${title}</summary>
    <div class="scroll" tabindex="0" role="region" aria-label=${title}><table>
      <thead><tr>${["add.file", "person.name", "add.why"].map((one) => html`
        <th key=${one} scope="col">${t(one)}</th>`)}</tr></thead>
      <tbody>${rows.slice(0, MOST_REFUSED).map(row)}</tbody></table></div></details>`;
}
