// Add people: drop a folder, see what each picture is good for, and only then enrol.
import { useEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { get, newName, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { groupName, nameOf, Portrait, Trouble, useLoaded } from "../parts.js";
import { peopleOf } from "../later/people_of_files.js";
import { base64, Drop, largest, placed, shrunk } from "../later/pictures.js";
import { to } from "../router.js";
import { number, t } from "../words.js";
import { NewGroup } from "./people.js";

const AT_ONCE = 4;
const MOST_PICTURES = 8;
const TRIES = 5;
const PLAIN_QUALITY = 60;
/** Below it, what spoils a picture most is worth a word. */
const SOON_MS = 1000;

/** What came back for one picture decides whether it can be sent, and what is said about it. */
class Shot {
  constructor(file) {
    this.file = file;
    this.url = URL.createObjectURL(file);
    this.state = "looking";
    this.faces = [];
    this.at = -1;
  }

  get face() {
    return this.faces[this.at];
  }

  looked({ width, height, faces }) {
    Object.assign(this, { width, height, faces, at: largest(faces) });
    this.choose(this.at);
  }

  choose(index) {
    this.at = index;
    this.chosen = index >= 0 && index !== largest(this.faces);
    this.says = !this.faces.length ? t("add.noface") : index < 0 ? t("add.which") : this.face.reason ?? "";
    this.state = this.says ? "refused" : "good";
  }
}

class Newcomer {
  id = newName();
  state = "looking";
  as = null;

  constructor(name, files) {
    this.name = name;
    this.shots = files.map((file) => new Shot(file));
  }

  get good() {
    return this.shots.filter((one) => one.state === "good");
  }

  /** Whom most of the pictures look like, among those who match. */
  get known() {
    const matches = this.good.flatMap((one) => (one.face.match ? one.face.candidates.filter((each) => each.match).slice(0, 1) : []));
    return matches.sort((one, other) => other.score - one.score)[0];
  }
}

export default function Add() {
  const people = useRef([]).current;
  const [, draw] = useReducer((count) => count + 1, 0);
  const [group, setGroup] = useState("regular");
  const [problem, setProblem] = useState(null);
  const [dialog, setDialog] = useState(false);
  const groups = useLoaded((signal) => get("groups", {}, { signal }).then((page) => page.groups), []);
  const queue = useMemo(() => new Queue(AT_ONCE), []);
  useEffect(() => () => {
    queue.stop();
    people.flatMap((one) => one.shots).forEach((shot) => URL.revokeObjectURL(shot.url));
  }, []);
  const take = (pairs) => {
    if (!pairs.length) return setProblem({ detail: t("add.nothing"), code: "Unusable" });
    setProblem(null);
    for (const [name, files] of peopleOf(pairs)) {
      const one = new Newcomer(name, files);
      people.push(one);
      one.shots.forEach((shot) => queue.push(() => look(one, shot).finally(draw)));
    }
    draw();
  };
  const look = async (one, shot) => {
    try {
      shot.looked(await patiently(async () => send("POST", "identify", { picture: await base64(await shrunk(shot.file)), k: 1 })));
    } catch (failed) {
      Object.assign(shot, { state: "refused", says: failed.detail || t("problem.offline") });
    }
    if (one.shots.every((each) => each.state !== "looking")) {
      one.state = one.good.length ? "ready" : "refused";
      one.as = one.known?.face.id ?? null;
    }
  };
  const ready = people.filter((one) => one.state === "ready");
  const add = () => ready.forEach((one) => {
    one.state = "adding";
    queue.push(() => enrol(one, group).catch((failed) => Object.assign(one, { state: "ready", says: failed.detail || t("problem.offline") })).finally(draw));
    draw();
  });
  const leave = (one) => {
    one.shots.forEach((shot) => URL.revokeObjectURL(shot.url));
    people.splice(people.indexOf(one), 1);
    draw();
  };
  const looking = people.flatMap((one) => one.shots).filter((one) => one.state === "looking").length;
  const added = people.filter((one) => one.state === "added").length;
  return html`<div class="page add">
    <header class="top"><div><h1>${t("page.add")}</h1><p class="soft">${t("add.says")}</p></div></header>
    ${problem && html`<${Trouble} problem=${problem} />`}
    <${Drop} take=${take} folders title=${t(people.length ? "add.more" : "add.drop")} says=${people.length ? "" : t("add.drop.says")} small=${people.length > 0} />
    ${people.length > 0 && html`<div class="bar-top">
      <p aria-live="polite">${looking ? t("add.looking", { count: looking }) : added ? t("add.added", { count: added }) : t("add.ready", { count: ready.length })}</p>
      <span class="apart"></span>
      <label class="inline">${t("add.into")}<select value=${group} onChange=${(event) => (event.target.value === "+" ? setDialog(true) : setGroup(event.target.value))}>
        ${groups.value?.filter((one) => one.name !== "stranger").map((one) => html`<option key=${one.id} value=${one.name}>${groupName(one.name)}</option>`)}<option value="+">${t("people.group")}…</option></select></label>
      ${added && !ready.length ? html`<a class="button strong" href=${to("people", { group })}>${t("add.see")}</a>`
        : html`<button class="strong" disabled=${!ready.length || looking > 0} onClick=${add}>${t("add.do", { count: ready.length })}</button>`}
    </div>
    <ul class="newcomers">${people.map((one) => html`<${Row} key=${one.id} one=${one} draw=${draw} leave=${() => leave(one)} />`)}</ul>`}
    ${dialog && html`<${NewGroup} close=${() => setDialog(false)} made=${(name) => { setDialog(false); groups.again(); setGroup(name); }} />`}
  </div>`;
}

function Row({ one, draw, leave }) {
  const known = one.known;
  const open = one.state === "ready" || one.state === "refused" || one.state === "looking";
  return html`<li class=${`newcomer ${one.state}`}>
    <div class="head">
      ${open ? html`<input type="text" class="line title" aria-label=${t("person.name")} placeholder=${t("face.unnamed")} maxlength="100" value=${one.name} onInput=${(event) => { one.name = event.target.value; }} />`
        : html`<strong class="name">${one.face ? html`<a href=${to(["person", one.face])}>${one.name || t("face.unnamed")}</a>` : one.name}</strong>`}
      <span class=${`state ${one.state}`}>${one.state === "ready" ? t("add.good", { count: one.good.length }) : t(`add.state.${one.state}`)}</span>
      ${open && html`<button class="plain square" aria-label=${t("add.leave", { name: one.name })} onClick=${leave}><${Icon} name="close" size=${18} /></button>`}
    </div>
    ${one.says && html`<p class="notice small">${one.says}</p>`}
    ${known && one.state === "ready" && html`<div class="known"><${Portrait} url=${known.face.portrait.thumb_url} size="s" />
      <span>${t("add.known", { name: nameOf(known.face), score: number(known.score, 2) })}</span>
      <select aria-label=${t("add.as")} value=${one.as ?? ""} onChange=${(event) => { one.as = event.target.value || null; draw(); }}>
        <option value=${known.face.id}>${t("add.as.known", { name: nameOf(known.face) })}</option><option value="">${t("add.as.new")}</option></select></div>`}
    <ul class="shots">${one.shots.map((shot) => html`<${Picture} key=${shot.url} shot=${shot} choose=${(index) => { shot.choose(index); if (one.good.length) one.state = "ready"; draw(); }} open=${open} />`)}</ul>
  </li>`;
}

function Picture({ shot, choose, open }) {
  const quality = shot.state === "good" && shot.face && t("quality", { value: Math.round(shot.face.quality) });
  const flaw = shot.face?.quality < PLAIN_QUALITY && shot.face.flaw;
  return html`<li class=${`shot ${shot.state}`}>
    <span class="frame-of"><img class="face" src=${shot.url} alt=${shot.file.name} decoding="async" />
      ${shot.faces.map((face, index) => html`<button key=${index} class=${`box ${index === shot.at ? "meant" : ""}`} style=${placed(face.box, shot)} disabled=${!open || shot.faces.length < 2}
        aria-label=${t("add.face", { n: index + 1 })} aria-pressed=${index === shot.at} onClick=${() => choose(index)}></button>`)}</span>
    <small class="says">${shot.says || quality || ""}${flaw && !shot.says ? html`<br />${flaw}` : ""}</small>
  </li>`;
}

/** Enrol with the best picture, and add the others. A picture that is refused then is said so; the others are in. */
async function enrol(one, group) {
  const shots = one.good.sort((left, right) => right.face.quality - left.face.quality).slice(0, MOST_PICTURES);
  const sent = async (shot) => base64(await shrunk(shot.file, shot.chosen ? shot.face.box : null));
  let face = one.as;
  let rest = shots;
  if (!face) {
    const picture = await sent(shots[0]);
    const name = newName();
    face = (await patiently(() => send("POST", "faces", { group, name: one.name.trim(), picture }, { name }))).id;
    rest = shots.slice(1);
  }
  for (const shot of rest) {
    try {
      const picture = await sent(shot);
      await patiently(() => send("POST", `faces/${encodeURIComponent(face)}/pictures`, { picture }));
    } catch (failed) {
      Object.assign(shot, { state: "refused", says: failed.detail || t("problem.offline") });
    }
  }
  Object.assign(one, { state: "added", face, says: "" });
}

/** Try again what the service is too busy for. */
async function patiently(act) {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (failed) {
      if (tries === TRIES || ![429, 503].includes(failed.status)) throw failed;
      await new Promise((done) => setTimeout(done, (failed.retryAfter || 1) * SOON_MS));
    }
  }
}

/** A few tasks at a time, in their order. */
class Queue {
  constructor(atOnce) {
    this.free = atOnce;
    this.tasks = [];
  }

  push(task) {
    this.tasks.push(task);
    this.next();
  }

  next() {
    while (this.free > 0 && this.tasks.length) {
      this.free--;
      this.tasks.shift()().finally(() => { this.free++; this.next(); });
    }
  }

  stop() {
    this.tasks = [];
  }
}
