// One person: the visits on the left, what is known on the right, what is seldom done behind one button.
import { useEffect, useReducer, useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { Consent } from "../shared/consent.js";
import { useShared } from "../shared/known.js";
import { Erased, Erasing, Leaving } from "../shared/erase.js";
import { Line } from "../shared/line.js";
import { Dialog, Empty, groupName, groupOptions, Loading, nameOf, Portrait, Select, useLoaded, whose }
  from "../shared/parts.js";
import { go, to } from "../router.js";
import { may, pageTitle } from "../store.js";
import { complain, say } from "../undo.js";
import { surely } from "../unsent.js";
import { ago, day, dayAndClock, number, t } from "../words.js";
import { Came, Rejections } from "./came.js";
import { Everything } from "./everything.js";
import { Facts, titled } from "./facts.js";
import { Hold, Restriction } from "./hold.js";
import { removeLater } from "./many.js";
import { Merges, Missed, Similar } from "./others.js";
import { Photos } from "./photos.js";

export default function Person({ place }) {
  const id = place.rest[0] ?? "";
  const [version, again] = useReducer((count) => count + 1, 0);
  const shown = (other) => (other === id ? again() : go(["person", other]));
  return html`<div class="page person" key=${`${id} ${version}`}>
    <a class="back" href=${to("people")}><${Icon} name="back" size=${18} />${t("page.people")}</a>
    <${Face} id=${id} shown=${shown} /></div>`;
}

/** `shown`: called with who is to be shown after a merge. */
function Face({ id, shown }) {
  const path = `faces/${encodeURIComponent(id)}`;
  const operator = may("operator");
  const read = (part, of = (answer) => answer) => (signal) => get(`${path}${part}`, {}, { signal }).then(of);
  const face = useLoaded(read(""), [id]);
  const photos = useLoaded(read("/pictures", (answer) => answer.pictures), [id]);
  const hold = useLoaded((signal) => (operator ? read("/hold")(signal) : Promise.resolve(null)), [id]);
  const { change, clash } = useChanges(path, face);
  const [erasing, setErasing] = useState(false);
  const [missed, setMissed] = useState(false);
  const [erasure, setErasure] = useState(null);
  if (erasure) return html`<${Erased} erasure=${erasure} />`;
  if (!face.value) return html`<${NotYet} face=${face} />`;
  const one = face.value;
  const set = (name, was = one[name]) => (value) => change({ [name]: value }, { [name]: was });
  const changed = () => { face.again(); photos.again(); };
  const erase = () => setErasing(true);
  const common = { path, operator, changed };
  return html`<${Head} one=${one} set=${set} change=${change} operator=${operator} missed=${() => setMissed(true)}>
      ${may("operator") && html`<${MoreMenu} one=${one} path=${path} hold=${hold} erase=${erase}
        hide=${() => set("hidden")(!one.hidden).catch(() => {})} />`}<//>
    <div class="halves">
      <div><${Came} face=${one} ...${common} />
        ${operator && html`<${Rejections} count=${one.rejections} ...${common} />`}
        <${Similar} id=${id} shown=${shown} face=${one} ...${common} />
        <${Merges} id=${id} operator=${operator} shown=${shown} /></div>
      <div class="about"><${Photos} portrait=${one.portrait} loaded=${photos} ...${common}
          operator=${may("operator")} />
        <${Consent} id=${id} operator=${may("operator")} held=${hold.value?.held} erase=${erase} /></div>
    </div>
    ${erasing && html`<${Erasing} face=${one} path=${path} close=${() => setErasing(false)} done=${setErasure} />`}
    ${missed && html`<${Missed} face=${one} ...${common} shown=${shown} close=${() => setMissed(false)} />`}
    ${clash}`;
}

/** What stands there until a face is read, or if it cannot be. */
function NotYet({ face }) {
  if (face.problem?.code === "FaceNotFound") {
    return html`<${Empty} icon="people" title=${t("problem.FaceNotFound")}><p>${t("person.gone")}</p><//>`;
  }
  return html`<${Loading} of=${face} count=${4} />`;
}

/** Changes that are sent if nobody else has changed the face since it was read; else `clash` asks. */
function useChanges(path, face) {
  const [asked, setAsked] = useState(null);
  const ask = (changes, present) =>
    setAsked((before) => ({ changes: joined(before?.changes ?? {}, changes), present }));
  const save = () => { setAsked(null); change(asked.changes, null, asked.present.revision).catch(told); };
  /** `back`: as it was. */
  const change = async (changes, back, revision = face.value.revision) => {
    try {
      const next = await surely("PATCH", path, { ...changes, revision });
      face.set(next);
      say(t("saved"), { action: back && [t("undo"), () => change(back, null, next.revision).catch(told)] });
    } catch (problem) {
      if (problem.code === "Changed") {
        face.set(problem.present);
        ask(changes, problem.present);
      } else if (!problem.field) complain(problem); // else its field says so
      throw problem;
    }
  };
  return { change, clash: asked && html`<${Clash} ...${asked} save=${save} close=${() => setAsked(null)} />` };
}

/** Say why a field's text is refused where the field is not seen any more. */
const told = (problem) => { if (problem.field) complain(problem); };

/** Both changes as one: what the later says, and what the first says else. */
const joined = (first, later) => ({ ...first, ...Object.fromEntries(Object.entries(later).map(([name, value]) =>
  [name, value && typeof value === "object" ? { ...first[name], ...value } : value])) });

/** Somebody else was quicker: what it is now, and what was to be saved. */
function Clash({ changes, present, save, close }) {
  const within = ([name, mine]) => (typeof mine === "object" && mine
    ? Object.entries(mine).map(([one, value]) => [one, value, present[name][one]]) : [[name, mine, present[name]]]);
  /** @param {any[]} one */
  const row = ([name, mine, theirs]) => html`<tr key=${name}>
    <th scope="row">${name === "group" ? t("group") : titled(name)}</th>
    ${[theirs, mine].map((value, n) => html`<td key=${n} class="name">
      ${value === true ? "✓" : value || "–"}</td>`)}</tr>`;
  return html`<${Dialog} title=${t("problem.Changed")} close=${close}>
    <table class="clash"><thead><tr><td></td><th scope="col">${t("clash.theirs")}</th>
      <th scope="col">${t("clash.mine")}</th></tr></thead>
      <tbody>${Object.entries(changes).flatMap(within).map(row)}</tbody></table>
    <p class="row end"><button onClick=${close}>${t("clash.keep")}</button>
      <button class="strong" onClick=${save}>${t("clash.save")}</button></p>
  <//>`;
}

/** Who it is, in which group, for how long. */
function Head({ one, set, change, operator, missed, children }) {
  const groups = useShared("groups");
  const call = (name) => (name && one.group === "stranger"
    ? change({ name, group: "regular" }, { name: one.name, group: one.group }) : set("name")(name));
  const move = (group) => set("group")(group).catch(() => {});
  const name = nameOf(one);
  useEffect(() => { pageTitle.set(name); return () => pageTitle.set(""); }, [name]);
  return html`<header class="profile">
    <${Portrait} url=${one.portrait.url} name=${one.name} alt=${t("visits.portrait")} size="l" lazy=${false}
      meant=${one.portrait} />
    <div>
      <h1 class="name"><${Line} value=${one.name} label=${t("person.name")} save=${call} disabled=${!operator}
        placeholder=${operator ? t("visits.who") : nameOf(one)} className="title" /></h1>
      <p class="row">${operator ? html`<label class="inline">${t("group")}<${Select} value=${one.group} set=${move}
          options=${groupOptions(groups.value ?? [{ name: one.group }])} /></label>`
        : html`<span class="tag">${groupName(one.group)}</span>`}
        ${one.hidden && html`<span class="tag">${t("person.hidden")}</span>`}
        ${one.kept_until && html`<span class="soft small">${t("person.goes", { day: day(one.kept_until) })}</span>`}</p>
      <${Line} value=${one.note} label=${t("person.note")} placeholder=${operator ? t("person.note.add") : ""}
        save=${set("note")} rows=${2} max=${500} disabled=${!operator} className="note-text" />
    </div><${About} one=${one} set=${set} operator=${operator} missed=${missed} />${children}
  </header>`;
}

/** What is handed out, held, deleted, erased: none of it daily work. */
function MoreMenu({ one, path, hold, erase, hide }) {
  const remove = () => {
    const text = whose("person.deleted", { name: nameOf(one) });
    removeLater([one.id], text, { back: () => go(["person", one.id]) });
    go("people", { group: one.group });
  };
  return html`<div class="seldom"><button class="square" popovertarget="seldom" aria-label=${t("person.more")}>
      <${Icon} name="more" /></button>
    <div id="seldom" popover="auto">
      <div><button onClick=${hide}>${t(one.hidden ? "person.show" : "person.hide")}</button>
        <p class="soft small">${t("person.hide.says")}</p></div>
      <${Everything} path=${path} /><${Hold} path=${path} loaded=${hold} /><${Restriction} path=${path} />
      <${Leaving} held=${hold.value?.held} remove=${remove} erase=${erase} /></div></div>`;
}

function About({ one, set, operator, missed }) {
  const groups = useShared("groups");
  const noted = groups.value?.find((group) => group.name === one.group)?.attributes ?? [];
  return html`<dl class="facts">
    <div><dt>${t("person.visits")}</dt><dd>${number(one.arrive_count)}</dd></div>
    <div><dt>${t("person.last")}</dt><dd title=${one.arrive_time ? dayAndClock(one.arrive_time) : null}>
      ${one.arrive_time ? ago(one.arrive_time) : t("face.never")}
      ${one.arrive_time && html` <button class="plain small" title=${t("person.missed.says")} onClick=${missed}>
        ${t("person.skipped")}</button>`}</dd></div>
    <div><dt>${t("person.enrolled")}</dt><dd>${day(one.enrolled_at)}</dd></div>
    <${Facts} face=${one} noted=${noted} set=${set} operator=${operator} /></dl>`;
}
