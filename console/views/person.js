// One person: what is known, the photos, the visits, who looks alike.
import { useReducer, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { base64, shrunk } from "../later/pictures.js";
import { Dialog, Empty, groupName, Line, nameOf, Portrait, Score, Shapes, Trouble, useLoaded, useSlow } from "../parts.js";
import { go, to } from "../router.js";
import { may } from "../store.js";
import { complain, later, say } from "../undo.js";
import { ago, clock, day, dayAndClock, isoDay, number, t } from "../words.js";

const ENOUGH_PICTURES = 3;
const WEEKS = 17;
const DAY_MS = 86_400_000;

export default function Person({ place }) {
  const id = place.rest[0] ?? "";
  const [version, again] = useReducer((count) => count + 1, 0);
  const shown = (other) => (other === id ? again() : go(["person", other]));
  return html`<${Face} key=${`${id} ${version}`} id=${id} shown=${shown} />`;
}

function Face({ id, shown }) {
  const path = `faces/${encodeURIComponent(id)}`;
  const face = useLoaded((signal) => get(path, {}, { signal }), [id]);
  const groups = useLoaded((signal) => get("groups", {}, { signal }).then((page) => page.groups), []);
  const [merge, setMerge] = useState(null);
  const [gone, setGone] = useState(false);
  const slow = useSlow(face.waits && !face.value);
  const operator = may("operator");
  if (!face.value) {
    return html`<div class="page person"><${Back} />
      ${face.problem?.code === "FaceNotFound" ? html`<${Empty} icon="people" title=${t("problem.FaceNotFound")}><p>${t("person.gone")}</p><//>`
        : face.problem && html`<${Trouble} problem=${face.problem} again=${face.again} />`}
      ${slow && html`<${Shapes} count=${4} />`}</div>`;
  }
  const one = face.value;
  const change = async (changes, back) => {
    try {
      const next = await send("PATCH", path, { ...changes, revision: one.revision });
      face.set(next);
      say(t("saved"), { action: back && [t("undo"), () => send("PATCH", path, back).then(face.set, complain)], forMs: 5000 });
    } catch (problem) {
      if (problem.code === "Changed") face.set(problem.present);
      complain(problem);
      throw problem;
    }
  };
  const set = (name) => (value) => change({ [name]: value }, { [name]: one[name] });
  const remove = () => later(t("person.deleted", { name: nameOf(one) }), {
    take: () => { setGone(true); go("people", { group: one.group }); },
    back: () => go(["person", id]),
    act: (options) => send("DELETE", path, undefined, options),
  });
  if (gone) return null;
  return html`<div class="page person">
    <${Back} />
    <header class="profile">
      <${Portrait} url=${one.portrait.url} alt=${t("live.portrait")} size="l" lazy=${false} />
      <div>
        <h1 class="name"><${Line} value=${one.name} label=${t("person.name")} placeholder=${operator ? t("live.who") : nameOf(one)} save=${set("name")} disabled=${!operator} className="title" /></h1>
        <p class="row">
          ${operator ? html`<label class="inline">${t("group")}<select value=${one.group} onChange=${(event) => set("group")(event.target.value).catch(() => {})}>
            ${(groups.value ?? [{ id: one.group, name: one.group }]).map((each) => html`<option key=${each.id} value=${each.name}>${groupName(each.name)}</option>`)}</select></label>` : html`<span class="tag">${groupName(one.group)}</span>`}
        </p>
        <${Line} value=${one.note} label=${t("person.note")} placeholder=${operator ? t("person.note.add") : ""} save=${set("note")} rows=${2} max=${500} disabled=${!operator} className="note-text" />
      </div>
      <dl class="facts">
        <div><dt>${t("person.visits")}</dt><dd>${number(one.arrive_count)}</dd></div>
        <div><dt>${t("person.last")}</dt><dd title=${one.arrive_time ? dayAndClock(one.arrive_time) : null}>${one.arrive_time ? ago(one.arrive_time) : t("face.never")}</dd></div>
        <div><dt>${t("person.enrolled")}</dt><dd>${day(one.enrolled_at)}</dd></div>
        <${Facts} face=${one} />
      </dl>
    </header>
    <${Pictures} id=${id} path=${path} operator=${operator} changed=${face.again} />
    <${Visits} path=${path} face=${one} operator=${operator} changed=${face.again} />
    ${operator && html`<${Rejections} path=${path} count=${one.rejections} changed=${face.again} />`}
    <${Similar} path=${path} operator=${operator} merge=${setMerge} />
    ${operator && html`<section class="end"><button class="danger" onClick=${remove}>${t("person.delete")}</button><p class="soft small">${t("person.delete.says")}</p></section>`}
    ${merge && html`<${Merging} one=${one} other=${merge} close=${() => setMerge(null)} shown=${shown} />`}
  </div>`;
}

function Back() {
  return html`<a class="back" href=${to("people")}><${Icon} name="back" size=${18} />${t("page.people")}</a>`;
}

/** Age and gender as they were set, else as they are estimated, which is said. */
function Facts({ face }) {
  const age = face.age ?? face.estimates.age?.value;
  const isEstimated = face.estimates.age != null && Math.round(face.estimates.age.value) === Math.round(age);
  const rows = [["age", age == null ? null : number(age), isEstimated],
    ["gender", ["male", "female"].includes(face.gender) ? t(`gender.${face.gender}`) : null, face.estimates.gender != null]];
  const labels = Object.entries(face.labels).filter(([, value]) => value).map(([name, value]) => [t("label", { name: name.toUpperCase() }), value]);
  return html`${rows.filter(([, value]) => value).map(([name, value, isEstimate]) => html`<div key=${name}><dt>${t(name)}</dt><dd>${value}${isEstimate && html`<small class="soft"> ${t("estimated")}</small>`}</dd></div>`)}
    ${[...Object.entries(face.attributes).filter(([, value]) => value), ...labels].map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}`;
}

function Pictures({ id, path, operator, changed }) {
  const loaded = useLoaded((signal) => get(`${path}/pictures`, {}, { signal }).then((answer) => answer.pictures), [id]);
  const [waits, setWaits] = useState(false);
  const add = async (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    setWaits(true);
    for (const file of files) {
      try {
        await send("POST", `${path}/pictures`, { picture: await base64(await shrunk(file)) });
      } catch (problem) {
        complain(problem);
      }
    }
    setWaits(false);
    loaded.again();
    changed();
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
  return html`<section><header><h2>${t("person.pictures")}</h2><p class="soft">${loaded.value && t(count < ENOUGH_PICTURES ? "person.pictures.more" : "person.pictures.enough")}</p></header>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <ul class="strip">${loaded.value?.map((one) => html`<li key=${one.id}>
        <${Portrait} url=${one.thumb_url} alt=${t("person.picture", { time: day(one.added_at) })} size="x" />
        <p class="small"><span class="soft" title=${one.learnt ? t("person.picture.learnt.says") : null}>${one.learnt ? t("person.picture.learnt") : one.quality == null ? "" : t("quality", { value: Math.round(one.quality) })}</span>
        ${operator && count > 1 && html`<button class="plain square" aria-label=${t("person.picture.delete")} onClick=${() => remove(one)}><${Icon} name="close" size=${16} /></button>`}</p></li>`)}
      ${operator && count < 8 && html`<li><label class="drop-small" aria-busy=${waits}><${Icon} name="add" size=${24} /><span>${t("person.picture.add")}</span>
        <input type="file" accept="image/*" multiple onChange=${add} disabled=${waits} /></label></li>`}
    </ul></section>`;
}

function Visits({ path, face, operator, changed }) {
  const [pages, setPages] = useState([]);
  const [hidden, setHidden] = useState(new Set());
  const first = useLoaded((signal) => get(`${path}/sightings`, {}, { signal }), [path]);
  const cameras = useLoaded((signal) => get("cameras", {}, { signal }).then((page) => new Map(page.cameras.map((one) => [one.id, one.name || one.id]))), []);
  const last = pages.at(-1) ?? first.value;
  const more = async () => {
    try {
      const page = await get(`${path}/sightings`, { token: last.next_token });
      setPages([...pages, page]);
    } catch (problem) {
      complain(problem);
    }
  };
  const reject = (one) => later(t("live.rejected", { name: nameOf(face) }), {
    take: () => setHidden((before) => new Set(before).add(one.id)),
    back: () => setHidden((before) => new Set([...before].filter((id) => id !== one.id))),
    act: (options) => send("POST", `${path}/sightings/${one.id}/reject`, undefined, options).then(changed),
  });
  if (first.problem) return html`<${Trouble} problem=${first.problem} again=${first.again} />`;
  if (!first.value) return null;
  const { arrivals } = first.value;
  const seen = [first.value, ...pages].flatMap((page) => page.sightings).filter((one) => !hidden.has(one.id));
  return html`<section><header><h2>${t("person.visits")}</h2></header>
    ${!seen.length && html`<p class="soft">${t(face.arrive_count ? "person.visits.unkept" : "person.visits.none")}</p>`}
    ${arrivals.length > 0 && html`<${Calendar} arrivals=${arrivals} />`}
    ${seen.length > 0 && html`<ul class="strip">${seen.map((one) => html`<li key=${one.id}>
      <${Portrait} url=${one.crop_url} alt=${t("live.crop")} size="x" />
      <p class="small"><time datetime=${one.captured_at}>${dayAndClock(one.captured_at)}</time></p>
      <p class="small soft">${cameras.value?.get(one.camera) ?? one.camera}</p>
      <${Score} score=${one.score} threshold=${one.threshold} />
      ${operator && one.score != null && html`<button class="plain quiet small" onClick=${() => reject(one)}>${face.name ? t("live.not", { name: face.name }) : t("live.not.this")}</button>`}
    </li>`)}</ul>`}
    ${last?.next_token && html`<button onClick=${more}>${t("more")}</button>`}
  </section>`;
}

/** The last weeks, a column each; a day with a visit is marked, and says when. */
function Calendar({ arrivals }) {
  const days = new Map();
  for (const one of arrivals) {
    const key = isoDay(one.first);
    days.set(key, [...(days.get(key) ?? []), clock(one.first)]);
  }
  const today = new Date(`${isoDay(Date.now())}T12:00:00Z`);
  const monday = today.getTime() - (((today.getUTCDay() + 6) % 7) + 7 * (WEEKS - 1)) * DAY_MS;
  const cell = (week, weekday) => {
    const at = new Date(monday + (week * 7 + weekday) * DAY_MS);
    const times = days.get(at.toISOString().slice(0, 10));
    if (at > today) return html`<td class="after"></td>`;
    const words = times && `${day(at)}: ${[...times].reverse().join(", ")}`;
    return html`<td class=${times ? `came many${Math.min(3, times.length)}` : ""} title=${words}>${times && html`<span class="unseen">${words}</span>`}</td>`;
  };
  return html`<table class="calendar"><caption>${t("person.calendar", { count: WEEKS })}</caption><tbody>
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

function Similar({ path, operator, merge }) {
  const loaded = useLoaded((signal) => get(`${path}/similar`, { limit: 6 }, { signal }), [path]);
  if (!loaded.value?.faces.length) return null;
  return html`<section><header><h2>${t("person.similar")}</h2><p class="soft">${t("person.similar.says")}</p></header>
    <ul class="strip">${loaded.value.faces.map(({ face, score, match }) => html`<li key=${face.id}>
      <a href=${to(["person", face.id])}><${Portrait} url=${face.portrait.thumb_url} size="x" /><strong class="name">${nameOf(face)}</strong></a>
      <p class="small soft">${groupName(face.group)}</p>
      <${Score} score=${score} threshold=${loaded.value.threshold} match=${match} />
      ${operator && html`<button class="plain small" onClick=${() => merge(face)}>${t("person.merge")}</button>`}
    </li>`)}</ul></section>`;
}

/** Two portraits and an arrow: who stays, and what both have then. */
function Merging({ one, other, close, shown }) {
  const [turned, setTurned] = useState(false);
  const [problem, setProblem] = useState(null);
  const [stays, goes] = turned ? [other, one] : [one, other];
  const act = async () => {
    try {
      const done = await send("POST", `faces/${encodeURIComponent(stays.id)}/merge`, { other: goes.id });
      const undo = () => send("POST", `merges/${encodeURIComponent(done.merge)}/undo`).then(() => shown(one.id), complain);
      say(t("person.merged"), { action: [t("undo"), undo] });
      close();
      shown(stays.id);
    } catch (failed) {
      setProblem(failed);
    }
  };
  const side = (face, words) => html`<div><${Portrait} url=${face.portrait.thumb_url} size="x" /><strong class="name">${nameOf(face)}</strong><p class="small soft">${groupName(face.group)} · ${t("visits", { count: face.arrive_count })}</p><p class="small">${words}</p></div>`;
  return html`<${Dialog} title=${t("person.merge.title")} close=${close}>
    ${problem && html`<${Trouble} problem=${problem} />`}
    <div class="merging">${side(goes, t("person.merge.goes"))}
      <button class="square" aria-label=${t("person.merge.turn")} title=${t("person.merge.turn")} onClick=${() => setTurned(!turned)}><${Icon} name="turn" size=${24} /></button>
      ${side(stays, t("person.merge.stays"))}</div>
    <p>${t("person.merge.says", { id: stays.id })}</p>
    <p class="row end"><button onClick=${close}>${t("cancel")}</button><button class="strong" onClick=${act}>${t("person.merge.do")}</button></p>
  <//>`;
}
