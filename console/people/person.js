// One person: what is known, the photos, the visits, who looks alike.
import { useReducer, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { Consent } from "../shared/consent.js";
import { cameraName, useShared } from "../shared/known.js";
import { Erased, Erasing, Leaving } from "../shared/erase.js";
import { Everything } from "./everything.js";
import { Hold } from "./hold.js";
import { removeLater } from "./many.js";
import { Merging } from "../shared/merging.js";
import { base64, shrunk } from "../shared/pictures.js";
import { Now, useWhose } from "../shared/asking.js";
import { Webcam } from "../shared/webcam.js";
import { Dialog, Empty, groupName, Line, nameOf, Portrait, Score, Shapes, Trouble, useLoaded, useSlow, whose } from "../shared/parts.js";
import { go, to } from "../router.js";
import { may } from "../store.js";
import { complain, later, say } from "../undo.js";
import { ago, clock, day, dayAndClock, isoDay, number, t } from "../words.js";

const ENOUGH_PICTURES = 3;
const MOST_PICTURES = 8;
const LABELS = ["a", "b", "c", "d"];
const WEEKS = 17;
const DAY_MS = 86_400_000;
const MOST_PAIRS = 100;
const UNTIL_TRUSTED_MS = 30_000;
const TURNED = 20;
/** Degrees from which on a face is turned aside. */

export default function Person({ place }) {
  const id = place.rest[0] ?? "";
  const [version, again] = useReducer((count) => count + 1, 0);
  const shown = (other) => (other === id ? again() : go(["person", other]));
  return html`<${Face} key=${`${id} ${version}`} id=${id} shown=${shown} />`;
}

function Face({ id, shown }) {
  const path = `faces/${encodeURIComponent(id)}`;
  const face = useLoaded((signal) => get(path, {}, { signal }), [id]);
  const groups = useShared("groups");
  const pictures = useLoaded((signal) => get(`${path}/pictures`, {}, { signal }).then((answer) => answer.pictures), [id]);
  const operator = may("operator");
  const hold = useLoaded((signal) => (operator ? get(`${path}/hold`, {}, { signal }) : Promise.resolve(null)), [id]);
  const [merge, setMerge] = useState(null);
  const [clash, setClash] = useState(null);
  const [erasing, setErasing] = useState(false);
  const [erasure, setErasure] = useState(null);
  const slow = useSlow(face.waits && !face.value);
  if (erasure) return html`<div class="page person"><${Back} /><${Erased} erasure=${erasure} /></div>`;
  if (!face.value) {
    return html`<div class="page person"><${Back} />
      ${face.problem?.code === "FaceNotFound" ? html`<${Empty} icon="people" title=${t("problem.FaceNotFound")}><p>${t("person.gone")}</p><//>`
        : face.problem && html`<${Trouble} problem=${face.problem} again=${face.again} />`}
      ${slow && html`<${Shapes} count=${4} />`}</div>`;
  }
  const one = face.value;
  /** Change what is sent if nobody else has changed the face since it was read; else ask. `back`: as it was. */
  const change = async (changes, back, revision = one.revision) => {
    try {
      const next = await send("PATCH", path, { ...changes, revision });
      face.set(next);
      say(t("saved"), { action: back && [t("undo"), () => change(back, null, next.revision).catch(() => {})] });
    } catch (problem) {
      if (problem.code === "Changed") {
        face.set(problem.present);
        setClash({ changes, present: problem.present, save: () => { setClash(null); change(changes, null, problem.present.revision).catch(() => {}); } });
      } else complain(problem);
      throw problem;
    }
  };
  const set = (name, was = one[name]) => (value) => change({ [name]: value }, { [name]: was });
  const call = (name) => (name && one.group === "stranger"
    ? change({ name, group: "regular" }, { name: one.name, group: one.group }) : set("name")(name));
  const changed = () => { face.again(); pictures.again(); };
  const remove = () => {
    removeLater([id], whose("person.deleted", { name: nameOf(one) }), { back: () => go(["person", id]) });
    go("people", { group: one.group });
  };
  const erase = () => setErasing(true);
  const photo = async (body) => {
    try {
      await send("POST", `${path}/pictures`, body);
    } catch (problem) {
      if (!["NotThisPerson", "AnotherFace"].includes(problem.code)) return complain(problem);
      say(problem.detail, { kind: "problem", action: [t("person.picture.trust"), () => photo({ ...body, trust: true })], forMs: UNTIL_TRUSTED_MS });
    }
    changed();
  };
  return html`<div class="page person">
    <${Back} />
    <header class="profile">
      <${Portrait} url=${one.portrait.url} name=${one.name} alt=${t("visits.portrait")} size="l" lazy=${false} />
      <div>
        <h1 class="name"><${Line} value=${one.name} label=${t("person.name")} placeholder=${operator ? t("visits.who") : nameOf(one)} save=${call} disabled=${!operator} className="title" /></h1>
        <p class="row">
          ${operator ? html`<label class="inline">${t("group")}<select value=${one.group} onChange=${(event) => set("group")(event.target.value).catch(() => {})}>
            ${(groups.value ?? [{ id: one.group, name: one.group }]).map((each) => html`<option key=${each.id} value=${each.name}>${groupName(each.name)}</option>`)}</select></label>` : html`<span class="tag">${groupName(one.group)}</span>`}
          ${one.kept_until && html`<span class="soft small">${t("person.goes", { day: day(one.kept_until) })}</span>`}
        </p>
        <${Line} value=${one.note} label=${t("person.note")} placeholder=${operator ? t("person.note.add") : ""} save=${set("note")} rows=${2} max=${500} disabled=${!operator} className="note-text" />
      </div>
      <dl class="facts">
        <div><dt>${t("person.visits")}</dt><dd>${number(one.arrive_count)}</dd></div>
        <div><dt>${t("person.last")}</dt><dd title=${one.arrive_time ? dayAndClock(one.arrive_time) : null}>${one.arrive_time ? ago(one.arrive_time) : t("face.never")}</dd></div>
        <div><dt>${t("person.enrolled")}</dt><dd>${day(one.enrolled_at)}</dd></div>
        <${Facts} face=${one} noted=${groups.value?.find((each) => each.name === one.group)?.attributes ?? []} set=${set} operator=${operator} />
      </dl>
    </header>
    <${Pictures} path=${path} loaded=${pictures} photo=${photo} operator=${operator} changed=${changed} />
    <${Visits} path=${path} face=${one} operator=${operator} changed=${changed} photo=${(pictures.value?.length ?? MOST_PICTURES) < MOST_PICTURES && photo} />
    ${operator && html`<${Rejections} path=${path} count=${one.rejections} changed=${changed} />`}
    <${Consent} id=${id} operator=${operator} held=${hold.value?.held} erase=${erase} />
    <${Merges} id=${id} operator=${operator} shown=${shown} />
    <${Similar} id=${id} path=${path} operator=${operator} merge=${setMerge} />
    ${operator && html`<section class="end"><${Everything} path=${path} /><${Hold} path=${path} loaded=${hold} />
      <${Leaving} held=${hold.value?.held} remove=${remove} erase=${erase} /></section>`}
    ${erasing && html`<${Erasing} face=${one} path=${path} close=${() => setErasing(false)} done=${setErasure} />`}
    ${merge && html`<${Merging} faces=${[one, merge]} close=${() => setMerge(null)} done=${shown} />`}
    ${clash && html`<${Clash} ...${clash} close=${() => setClash(null)} />`}
  </div>`;
}

function Back() {
  return html`<a class="back" href=${to("people")}><${Icon} name="back" size=${18} />${t("page.people")}</a>`;
}

/** Somebody else was quicker: what it is now, and what was to be saved. */
function Clash({ changes, present, save, close }) {
  const rows = Object.entries(changes).flatMap(([name, mine]) => (typeof mine === "object" && mine ? Object.entries(mine).map(([one, value]) => [one, value, present[name][one]]) : [[name, mine, present[name]]]));
  return html`<${Dialog} title=${t("problem.Changed")} close=${close}>
    <table class="clash"><thead><tr><td></td><th scope="col">${t("clash.theirs")}</th><th scope="col">${t("clash.mine")}</th></tr></thead>
      <tbody>${rows.map(([name, mine, theirs]) => html`<tr key=${name}><th scope="row">${name === "group" ? t("group") : titled(name)}</th><td class="name">${theirs || "–"}</td><td class="name">${mine || "–"}</td></tr>`)}</tbody></table>
    <p class="row end"><button onClick=${close}>${t("clash.keep")}</button><button class="strong" onClick=${save}>${t("clash.save")}</button></p>
  <//>`;
}

function titled(name) {
  if (LABELS.includes(name)) return t("label", { name: name.toUpperCase() });
  return { name: t("person.name"), note: t("person.note"), age: t("age"), gender: t("gender") }[name] ?? name;
}

/** Age and gender as they were set, else as they are estimated, which is said; then what the group notes, and labels. */
function Facts({ face, noted, set, operator }) {
  const [open, setOpen] = useState(false);
  const { age, gender } = face.estimates;
  const isAge = age != null && Math.round(age.value) === face.age;
  const isGender = face.gender === (gender?.value ?? "unknown");
  const estimated = html`<small class="soft"> ${t("estimated")}</small>`;
  const row = (name, content) => html`<div key=${name}><dt>${titled(name)}</dt><dd>${content}</dd></div>`;
  const lines = [...new Set([...noted, ...Object.keys(face.attributes)])].map((name) => ["attributes", name, face.attributes[name] ?? "", 50]);
  const labels = LABELS.filter((name) => open || face.labels[name]).map((name) => ["labels", name, face.labels[name], 100]);
  const saveAge = (text) => set("age", isAge ? null : face.age)(text === "" ? null : /^\d+$/.test(text) ? Number(text) : text);
  const saveGender = (event) => set("gender", isGender ? null : face.gender)(event.target.value || null).catch(() => {});
  const gendered = (one) => (["male", "female"].includes(one) ? t(`gender.${one}`) : "–");
  return html`
    ${(operator || face.age != null) && row("age", html`<${Line} value=${face.age == null ? "" : String(face.age)} label=${t("age")} placeholder="–" inputmode="numeric" max=${3} save=${saveAge} disabled=${!operator} />${isAge && estimated}`)}
    ${(operator || gendered(face.gender) !== "–") && row("gender", html`${operator ? html`<select class="line" aria-label=${t("gender")} value=${isGender ? "" : face.gender} onChange=${saveGender}>
      <option value="">${gender ? t("gender.estimated", { value: gendered(gender.value) }) : "–"}</option>${["female", "male"].map((one) => html`<option key=${one} value=${one}>${gendered(one)}</option>`)}</select>` : html`${gendered(face.gender)}${isGender && estimated}`}`)}
    ${[...lines, ...labels].map(([kind, name, value, max]) => (operator || value) && row(name, html`<${Line} value=${value} label=${titled(name)} placeholder="–" max=${max} save=${(text) => set(kind, { [name]: value })({ [name]: text })} disabled=${!operator} />`))}
    ${operator && !open && labels.length < LABELS.length && html`<div><dt></dt><dd><button class="plain small" onClick=${() => setOpen(true)}>${t("person.label.add")}</button></dd></div>`}`;
}

function Pictures({ path, loaded, photo, operator, changed }) {
  const [waits, setWaits] = useState(false);
  const [webcam, setWebcam] = useState(false);
  const add = async (files) => {
    setWaits(true);
    for (const file of files) await photo({ picture: await base64(await shrunk(file)) });
    setWaits(false);
  };
  const remove = (picture) => {
    const before = loaded.value;
    later(t("person.picture.deleted"), {
      take: () => loaded.set(before.filter((one) => one !== picture)),
      back: () => loaded.set(before),
      act: (options) => send("DELETE", `${path}/pictures/${picture.id}`, undefined, options).then(changed),
    });
  };
  const count = loaded.value?.length ?? 0;
  const pose = (one) => one.pose && Math.abs(one.pose.yaw) > TURNED && ` · ${t(one.pose.yaw > 0 ? "pose.right" : "pose.left")}`;
  return html`<section><header><h2>${t("person.pictures")}</h2><p class="soft">${loaded.value && t(count < ENOUGH_PICTURES ? "person.pictures.more" : "person.pictures.enough")}</p></header>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <ul class="strip">${loaded.value?.map((one) => html`<li key=${one.id}>
        <${Portrait} url=${one.thumb_url} alt=${t("person.picture", { time: day(one.added_at) })} size="x" />
        <p class="small"><span class="soft">${one.quality == null ? "" : t("quality", { value: Math.round(one.quality) })}${pose(one)}</span>
        ${operator && count > 1 && html`<button class="plain square" aria-label=${t("person.picture.delete")} onClick=${() => remove(one)}><${Icon} name="close" size=${16} /></button>`}</p>
        ${one.learnt && html`<p class="small"><span class="tag" title=${one.learnt.camera}>${t("person.picture.learnt", { day: day(one.learnt.captured_at) })}</span></p>`}</li>`)}
      ${operator && count < MOST_PICTURES && html`<li><label class="drop-small" aria-busy=${waits}><${Icon} name="add" size=${24} /><span>${t("person.picture.add")}</span>
        <input type="file" accept="image/*" multiple onChange=${(event) => { const files = [...event.target.files]; event.target.value = ""; add(files); }} disabled=${waits} /></label>
        <button class="plain small" disabled=${waits} onClick=${() => setWebcam(true)}><${Icon} name="camera" size=${18} />${t("webcam")}</button></li>`}
    </ul>
    ${loaded.value?.some((one) => one.learnt) && html`<p class="soft small">${t("person.picture.learnt.says")}</p>`}
    ${webcam && html`<${Webcam} close=${() => setWebcam(false)} take=${(pairs) => add(pairs.map(([, file]) => file))} />`}</section>`;
}

/** The visits, newest first, each with what the cameras saw; all arrivals come with the first page of sightings. */
function Visits({ path, face, operator, changed, photo }) {
  const [pages, setPages] = useState([]);
  const first = useLoaded((signal) => get(`${path}/sightings`, {}, { signal }), [path]);
  const cameras = useShared("cameras");
  const last = pages.at(-1) ?? first.value;
  const more = async () => {
    try {
      const page = await get(`${path}/sightings`, { token: last.next_token });
      setPages([...pages, page]);
    } catch (problem) {
      complain(problem);
    }
  };
  const who = useWhose(changed);
  const canBeWrong = (one) => operator && (face.name || one.score != null);
  const wrong = (one) => who.ask({ ...one, face: face.id, sighting: one.id, sightings: 1 }, { isWrong: true });
  if (first.problem) return html`<${Trouble} problem=${first.problem} again=${first.again} />`;
  if (!first.value) return null;
  const { arrivals } = first.value;
  const seen = [first.value, ...pages].flatMap((page) => page.sightings);
  const timeline = Map.groupBy(seen, (one) => arrivals.find((each) => each.first <= one.captured_at && one.captured_at <= each.last));
  return html`<section><header><h2>${t("person.visits")}</h2></header>
    ${!seen.length && html`<p class="soft">${t(face.arrive_count ? "person.visits.unkept" : "person.visits.none")}</p>`}
    ${arrivals.length > 0 && html`<${Calendar} arrivals=${arrivals} />`}
    <ol class="timeline">${[...timeline].map(([visit, some]) => html`<li key=${visit?.first ?? some[0].id}>
      <h3><time datetime=${visit?.first ?? some[0].captured_at}>${dayAndClock(visit?.first ?? some[0].captured_at)}</time>${visit && clock(visit.last) !== clock(visit.first) && html`<span class="soft"> – ${clock(visit.last)}</span>`}
        <small class="soft">${[...new Set(some.map((one) => cameraName(cameras.value, one.camera)))].join(", ")}</small></h3>
      <ul class="strip">${some.map((one) => html`<li key=${one.id}>
        <${Portrait} url=${one.crop_url} alt=${t("visits.crop")} size="x" />
        <p class="small soft"><time datetime=${one.captured_at}>${clock(one.captured_at)}</time></p>
        <${Score} score=${one.score} threshold=${one.threshold} />
        ${operator && one.crop_url && photo && html`<button class="plain small" onClick=${() => photo({ sighting: one.id })}>${t("person.picture.use")}</button>`}
        ${who.now(one.id) ? html`<${Now} ...${who.now(one.id)} />` : canBeWrong(one) && html`<button class="plain quiet small"
          onClick=${() => wrong(one)}>${t("whose.wrong")}</button>`}
      </li>`)}</ul></li>`)}</ol>
    ${last?.next_token && html`<button onClick=${more}>${t("more")}</button>`}
    ${who.dialog}
  </section>`;
}

/** The last weeks, a column each; a day with a visit is marked, and says when. Readers hear how many: the days follow below. */
function Calendar({ arrivals }) {
  const days = new Map();
  for (const one of arrivals) {
    const key = isoDay(one.first);
    days.set(key, [...(days.get(key) ?? []), clock(one.first)]);
  }
  const today = new Date(`${isoDay(Date.now())}T12:00:00Z`);
  const monday = today.getTime() - (((today.getUTCDay() + 6) % 7) + 7 * (WEEKS - 1)) * DAY_MS;
  const first = new Date(monday).toISOString().slice(0, 10);
  const shown = arrivals.filter((one) => isoDay(one.first) >= first).length;
  const cell = (week, weekday) => {
    const at = new Date(monday + (week * 7 + weekday) * DAY_MS);
    const times = days.get(at.toISOString().slice(0, 10));
    if (at > today) return html`<td class="after"></td>`;
    const words = times && `${day(at)}: ${[...times].reverse().join(", ")}`;
    return html`<td class=${times ? `came many${Math.min(3, times.length)}` : ""} title=${words}></td>`;
  };
  return html`<table class="calendar" role="img" aria-label=${`${t("person.calendar", { count: WEEKS })}: ${t("visits", { count: shown })}`}><caption>${t("person.calendar", { count: WEEKS })}</caption><tbody aria-hidden="true">
    ${[0, 1, 2, 3, 4, 5, 6].map((weekday) => html`<tr>${Array.from({ length: WEEKS }, (_, week) => cell(week, weekday))}</tr>`)}</tbody></table>`;
}

function Rejections({ path, count, changed }) {
  const loaded = useLoaded((signal) => (count ? get(`${path}/rejections`, {}, { signal }).then((page) => page.rejections) : Promise.resolve([])), [path, count]);
  if (!loaded.value?.length) return null;
  const back = async (one) => {
    try {
      await send("DELETE", `${path}/rejections/${one.sighting}`);
      loaded.set(loaded.value.filter((each) => each !== one));
      changed();
    } catch (problem) {
      complain(problem);
    }
  };
  return html`<section><header><h2>${t("person.rejections")}</h2></header><ul class="plain-list">${loaded.value.map((one) => html`
    <li key=${one.sighting}><span>${dayAndClock(one.captured_at)} · ${one.camera}</span><button class="plain" onClick=${() => back(one)}>${t("person.rejections.back")}</button></li>`)}</ul></section>`;
}

/** Who was merged into this one, in the last 30 days. */
function Merges({ id, operator, shown }) {
  const loaded = useLoaded((signal) => get("merges", { face: id }, { signal }).then((page) => page.merges.filter((one) => ["done", "moving"].includes(one.state))), [id]);
  if (!loaded.value?.length) return null;
  const undo = (one) => send("POST", `merges/${encodeURIComponent(one.id)}/undo`).then(() => { say(t("person.unmerged")); shown(id); }, complain);
  return html`<section><header><h2>${t("person.merges")}</h2><p class="soft">${t("person.merges.says")}</p></header>
    <ul class="strip">${loaded.value.map((one) => html`<li key=${one.id}>
      <${Portrait} url=${one.other_portrait?.thumb_url} size="x" /><strong class="name">${nameOf({ name: one.other_name, group: "" })}</strong>
      <p class="small soft">${day(one.merged_at)}${one.joined && html`<br />${t("person.merges.joined")}`}</p>
      ${operator && html`<button class="plain small" onClick=${() => undo(one)}>${t("person.merges.undo")}</button>`}</li>`)}</ul></section>`;
}

function Similar({ id, path, operator, merge }) {
  const loaded = useLoaded((signal) => get(`${path}/similar`, { limit: 6 }, { signal }), [path]);
  const pairs = useLoaded((signal) => get("duplicates", { limit: MOST_PAIRS }, { signal }).then((page) => page.duplicates.filter((one) => [one.face.id, one.other.id].includes(id))), [id]);
  const all = loaded.value?.faces ?? [];
  if (!all.length) return null;
  const pairOf = (face) => pairs.value?.find((one) => [one.face.id, one.other.id].includes(face.id));
  const areTwo = (pair) => send("POST", `duplicates/${encodeURIComponent(pair.id)}/done`).then(pairs.again, complain);
  return html`<section><header><h2>${t("person.similar")}</h2><p class="soft">${t("person.similar.says")}</p></header>
    <ul class="strip">${all.map(({ face, score, match }) => html`<li key=${face.id}>
      <a href=${to(["person", face.id])}><${Portrait} url=${face.portrait.thumb_url} name=${face.name} size="x" /><strong class="name">${nameOf(face)}</strong></a>
      <p class="small soft">${groupName(face.group)}</p>
      <${Score} score=${score} threshold=${loaded.value.threshold} match=${match} />
      ${(match || pairOf(face)) && html`<p class="small">${t("person.similar.maybe")}</p>`}
      ${operator && html`<button class="plain small" onClick=${() => merge(face)}>${t("person.merge")}</button>`}
      ${operator && pairOf(face) && html`<button class="plain quiet small" onClick=${() => areTwo(pairOf(face))}>${t("twins.two")}</button>`}
    </li>`)}</ul></section>`;
}
