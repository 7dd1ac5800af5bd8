// What cameras show, if that has changed: a person looks, and says that it is right.
import { useEffect, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { to } from "../router.js";
import { Trouble, useLoaded } from "../shared/parts.js";
import { may, session } from "../store.js";
import { complain } from "../undo.js";
import { dayAndClock, t } from "../words.js";
import { inEnglish } from "./said.js";

/** So many are listed at once: who is done with one sees the next. */
const LISTED = 20;

/** What is wrong with a camera, in its box's English; null if a person said that it is right, and the box hears it. */
export function troubleOf({ health }) {
  return health.status.view_changed && !health.view_changed ? null : health.status.error;
}

/** Say that another box would feed a camera, and is refused; null: none is. */
export function refusalOf({ health }) {
  return health.refused_box && t("camera.refused", { box: health.refused_box });
}

/** Return a URL of a JPEG in base64; null: there is none. */
export function useJpeg(picture) {
  const [url, setUrl] = useState(null);
  useEffect(() => {
    if (!picture) return setUrl(null);
    const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
    const made = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [picture]);
  return url;
}

/** The cameras that show something else than usual, each with its pictures of two mornings. */
export function AllChanged({ cameras, told }) {
  return html`<ul class="changed">${cameras.slice(0, LISTED).map((one) => html`<li key=${one.id}>
    <h2><a href=${to(["cameras", one.id])}>${one.name}</a></h2><${Changed} one=${one} told=${told} /></li>`)}</ul>`;
}

/** What one shows, and the word that it is right. `told` is called with the camera as it is then. */
export function Changed({ one, told }) {
  const accept = () => send("POST", `cameras/${encodeURIComponent(one.id)}/view`).then(told, complain);
  return html`<div class="notice"><p>${inEnglish(troubleOf(one)) ?? t("camera.view.changed")}</p>
    ${may("operator") && session.now.pictures && html`<${Mornings} id=${one.id} />`}
    ${may("operator") && html`<p class="soft small">${t("camera.view.says")}</p>
      <button onClick=${accept}>${t("camera.view.right")}</button>`}</div>`;
}

/** What a camera showed when the shop opened, the last time and the time before. */
function Mornings({ id }) {
  const loaded = useLoaded((signal) => get(`cameras/${encodeURIComponent(id)}/view`, {}, { signal }), [id]);
  if (loaded.problem) return html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`;
  return html`<div class="mornings">${loaded.value?.views.toReversed().map((view) => html`
    <${Morning} key=${view.taken_at} view=${view} />`)}</div>`;
}

function Morning({ view }) {
  const time = dayAndClock(view.taken_at);
  const url = useJpeg(view.picture);
  return html`<figure>${url && html`<img src=${url} alt=${t("camera.view.alt", { time })} />`}
    <figcaption class="soft small">${time}</figcaption></figure>`;
}
