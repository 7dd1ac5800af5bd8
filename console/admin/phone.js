// Alerts: how this browser tells who comes, and who else is told of whom, by which way. Each rule is a hook with a way.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { to } from "../router.js";
import { Bell } from "../shared/alerts.js";
import { look } from "../shared/combobox.js";
import { sameName } from "../shared/correct.js";
import { filled, inWords, told, written } from "../shared/fields.js";
import { useShared } from "../shared/known.js";
import { Field, Form } from "../shared/form.js";
import { Check, Dialog, groupName, Loading, nameOf, Select, useLoaded } from "../shared/parts.js";
import { Copy } from "../shared/settings.js";
import { may, session } from "../store.js";
import { complain, later } from "../undo.js";
import { clock, joined, t } from "../words.js";
import { State, Test } from "./hooks.js";
import { canBePushed, isBeforeHomeScreen, pushed } from "./pushed.js";
import { Qr } from "./qr.js";

/** The fields of each way, those first that need nothing but an address. */
const WAYS = {
  push: [], mail: ["to"], ntfy: ["url", "token"], telegram: ["token", "to"], pushover: ["token", "to"], slack: ["url"],
  teams: ["url"], discord: ["url"], request: ["url", "token"],
};
const WITH_PICTURE = ["ntfy", "telegram", "discord", "pushover", "mail"];
const OPTIONAL = { ntfy: ["url", "token"], request: ["token"] };
const MOST_NAMED = 100;
const PAUSES = [0, 600, 3600, 86_400];
const [CAMERAS, STRANGERS, OVERDUE, PERSON] = ["cameras", "stranger.created", "face.overdue", "person"];
const [WEEK, FULL] = ["week.ended", "place.full"];
const KINDS = [CAMERAS, STRANGERS, OVERDUE, WEEK, FULL];
/** What is told of cameras: that one needs somebody, and that it does not any more. */
const OF_CAMERAS = ["camera.silent", "camera.unwell", "camera.well"];
/** A field of templates that only silence has. */
const ONLY_OF_SILENCE = "{last_seen}";
/** Tell whether a rule was made before anything but silence was told of cameras. */
const isOfSilence = ({ events }) =>
  events?.includes(OF_CAMERAS[0]) && !OF_CAMERAS.every((kind) => events.includes(kind));
/** What no single camera finds. */
const SWEPT = [OVERDUE, WEEK, FULL];
/** What a message can say: of somebody who comes, and of what else is told. */
const FIELDS = {
  known: ["guest", "who", "camera", "time"], [STRANGERS]: ["guest", "camera", "time"],
  [OVERDUE]: ["guest", "who", "days"], [CAMERAS]: ["camera", "state", "time"],
  [WEEK]: ["report"], [FULL]: ["who", "inside", "inside_share"],
};
const kindOf = (whom) => (KINDS.includes(whom) ? whom : "known");
/** Return what is proposed to be said of somebody or something, with its fields in words. */
const proposed = (whom) => t(`phone.text.${kindOf(whom)}`,
  Object.fromEntries(FIELDS[kindOf(whom)].map((field) => [field, inWords(field)])));
/** What waits for no pause. */
const WITHOUT_PAUSE = [CAMERAS, ...SWEPT];

/** Return whom a rule is about, as a hook's filters say it. @returns {Promise<any>} */
async function filtersOf(who, name) {
  if (KINDS.includes(who)) return { events: who === CAMERAS ? OF_CAMERAS : [who] };
  if (who !== PERSON) return { events: ["face.arrived"], groups: [who] };
  const person = sameName(await look(name), name);
  if (!person) throw { field: "name", detail: t("phone.nobody", { name }) };
  return { events: ["face.arrived"], people: [person.id] };
}

/** Return where a message goes, as it was typed; any URL gets its token as programs do. @returns {Promise<any>} */
async function channelOf(way, { url, token, to: receiver }) {
  if (way === "push") return { way, ...(await pushed()) };
  if (way === "request") return { way, url, ...(token && { headers: { Authorization: `Bearer ${token}` } }) };
  return Object.fromEntries(Object.entries({ way, url, token, to: receiver }).filter(([, one]) => one));
}

/** Ways that end on a phone. */
const ON_PHONES = ["ntfy", "telegram", "pushover"];

/** Return the rules, and the names of the people whom they are about, by id. */
async function readRules(signal) {
  const rules = (await get("hooks", {}, { signal })).hooks.filter((hook) => hook.way);
  const ids = [...new Set(rules.flatMap((one) => one.people ?? []))];
  const { faces } = ids.length ? await get("faces", { ids: ids.slice(0, MOST_NAMED) }, { signal }) : { faces: [] };
  return { rules, names: new Map(faces.map((face) => /** @type {const} */ ([face.id, nameOf(face)]))) };
}

