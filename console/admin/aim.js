// What a camera sees now, if somebody asks its box, so that they can aim it.
import { useEffect, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Trouble, useLoaded } from "../shared/parts.js";
import { useAgain } from "../shared/polled.js";
import { complain } from "../undo.js";
import { ago, t } from "../words.js";

const SOON_MS = 2000;
const HOUR_MS = 3_600_000;

export function Aim({ path }) {
  const loaded = useLoaded((signal) => get(`${path}/still`, {}, { signal }), [path]);
  const { asked_at: asked, taken_at: taken, picture } = loaded.value ?? {};
  const [url, setUrl] = useState(null);
  useAgain(loaded, asked ? SOON_MS : HOUR_MS);
  useEffect(() => {
    if (!picture) return setUrl(null);
    const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
    const made = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [picture]);
  const ask = () => send("POST", `${path}/still`).then(loaded.set, complain);
  return html`<section><h2>${t("camera.still")}</h2>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <div class="setting"><p class="soft small">${t("camera.still.says")}</p>
      <button onClick=${ask} disabled=${Boolean(asked)}>${t("camera.still.ask")}</button></div>
    <p role="status" class="soft small">${asked ? t("camera.still.waits") : ""}</p>
    ${url && html`<figure class="still"><img src=${url} alt=${t("camera.still.alt", { ago: ago(taken) })} />
      <figcaption class="soft small">${ago(taken)}</figcaption></figure>`}</section>`;
}
