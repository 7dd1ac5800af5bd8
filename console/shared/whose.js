// "Who is it?": the people who are most like a sighting, people by name, somebody new, a stranger, or nobody.
import { get } from "../api.js";
import { html } from "../html.js";
import { complain, later, say } from "../undo.js";
import { surely } from "../unsent.js";
import { t } from "../words.js";
import { look, useCombobox } from "./combobox.js";
import { given, giving, merging, naming, patches, pathOf, sameName } from "./correct.js";
import { Unlike, unlikeOf } from "./likeness.js";
import { Dialog, nameOf, Portrait, useLoaded, whose } from "./parts.js";

const MOST_LIKE = 5;

/** Load the faces most like a sighting, or like its face if the picture is gone. */
async function similar(face, sighting, signal) {
  const ask = (wanted) => get(`${pathOf(face)}/similar`, { limit: MOST_LIKE, listed: true, ...wanted }, { signal });
  const orFace = (problem) => (problem.status === 409 ? ask({}) : Promise.reject(problem));
  const found = await (sighting ? ask({ sighting }).catch(orFace) : ask({}));
  return found.faces.map((one) => ({ ...one, id: one.face.id, kind: "face", threshold: found.threshold }));
}

/**
 * Ask who a sighting is. `one`: `{ face, name, group, sighting, crop_url }`; `isWrong`: it was taken for a face that it
 * is not, so it may be a stranger's or nobody's; `names`: what is typed is a name, unless somebody in the list is
 * chosen; else it finds people. `choose`: gets `{ kind: "face", face, alike }`, `{ kind: "new", name }`,
 * `{ kind: "stranger" }` or `{ kind: "nobody" }`.
 */
export function IdentityDialog({ one, isWrong, names = false, close, choose }) {
  const load = (signal) => similar({ id: one.face }, isWrong && one.sighting, signal);
  const near = useLoaded(load, [one.face, one.sighting]);
  const done = (choice) => { close(); choose(choice); };
  const free = (name) => done({ kind: "new", name });
  const options = (text, found) => {
    if (!text) return near.value ?? [];
    if (!found) return [];
    const others = found.filter((face) => face.id !== one.face);
    return [...others.map((face) => ({ id: face.id, kind: "face", face })),
      { id: "new", kind: "new", name: text, text: t("whose.new", { name: text }) }];
  };
  const pick = (option) => (option.kind === "new" ? free(option.name)
    : done({ kind: "face", face: option.face, alike: option.alike }));
  const { text, field, list } = useCombobox({ id: "whose", options, choose: pick, free: names ? free : undefined });
  return html`<${Dialog} title=${t("visits.who")} close=${close}>
    <div class="row"><${Portrait} url=${one.crop_url} alt=${t("visits.crop")} size="x" lazy=${false} />
      <input ...${field} autofocus class="query" aria-label=${t("visits.who")} placeholder=${t("whose.type")} /></div>
    ${!text && near.value?.length > 0 && html`<p class="soft small">${t("whose.like")}</p>`}
    ${list}
    ${isWrong && !near.waits && html`<p class="row end">
      <button onClick=${() => done({ kind: "nobody" })}>${t("whose.nobody")}</button>
      <button onClick=${() => done({ kind: "stranger" })}>${t("whose.stranger")}</button></p>`}
  <//>`;
}

/**
 * Somebody of the same name is there, or somebody was chosen who is hardly alike: one person, or two? `name`: null if
 * nobody gave one.
 */
export function Twins({ one, name, face, unlike = null, close, choose }) {
  return html`<${Dialog} title=${t("whose.same")} close=${close}>
    ${name !== null && html`<p>${whose("whose.same.says", { name: face.name })}</p>`}
    ${unlike && html`<p class="notice"><${Unlike} ...${unlike} /></p>`}
    <div class="merging"><${Portrait} url=${one.crop_url} alt=${t("visits.crop")} size="x" /><span></span>
      <${Portrait} url=${face.portrait.thumb_url} name=${face.name} alt=${t("visits.portrait")} size="x" /></div>
    <p class="row end"><button autofocus=${Boolean(unlike)} onClick=${() => choose({ kind: "new", name })}>
        ${t("whose.two")}</button>
      <button class="strong" autofocus=${!unlike} onClick=${() => choose({ kind: "face", face })}>
        ${t("whose.one")}</button></p>
  <//>`;
}

export { unlikeOf };

/** Say in words what was chosen. */
export function chosen(choice) {
  if (choice.kind === "face") return whose("whose.now", { name: nameOf(choice.face) });
  return choice.kind === "new" ? whose("whose.now", { name: choice.name }) : t(`whose.now.${choice.kind}`);
}

/** Look for somebody else who has a name that is kept by now. `ask`: asks whether they are one person. */
async function meetTwin(face, { kind, name }, ask) {
  const other = kind === "new" && sameName(await look(name).catch(() => []), name, face);
  if (other) ask({ name, id: face, face: other, unlike: await unlikeOf(face, other) });
}

/**
 * Give a row's visit to who was chosen: at once, since it can be undone. What is nobody's waits for its "Undo". `ask`:
 * gets somebody who had a new name before, once that is kept.
 */
export function give(one, choice, { put, drop, changed, ask }) {
  const meant = one.sightings > 1 ? { visit: true } : { only: [one.sighting] };
  const { does, inverse } = giving({ id: one.face }, one.sighting, choice, meant);
  const text = chosen(choice);
  const act = (options) => does(surely, options).then((done) => { changed(given(done)); return done; })
    .finally(() => drop(one.sighting));
  if (choice.kind === "nobody") {
    const change = later(text, { take: () => {}, back: () => drop(one.sighting), act });
    return put(one.sighting, { text, undo: () => change.settle("undo") });
  }
  put(one.sighting, { text });
  act().then((done) => {
    if (!done.sighting.face) return complain({ status: 409, detail: done.sighting.reason });
    const undo = () => inverse(surely, done).then((back) => changed(given(back)), complain);
    say(text, { action: [t("undo"), undo] });
    return meetTwin(done.sighting.face, choice, ask);
  }, complain);
}

/** Say who somebody without a name is: at once, since it can be undone. */
export async function call(one, choice, { changed, ask = () => {} }) {
  const face = { id: one.face, name: one.name, group: one.group };
  const { does, inverse } = choice.kind === "new" ? naming(face, choice.name) : merging(face, choice.face);
  const [patch, back] = patches(choice, (row) => row.face === one.face);
  try {
    const done = await does(surely);
    changed(patch);
    const undo = () => inverse(surely, done).then(() => changed(back), complain);
    const text = choice.kind === "new" ? whose("whose.named", { name: choice.name }) : chosen(choice);
    say(text, { action: [t("undo"), undo] });
    await meetTwin(one.face, choice, ask);
  } catch (problem) {
    complain(problem);
  }
}