/** Say of whom a rule tells, and where: "VIP: phone". */
function titleOf({ people, groups, events, way }, names) {
  const ofCameras = OF_CAMERAS.every((kind) => events?.includes(kind)) ? OF_CAMERAS : [];
  const kinds = { [STRANGERS]: "phone.strangers", [OVERDUE]: "phone.overdue", [WEEK]: "phone.week",
    ...Object.fromEntries(ofCameras.map((kind) => [kind, "phone.cameras"])) };
  const whom = people?.map((id) => names.get(id) ?? t("phone.person"))
    ?? groups?.map(groupName) ?? events?.map((kind) => t(kinds[kind] ?? `set.events.${kind}`));
  const where = ON_PHONES.includes(way) ? t("phone.where.phone") : t(`way.${way}`);
  return t("phone.title", { whom: whom ? [...new Set(whom)].join(", ") : t("set.events.all"), where });
}

export default function Phone({ place }) {
  return html`<div class="page desk">
    <header class="top"><div><h1>${t("page.phone")}</h1></div></header>
    <${Bell} />${may("admin") && html`<${Rules} asked=${place.query.who} />`}
  </div>`;
}

function Rules({ asked }) {
  const loaded = useLoaded(readRules, []);
  const [gone, setGone] = useState(new Set());
  const { rules = [], names } = loaded.value ?? {};
  const remove = (one) => later(t("phone.removed"), {
    take: () => setGone((before) => new Set(before).add(one.id)),
    back: () => setGone((before) => new Set([...before].filter((id) => id !== one.id))),
    act: (options) => send("DELETE", `hooks/${one.id}`, undefined, options),
  });
  const turn = ({ id }) => ({ target }) =>
    send("PATCH", `hooks/${id}`, { enabled: target.checked }).then(loaded.again, (problem) => {
      target.checked = !target.checked;
      complain(problem);
    });
  const widen = ({ id, events, template }) => () => send("PATCH", `hooks/${id}`, {
    events: [...new Set([...events, ...OF_CAMERAS])],
    ...(template.includes(ONLY_OF_SILENCE) && { template: written(proposed(CAMERAS)) }),
  }).then(loaded.again, complain);
  const row = (one) => html`<li key=${one.id}>
    <a class="hook" href=${to(["hooks", one.id])}>
      <strong class=${`ellipsis ${one.people ? "name" : ""}`}>${titleOf(one, names)}</strong>
      <small class="soft">${joined(told(one.template), one.cameras?.join(", "), one.hours)}</small></a>
    ${isOfSilence(one) && html`<button class="line" onClick=${widen(one)}>${t("phone.cameras.also")}</button>`}
    <div class="row"><${State} of=${one} />${one.enabled && html`<${Test} path=${`hooks/${one.id}`} />`}
      <input type="checkbox" role="switch" class="switch" aria-label=${t("phone.on", { rule: titleOf(one, names) })}
        checked=${one.enabled} onChange=${turn(one)} />
      <button class="plain square" aria-label=${t("phone.remove")} onClick=${() => remove(one)}>
        <${Icon} name="close" size=${18} /></button></div></li>`;
  return html`<section><h2>${t("phone.others")}</h2><p class="soft">${t("phone.says")}</p>
    <${Loading} of=${loaded} count=${2} />
    <ul class="rows">${rules.filter((one) => !gone.has(one.id)).map(row)}</ul>
    <${Rule} asked=${asked} made=${loaded.again} /></section>`;
}

