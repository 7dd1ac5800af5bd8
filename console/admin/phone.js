// "Tell my phone": who is told of whom, by which way, when and in which words. Each is a hook that has a way.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { to } from "../router.js";
import { look } from "../shared/combobox.js";
import { sameName } from "../shared/correct.js";
import { useShared } from "../shared/known.js";
import { Check, Field, Form, groupName, Loading, Select, useLoaded } from "../shared/parts.js";
import { session } from "../store.js";
import { complain } from "../undo.js";
import { joined, t } from "../words.js";
import { State, Test } from "./hooks.js";
import { canBePushed, pushed } from "./pushed.js";

/** The fields of each way. */
const WAYS = {
  push: [], ntfy: ["url", "token"], telegram: ["token", "to"], pushover: ["token", "to"], slack: ["url"],
  teams: ["url"], discord: ["url"], mail: ["to"], request: ["url", "token"],
};
const WITH_PICTURE = ["ntfy", "telegram", "discord", "pushover", "mail"];
const OPTIONAL = { ntfy: ["token"], request: ["token"] };
/** The fields of a template stay as they are in what is proposed. */
const NAMED = ["who", "camera", "time", "last_seen", "days", "report"];
const BLANKS = Object.fromEntries(NAMED.map((one) => [one, `{${one}}`]));
const PAUSES = [0, 600, 3600, 86_400];
const [SILENT, STRANGERS, OVERDUE, PERSON] = ["camera.silent", "stranger.created", "face.overdue", "person"];
const WEEK = "week.ended";
const KINDS = [SILENT, STRANGERS, OVERDUE, WEEK];
/** What the sweep finds, no camera. */
const SWEPT = [OVERDUE, WEEK];
/** What waits for no pause. */
const WITHOUT_PAUSE = [SILENT, ...SWEPT];

/** Return whom a rule is about, as a hook's filters say it. @returns {Promise<any>} */
async function filtersOf(who, name) {
  if (KINDS.includes(who)) return { events: [who] };
  if (who !== PERSON) return { events: ["face.arrived"], groups: [who] };
  const person = sameName(await look(name), name);
  if (!person) throw { detail: t("phone.nobody", { name }) };
  return { events: ["face.arrived"], people: [person.id] };
}

/** Return where a message goes, as it was typed; any URL gets its token as programs do. @returns {Promise<any>} */
async function channelOf(way, { url, token, to: receiver }) {
  if (way === "push") return { way, ...(await pushed()) };
  if (way === "request") return { way, url, ...(token && { headers: { Authorization: `Bearer ${token}` } }) };
  return Object.fromEntries(Object.entries({ way, url, token, to: receiver }).filter(([, one]) => one));
}

export default function Phone({ place }) {
  const loaded = useLoaded((signal) => get("hooks", {}, { signal }).then((page) =>
    page.hooks.filter((hook) => hook.way)), []);
  const remove = (one) => send("DELETE", `hooks/${one.id}`).then(loaded.again, complain);
  return html`<div class="page desk">
    <header class="top"><div><h1>${t("page.phone")}</h1><p class="soft">${t("phone.says")}</p></div></header>
    <${Rule} asked=${place.query.who} made=${loaded.again} />
    <${Loading} of=${loaded} count=${2} />
    <ul class="rows">${loaded.value?.map((one) => html`<li key=${one.id}>
      <a class="hook" href=${to(["hooks", one.id])}><strong class="ellipsis">${one.template}</strong>
        <small class="soft">${joined(t(`way.${one.way}`), one.address, one.groups?.map(groupName).join(", "),
          one.cameras?.join(", "), one.hours)}</small></a>
      <div class="row"><${State} of=${one} /><${Test} path=${`hooks/${one.id}`} />
        <button class="plain square" aria-label=${t("phone.remove")} onClick=${() => remove(one)}>
          <${Icon} name="close" size=${18} /></button></div></li>`)}</ul>
  </div>`;
}

function Rule({ asked, made }) {
  const groups = useShared("groups").value ?? [];
  const cameras = useShared("cameras").value ?? [];
  const [way, setWay] = useState(asked === WEEK ? "mail" : "ntfy");
  const [who, setWho] = useState(KINDS.includes(asked) ? asked : null);
  const [text, setText] = useState(null);
  const [picture, setPicture] = useState(false);
  const known = groups.filter((group) => group.name !== "stranger").map((one) => [one.name, groupName(one.name)]);
  const whom = who ?? known.find(([name]) => name === "VIP")?.[0] ?? "regular";
  const words = text ?? t(`phone.text.${KINDS.includes(whom) ? whom : "known"}`, BLANKS);
  const canShow = WITH_PICTURE.includes(way) && ![SILENT, WEEK].includes(whom) && session.now?.pictures;
  const make = async (/** @type {any} */ typed) => send("POST", "hooks", {
    url: null, ...(await filtersOf(whom, typed.name)), channel: await channelOf(way, typed),
    template: typed.template, ...(typed.camera && { cameras: [typed.camera] }),
    ...(typed.begin && typed.end && { hours: `${typed.begin}-${typed.end}` }),
    pause_s: Number(typed.pause ?? 0), picture: Boolean(canShow && picture),
  });
  return html`<${Form} class="phone" send=${make} done=${made}>
    <label>${t("phone.who")}<${Select} label=${t("phone.who")} value=${whom} set=${setWho}
      options=${[...known, [STRANGERS, t("phone.strangers")], [OVERDUE, t("phone.overdue")],
        [WEEK, t("phone.week")], [PERSON, t("phone.person")], [SILENT, t(`set.events.${SILENT}`)]]} /></label>
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
    ${WAYS[way].map((field) => html`<${Field} key=${`${way} ${field}`} label=${t(`phone.${way}.${field}`)} name=${field}
      type=${{ url: "url", token: "password" }[field] ?? "text"} autocomplete="off" maxlength="2048"
      required=${!OPTIONAL[way]?.includes(field)} />`)}
    <label class="whole">${t("phone.text")}<input type="text" name="template" required maxlength="500" 
      value=${words} onInput=${({ target }) => setText(target.value)} /></label>
    ${canShow && html`<${Check} label=${t("phone.picture")} checked=${picture} set=${setPicture} />`}
    <p class="row end whole"><button class="strong">${t("phone.make")}</button></p>
  <//>`;
}
