// Who may be the same person, and who was made part of this one.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { to } from "../router.js";
import { Merging } from "../shared/merging.js";
import { Dialog, groupName, Loading, nameOf, Portrait, Score, useLoaded } from "../shared/parts.js";
import { complain, say } from "../undo.js";
import { ago, day, dayAndClock, isoDay, t } from "../words.js";

const MOST_PAIRS = 100;

/** Who was merged into this one, in the last 30 days. */
export function Merges({ id, operator, shown }) {
  const stands = (one) => ["done", "moving"].includes(one.state);
  const read = (signal) => get("merges", { face: id }, { signal }).then((page) => page.merges.filter(stands));
  const loaded = useLoaded(read, [id]);
  if (!loaded.value?.length) return null;
  const undo = (one) => send("POST", `merges/${encodeURIComponent(one.id)}/undo`)
    .then(() => { say(t("person.unmerged")); shown(id); }, complain);
  return html`<section><header><h2>${t("person.merges")}</h2><p class="soft">${t("person.merges.says")}</p></header>
    <ul class="strip">${loaded.value.map((one) => html`<li key=${one.id}>
      <${Portrait} url=${one.other_portrait?.thumb_url} size="x" />
      <strong class="name">${nameOf({ name: one.other_name, group: "" })}</strong>
      <p class="small soft">${day(one.merged_at)}${one.joined && html`<br />${t("person.merges.joined")}`}</p>
      ${operator && html`<button class="plain small" onClick=${() => undo(one)}>${t("person.merges.undo")}</button>`}
    </li>`)}</ul></section>`;
}

/** One of who may be the same person: the picture, the score and what can be done. */
const Alike = ({ of: { face, score, match }, threshold, says, children }) => html`<li>
  <a href=${to(["person", face.id])}><${Portrait} url=${face.portrait.thumb_url} name=${face.name} size="x" />
    <strong class="name">${nameOf(face)}</strong></a>
  <p class="small soft">${says}</p><${Score} score=${score} threshold=${threshold} match=${match} />${children}</li>`;

/** The nearest others, each to be merged or told apart. */
export function Similar({ id, path, face: self, operator, shown }) {
  const [merge, setMerge] = useState(null);
  const pairOf = (face) => (one) => [one.face.id, one.other.id].includes(face);
  const loaded = useLoaded((signal) => get(`${path}/similar`, { limit: 6, listed: true }, { signal }), [path]);
  const pairs = useLoaded((signal) => get("duplicates", { limit: MOST_PAIRS }, { signal })
    .then((page) => page.duplicates.filter(pairOf(id))), [id]);
  const all = loaded.value?.faces ?? [];
  if (!all.length) return null;
  const areTwo = (pair) => send("POST", `duplicates/${encodeURIComponent(pair.id)}/done`).then(pairs.again, complain);
  const one = (each) => {
    const pair = pairs.value?.find(pairOf(each.face.id));
    return html`<${Alike} key=${each.face.id} of=${each} threshold=${loaded.value.threshold}
        says=${groupName(each.face.group)}>
      ${(each.match || pair) && html`<p class="small">${t("person.similar.maybe")}</p>`}
      ${operator && html`<button class="plain small" onClick=${() => setMerge(each.face)}>
        ${t("person.merge")}</button>`}
      ${operator && pair && html`<button class="plain quiet small" onClick=${() => areTwo(pair)}>
        ${t("twins.two")}</button>`}<//>`;
  };
  return html`<section><header><h2>${t("person.similar")}</h2><p class="soft">${t("person.similar.says")}</p></header>
    <ul class="strip">${all.map(one)}</ul>
    ${merge && html`<${Merging} faces=${[self, merge]} close=${() => setMerge(null)} done=${shown} />`}</section>`;
}

/** Who came since somebody's last visit as a stranger and is most like her; then the faces that were skipped. */
export function Missed({ path, face: self, operator, shown, close }) {
  const since = self.arrive_time;
  const [merge, setMerge] = useState(null);
  const load = (signal) => get(`${path}/similar`, { limit: 12, since, listed: true }, { signal });
  const loaded = useLoaded(load, [path, since]);
  if (merge) return html`<${Merging} faces=${[self, merge]} close=${() => setMerge(null)} done=${shown} />`;
  const all = loaded.value?.faces;
  return html`<${Dialog} title=${t("person.missed", { when: dayAndClock(since) })} close=${close} wide=${true}>
    <p class="soft">${t(all?.length === 0 ? "person.missed.none" : "person.missed.says")}</p>
    <${Loading} of=${loaded} count=${6} kind="cards" />
    <ul class="strip">${all?.map((one) => html`<${Alike} key=${one.face.id} of=${one}
      threshold=${loaded.value.threshold} says=${ago(one.face.arrive_time ?? one.face.enrolled_at)}>
      ${operator && html`<button class="plain small" onClick=${() => setMerge(one.face)}>
        ${t("person.missed.merge")}</button>`}<//>`)}</ul>
    <p><a class="link" href=${to("captures", { state: "skipped", since: isoDay(since) })}>
      ${t("person.missed.skipped")}</a></p><//>`;
}
