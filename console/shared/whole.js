// The choice whom a right takes, the face that is shown or all faces of its face set, and the question why.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Field, Form } from "./form.js";
import { Check, Dialog, Ending, nameOf, Portrait, Trouble, useLoaded } from "./parts.js";
import { t } from "../words.js";

const LONGEST_REASON = 500;

/** Find the faces of the person at `path`, and those that are shown. `isOne`: a named face set makes them one. */
export async function found(path, signal) {
  const { faces, others } = await get(`${path}/hold`, {}, { signal });
  const ids = [...faces, ...others];
  const shown = ids.length > 1 ? (await get("faces", { ids: ids.slice(0, 100) }, { signal })).faces : [];
  return { ids, isOne: others.length === 0, shown };
}

/** What was found, with its choice, and which it is. `ready`: nothing is done before. */
export function useWhole(path) {
  const loaded = useLoaded((signal) => found(path, signal), [path]);
  const [choice, choose] = useState(null);
  const all = loaded.value;
  const whole = choice ?? all?.isOne ?? false;
  const faceOf = (id) => all.shown.find((face) => face.id === id);
  const shown = html`${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${all?.ids.length > 1 && html`<p>${t("whole.found", { count: all.ids.length })}</p>
      <ul class="rows found">${all.ids.map((id) => html`<li key=${id}>
        <${Portrait} url=${faceOf(id)?.portrait.url} name=${faceOf(id)?.name} size="s" />
        <span class="name">${faceOf(id) ? nameOf(faceOf(id)) : ""}</span><small class="soft">${id}</small></li>`)}</ul>
      <${Check} label=${t("whole.all")} checked=${whole} set=${choose} />`}`;
  return { ready: Boolean(all), whole, ids: whole ? all.ids : all?.ids.slice(0, 1), shown };
}

/** Ask why, and for whom; then send `body` to the face's hold or restriction. `done`: is given the answer. */
export function Marking({ path, kind, body, title, close, done }) {
  const { ready, whole, shown } = useWhole(path);
  const change = ({ reason }) => send("PUT", `${path}/${kind}`, { ...body, reason, whole });
  return html`<${Dialog} title=${title} close=${close}><${Form} send=${change} done=${done}>${shown}
    <${Field} label=${t("hold.reason")} name="reason" autofocus required maxlength=${LONGEST_REASON} />
    <${Ending} close=${close} disabled=${!ready}>${title}<//><//><//>`;
}
