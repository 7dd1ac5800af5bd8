// One capture in large: its faces, who they are, why one was skipped, and what can be said of each.
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { to } from "../router.js";
import { Now, useIdentity } from "../shared/asking.js";
import { pathOf } from "../shared/correct.js";
import { cameraName, useShared } from "../shared/known.js";
import { Dialog, nameOf, Portrait, Score, Trouble, useLoaded } from "../shared/parts.js";
import { Boxes } from "../shared/pictures.js";
import { unusable } from "../shared/form.js";
import { addPhoto } from "../shared/photo.js";
import { may } from "../store.js";
import { complain, say } from "../undo.js";
import { dayAndClock, explain, onward, t } from "../words.js";
import { became, captureOf, outcomes, why } from "./named.js";

/**
 * `camera`, and `id` of the capture or the `sighting` that is meant; `known`: the capture, if it was read already.
 * `step(by)`: shows another one; `changed(patch, capture)`: a face is somebody else's now, as `useIdentity` tells it;
 * without it nothing is corrected. `again`: sends a parked capture again.
 */
export function Viewer({ camera, sighting, id = captureOf(sighting), known, step, changed, again, close, isPlace }) {
  const read = (signal) => get(`captures/${id}`, { camera }, { signal });
  const loaded = useLoaded((signal) => (known ? Promise.resolve(known) : read(signal)), [camera, id, known]);
  const cameras = useShared("cameras");
  const [chosen, setChosen] = useState(null);
  useEffect(() => setChosen(null), [id]);
  const fresh = (patch) => read().then((next) => { loaded.set(next); changed(patch, next); }, complain);
  const who = useIdentity(fresh);
  useArrows(step, who.dialog);
  const one = useLast(loaded.value);
  const at = chosen ?? Math.max(0, one?.sightings.findIndex((each) => each.id === sighting) ?? 0);
  const title = one ? `${dayAndClock(one.captured_at)} · ${cameraName(cameras.value, camera)}` : t("page.captures");
  return html`<${Dialog} title=${title} close=${close} wide=${true} isPlace=${isPlace}>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${one && html`<${Stage} one=${one} at=${at} choose=${setChosen} />
      <div class="row">${step && [["newer", "back", -1], ["older", "forward", 1]].map(([name, icon, by]) => html`
          <button class="square" aria-label=${t(`captures.${name}`)} onClick=${() => step(by)}>
            <${Icon} name=${icon} /></button>`)}
        <p class="soft"><${Became} one=${one} /></p><span class="apart"></span>
        ${again && one.state === "parked" && may("operator") && html`<button class="strong"
          onClick=${() => again([one]).then(loaded.again)}>${t("captures.again")}</button>`}</div>
      <ol class="faces-found">${one.sightings.map((each, index) => html`<${Found} key=${each.id} one=${each}
        n=${index + 1} isOpen=${index === at} who=${changed && may("operator") && who} />`)}</ol>`}
    ${who.dialog}
  <//>`;
}

/** Call `step` by the arrow keys, unless a question is open. */
function useArrows(step, isAsked) {
  const now = useRef();
  now.current = isAsked ? null : step;
  useEffect(() => {
    const keys = ({ key }) => now.current?.({ ArrowLeft: -onward(), ArrowRight: onward() }[key] ?? 0);
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);
}

/** Return the last value that was there: it stays while the next one is read. */
function useLast(value) {
  const last = useRef(value);
  last.current = value ?? last.current;
  return last.current;
}

/** The whole picture, and a numbered box around each face. */
function Stage({ one, at, choose }) {
  return html`<div class="stage"><div class="frame-of">
    ${one.url ? html`<img class="face" src=${one.url} alt=${t("captures.picture")} />`
      : html`<${Portrait} size="newest" icon="camera" />`}
    ${one.width && html`<${Boxes} faces=${one.sightings} size=${one} at=${at} choose=${choose}
      isKnown=${(each) => each.face} called=${called} />`}
  </div></div>`;
}

const called = (one) => (one.face ? nameOf(one) : t("captures.unsure"));

/** One face of the list below the picture. */
function Found({ one, n, isOpen, who }) {
  const isLinked = one.face && one.name !== null;
  const name = html`<strong class=${one.name ? "name" : ""}>${called(one)}</strong>`;
  return html`<li class=${isOpen ? "open" : ""}><div class="row-button button"><span class="n">${n}</span>
    <${Portrait} url=${one.crop_url} size="s" />
    <span class="apart">${isLinked ? html`<a href=${to(["person", one.face])}>${name}</a>` : name}
      <small class="soft">${became(one)}</small></span>
    <${Score} score=${one.score} threshold=${one.threshold} />
    ${who && isLinked && html`<${Said} one=${one} who=${who} />`}</div></li>`;
}

const added = () => say(t("captures.photo.added"));

/** What somebody can say of a face: who it is, that it is somebody else, or that this is a good photo. */
function Said({ one, who }) {
  const now = who.now(one.id);
  if (now) return html`<${Now} ...${now} />`;
  const asked = { ...one, sighting: one.id, sightings: 1 };
  return html`${one.name === "" && html`<button class="plain small"
      onClick=${() => who.ask(asked)}>${t("visits.who")}</button>`}
    ${one.name && one.crop_url && html`<button class="plain small"
      onClick=${() => addPhoto(pathOf({ id: one.face }), { sighting: one.id }, added)}>
      ${t("captures.photo")}</button>`}
    ${(one.name || one.resolution === "matched") && html`<button class="plain quiet small"
      onClick=${() => who.ask(asked, { isWrong: true })}>${t("whose.wrong")}</button>`}`;
}

/** Who is on a capture, or what became of it, and why. */
export function Became({ one }) {
  if (one.state !== "resolved") return one.reason ? explain(unusable(one.reason)) : t(`captures.state.${one.state}`);
  const { names, ...counts } = outcomes(one.sightings, called);
  const [skipped] = one.sightings;
  if (one.sightings.length === 1 && skipped.resolution === "skipped" && skipped.reason) return why(skipped.reason);
  const others = Object.entries(counts).filter(([, count]) => count)
    .map(([name, count]) => t(`captures.${name}`, { count }));
  if (!names.length && !others.length) return t("captures.noface");
  return html`${names.map((name, index) => html`${index > 0 && ", "}<span class="called">${name}</span>`)}
    ${names.length > 0 && others.length > 0 && ", "}${others.join(", ")}`;
}
