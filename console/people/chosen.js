// What can be done with all who are chosen: moved, labelled, merged, handed out, deleted; most of it can be undone.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { useKeys } from "../keys.js";
import { Merging, MOST_MERGED } from "../shared/merging.js";
import { Form } from "../shared/form.js";
import { Check, Dialog, Ending, groupName, groupOptions, Select } from "../shared/parts.js";
import { complain, say } from "../undo.js";
import { t } from "../words.js";
import { changeMany, readFaces, removeLater } from "./many.js";

const LABELS = ["a", "b", "c", "d"];
const TYPED_FROM = 100;

/** Change faces; `inverse`: of a face as it was, what makes it so again. Return how many were changed. */
async function change(ids, body, inverse, said, refresh) {
  const before = new Map();
  const look = (faces) => faces.forEach((face) => before.set(face.id, JSON.stringify(inverse(face))));
  const done = await changeMany(ids, body, { look });
  refresh();
  const undo = async () => {
    const changed = done.filter((id) => before.get(id) !== JSON.stringify(body));
    for (const [was, some] of Map.groupBy(changed, (id) => before.get(id))) await changeMany(some, JSON.parse(was));
    refresh();
  };
  if (done.length) say(said(done.length), { action: [t("undo"), undo] });
  return done.length;
}

/**
 * The bar of who is chosen. `choose`: takes a set of ids; `hides`: whether they can be hidden from lists, or else shown
 * again; `refresh`: reads the page anew; `exported`: hands out.
 */
export function Selection({ ids, chosen, choose, groups, hides, refresh, exported }) {
  const [dialog, setDialog] = useState(null);
  const count = chosen.size;
  const clear = () => choose(new Set());
  const close = () => setDialog(null);
  useKeys({
    "Ctrl+a": ["keys.all", () => (ids?.length ? choose(new Set(ids)) : false)],
    Escape: ["keys.none", () => (count ? clear() : false)],
    Delete: ["keys.delete", () => (count ? setDialog("delete") : false)],
  }, [ids, chosen]);
  if (!count) return null;
  const does = async (...how) => { close(); if (await change([...chosen], ...how, refresh)) clear(); };
  const move = (group) => does({ group }, (face) => ({ group: face.group }),
    (done) => t("people.moved", { count: done, group: groupName(group) }));
  const label = (labels) => does({ labels },
    (face) => ({ labels: Object.fromEntries(Object.keys(labels).map((one) => [one, face.labels[one]])) }),
    (done) => t("people.labelled", { count: done }));
  const hide = () => does({ hidden: hides }, (face) => ({ hidden: face.hidden }),
    (done) => t(hides ? "people.hid" : "people.shown", { count: done }));
  const remove = () => {
    close();
    removeLater([...chosen], t("people.deleted", { count }), { done: refresh });
    clear();
  };
  const merge = () => readFaces([...chosen])
    .then((faces) => setDialog(faces.sort((one, other) => other.arrive_count - one.arrive_count)), complain);
  return html`<div class="selection" role="region" aria-label=${t("people.selection")}>
      <strong>${t("people.chosen", { count })}</strong>
      <button class="plain" onClick=${clear}>${t("people.clear")}</button>
      <${Select} key=${count} label=${t("people.move")} value="" set=${move}
        options=${[["", t("people.move")], ...groupOptions(groups)]} />
      <button onClick=${() => setDialog("labels")}>${t("people.label")}</button>
      <button onClick=${hide}>${t(hides ? "person.hide" : "person.show")}</button>
      ${count > 1 && count <= MOST_MERGED && html`<button onClick=${merge}>${t("person.merge")}</button>`}
      ${exported}
      <span class="apart"></span>
      <button class="danger" onClick=${() => (count > 1 ? setDialog("delete") : remove())}>${t("delete")}</button>
    </div>
    ${dialog === "delete" && html`<${Deleting} count=${count} act=${remove} close=${close} />`}
    ${dialog === "labels" && html`<${Labelling} count=${count} act=${label} close=${close} />`}
    ${Array.isArray(dialog) && html`<${Merging} faces=${dialog} close=${close}
      done=${() => { clear(); refresh(); }} />`}`;
}

function Deleting({ count, act, close }) {
  const [typed, setTyped] = useState("");
  const isTyped = count >= TYPED_FROM;
  return html`<${Dialog} title=${t("people.delete", { count })} close=${close}>
    <p>${t("people.delete.says")}</p>
    ${isTyped && html`<label>${t("people.delete.type", { count })}<input value=${typed} inputmode="numeric"
      onInput=${({ target }) => setTyped(target.value)} /></label>`}
    <${Ending} close=${close} kind="danger" disabled=${isTyped && typed.trim() !== String(count)} onClick=${act}>
      ${t("people.delete.do", { count })}<//>
  <//>`;
}

function Labelling({ count, act, close }) {
  const [labels, setLabels] = useState({});
  const set = (name, value) => setLabels((before) => Object.fromEntries(
    Object.entries({ ...before, [name]: value }).filter(([, one]) => one !== null)));
  const row = (name) => {
    const called = t("label", { name: name.toUpperCase() });
    return html`<div key=${name} class="labelled">
      <${Check} label=${called} checked=${name in labels} set=${(isOn) => set(name, isOn ? "" : null)} />
      <input aria-label=${called} maxlength="100" value=${labels[name] ?? ""}
        onInput=${({ target }) => set(name, target.value)} /></div>`;
  };
  return html`<${Dialog} title=${t("people.label.title", { count })} close=${close}>
    <${Form} send=${async () => labels} done=${act}>
    <p class="soft">${t("people.label.says")}</p>${LABELS.map(row)}
    <${Ending} close=${close} disabled=${!Object.keys(labels).length}>${t("save")}<//>
  <//><//>`;
}