function Rule({ asked, made }) {
  const groups = useShared("groups").value ?? [];
  const cameras = useShared("cameras").value ?? [];
  const [way, setWay] = useState(asked !== WEEK && canBePushed() ? "push" : "mail");
  const [who, setWho] = useState(KINDS.includes(asked) ? asked : null);
  const [text, setText] = useState(null);
  const [picture, setPicture] = useState(false);
  const [joining, setJoining] = useState(null);
  const known = groups.filter((group) => group.name !== "stranger").map((one) => [one.name, groupName(one.name)]);
  const whom = who ?? known.find(([name]) => name === "VIP")?.[0] ?? "regular";
  const canShow = WITH_PICTURE.includes(way) && ![CAMERAS, WEEK, FULL].includes(whom) && session.now?.pictures;
  const make = async (/** @type {any} */ typed) => {
    if (Boolean(typed.begin) !== Boolean(typed.end)) {
      throw { field: typed.begin ? "end" : "begin", detail: t("unfit.valueMissing") };
    }
    return add(typed);
  };
  const add = async (/** @type {any} */ typed) => send("POST", "hooks", {
    url: null, ...(await filtersOf(whom, typed.name)), channel: await channelOf(way, typed),
    template: written(typed.template), ...(typed.camera && { cameras: [typed.camera] }),
    ...(typed.begin && { hours: `${typed.begin}-${typed.end}` }),
    pause_s: Number(typed.pause ?? 0), picture: Boolean(canShow && picture),
  });
  const done = (hook) => {
    made();
    if (hook.topic) setJoining(hook);
  };
  return html`<${Form} class="phone" send=${make} done=${done}>
    <label>${t("phone.who")}<${Select} label=${t("phone.who")} value=${whom} set=${setWho}
      options=${[...known, [STRANGERS, t("phone.strangers")], [OVERDUE, t("phone.overdue")],
        [WEEK, t("phone.week")], [PERSON, t("phone.person")],
        [CAMERAS, t("phone.cameras")], [FULL, t(`set.events.${FULL}`)]]} /></label>
    ${whom === PERSON && html`<${Field} label=${t("phone.name")} name="name" required maxlength="100" />`}
    ${!SWEPT.includes(whom) && html`<label>${t("phone.camera")}<${Select} label=${t("phone.camera")} name="camera"
      set=${() => {}}
      options=${[["", t("set.cameras.all")], ...cameras.map((camera) => [camera.id, camera.name])]} /></label>`}
    ${whom !== WEEK && html`<${Field} label=${t("phone.begin")} name="begin" type="time" />
    <${Field} label=${t("phone.end")} name="end" type="time" />`}
    ${!WITHOUT_PAUSE.includes(whom) && html`<label>${t("phone.pause")}<${Select} label=${t("phone.pause")}
      name="pause" set=${() => {}} options=${PAUSES.map((one) => [one, t(`phone.pause.${one}`)])} /></label>`}
    <label>${t("phone.way")}<${Select} label=${t("phone.way")} value=${way} set=${setWay}
      options=${Object.keys(WAYS).filter((one) => one !== "push" || canBePushed())
        .map((one) => [one, t(`way.${one}`)])} /></label>
    ${isBeforeHomeScreen() && html`<p class="soft small whole">${t("phone.home")}</p>`}
    ${WAYS[way].map((field) => html`<${Field} key=${`${way} ${field}`} label=${t(`phone.${way}.${field}`)}
      name=${field} type=${{ url: "url", token: "password" }[field] ?? "text"} autocomplete="off" maxlength="2048"
      required=${!OPTIONAL[way]?.includes(field)} />`)}
    <${Message} whom=${whom} text=${text ?? proposed(whom)} set=${setText} camera=${cameras[0]?.name} />
    ${canShow && html`<${Check} label=${t("phone.picture")} checked=${picture} set=${setPicture} />`}
    <p class="row end whole"><button class="strong">${t("phone.make")}</button></p>
  <//>${joining && html`<${Join} hook=${joining} close=${() => setJoining(null)} />`}`;
}

/** The words of a message: what it fills in stands in brackets, has a button each, and is shown by an example. */
function Message({ whom, text, set, camera }) {
  const put = (field) => ({ currentTarget }) => {
    const input = currentTarget.form.elements.template;
    input.setRangeText(inWords(field), input.selectionStart, input.selectionEnd, "end");
    set(input.value);
    input.focus();
  };
  const shop = session.now.display_name || session.now.tenant;
  const example = { who: whom === FULL ? shop : t("phone.example.who"), camera, time: clock(Date.now()), days: 12,
    guest: groupName(KINDS.includes(whom) || whom === PERSON ? "regular" : whom), inside: 40,
    state: t("camera.unwatched") };
  return html`<div class="whole"><${Field} label=${t("phone.text")} name="template" required maxlength="500"
      value=${text} onInput=${({ target }) => set(target.value)} /></div>
    <p class="row whole" role="group" aria-label=${t("phone.fields")}>
      <span class="soft small">${t("phone.fields")}</span>
      ${FIELDS[kindOf(whom)].map((field) => html`<button key=${field} type="button" class="small"
        onClick=${put(field)}>${t(`field.${field}`)}</button>`)}</p>
    ${whom !== WEEK && html`<p class="soft small whole">
      ${t("phone.example", { text: filled(written(text), example) })}</p>`}`;
}

/** The topic of an alert, which a phone joins by its camera, or by the link. */
function Join({ hook, close }) {
  return html`<${Dialog} title=${t("phone.join")} close=${close}><p>${t("phone.join.says")}</p>
    <${Qr} of=${hook} label=${t("phone.join.code")} />
    <${Copy} text=${hook.topic} label=${t("phone.join")} /><${Test} path=${`hooks/${hook.id}`} />
    <p class="row end"><button class="strong" onClick=${close}>${t("close")}</button></p><//>`;
}
