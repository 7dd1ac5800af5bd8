// Times whose counts of a camera are wrong: they are taken back here, and count again if somebody wants that.
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Field, Form } from "../shared/form.js";
import { Trouble, useLoaded } from "../shared/parts.js";
import { stamp } from "../shared/tables.js";
import { complain } from "../undo.js";
import { dayAndClock, t } from "../words.js";
import { minuteAt } from "./minutes.js";

const MINUTE_MS = 60_000;

/** `camera`: its id; `counts`: whether it has a line. Nothing is shown of one that has none and never took back. */
export function Voids({ camera, counts }) {
  const loaded = useLoaded((signal) => get("voids", {}, { signal }), [camera]);
  const voids = loaded.value?.voids.filter((one) => one.camera === camera) ?? [];
  if (!counts && !voids.length) return null;
  const remove = (what, time) => send("DELETE",
    `cameras/${encodeURIComponent(camera)}/${what}?${new URLSearchParams(time)}`).then(loaded.set);
  const takeBack = ({ from, to }) => remove("counts", { from: minuteAt(from), to: minuteAt(to) });
  const latest = stamp(Date.now() + MINUTE_MS).replace(" ", "T");
  const time = { type: "datetime-local", required: true, min: "2000-01-01T00:00", max: latest };
  return html`<section><h2>${t("camera.voids")}</h2>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <p class="soft small">${t("camera.voids.says")}</p>
    <${Form} class="row" send=${takeBack}>
      <${Field} label=${t("camera.voids.from")} name="from" ...${time} />
      <${Field} label=${t("camera.voids.to")} name="to" ...${time} />
      <button>${t("camera.voids.do")}</button><//>
    ${voids.map(({ from, to }) => html`<div key=${from} class="setting">
      <p>${dayAndClock(from)} – ${dayAndClock(to)}</p>
      <button onClick=${() => remove("voids", { from, to }).catch(complain)}>${t("camera.voids.again")}</button>
    </div>`)}</section>`;
}
