// What somebody made that stands: before that person is removed, and after a phone or a laptop was lost.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Check, Dialog, Ending, Trouble, useLoaded } from "../shared/parts.js";
import { complain } from "../undo.js";
import { ago, joined, t, tOr } from "../words.js";

/** Kinds that the shop may work by: nobody ends them by one press for all. */
const KEPT = ["camera"];

/** @returns {Promise<any[]>} What somebody made, and by which browsers they are signed in. */
export const readMade = (one, options = {}) => get(`members/${one.id}/made`, {}, options).then((page) => page.made);

const called = ({ kind, name }) => joined(tOr(`made.${kind}`, kind), name);
const told = ({ ends, via, made_at: at }, shown = ["renewed", "own"]) => joined(
  at && t("keys.api.made", { when: ago(at) }), via && t("made.via"), shown.includes(ends) && t(`made.${ends}`));

/** Before somebody is removed: what stands, of which each ends, or stays. `remove`: is given the names of the first. */
export function Removal({ one, made, close, remove }) {
  const asked = made.filter(({ ends }) => ends === "asked");
  const all = asked.map(({ access }) => access);
  const [ending, setEnding] = useState(asked.filter(({ kind }) => !KEPT.includes(kind)).map(({ access }) => access));
  const choose = (access, isChosen) =>
    setEnding((before) => [...before.filter((each) => each !== access), ...(isChosen ? [access] : [])]);
  const submit = (event) => { event.preventDefault(); remove(ending); };
  const row = (each) => html`<li key=${each.access}><div>${each.ends === "asked"
      ? html`<${Check} label=${called(each)} checked=${ending.includes(each.access)}
        set=${(isChosen) => choose(each.access, isChosen)} />`
      : html`<span>${called(each)}</span>`}
      <p class="soft small">${told(each, ["always", "renewed", "own"])}</p></div></li>`;
  return html`<${Dialog} title=${t("members.remove", { name: one.name })} close=${close}>
    <form onSubmit=${submit}><p>${t("made.removal", { name: one.name })}</p>
      <ul class="rows">${made.filter(({ kind }) => kind !== "session").map(row)}</ul>
      <${Ending} close=${close} kind="danger" before=${asked.length > 1 && html`
        <button type="button" class="plain" onClick=${() => setEnding(all)}>${t("made.all")}</button>`}>
        ${t("made.remove")}<//></form><//>`;
}

/** What somebody made, to end one by one. */
export function Made({ one, close }) {
  const loaded = useLoaded((signal) => readMade(one, { signal }), [one.id]);
  const end = ({ access }) =>
    send("DELETE", `members/${one.id}/made/${encodeURIComponent(access)}`).then(loaded.again, complain);
  const row = (each) => html`<li key=${each.access}><div><strong>${called(each)}</strong>
      <p class="soft small">${told(each)}</p></div>
    ${["asked", "always"].includes(each.ends) && html`<button class="plain danger"
      aria-label=${t("made.end.one", { name: called(each) })} onClick=${() => end(each)}>
      ${t("made.end")}</button>`}</li>`;
  return html`<${Dialog} title=${t("made.of", { name: one.name })} close=${close}>
    <p class="soft small">${t("made.says")}</p>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${loaded.value?.length === 0 && html`<p role="status">${t("made.none")}</p>`}
    <ul class="rows">${loaded.value?.map(row)}</ul>
    <p class="row end"><button class="strong" onClick=${close}>${t("close")}</button></p><//>`;
}
