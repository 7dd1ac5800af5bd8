// The photos by which somebody is known: added from files or a webcam, made the portrait, deleted.
import { useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { useRefused } from "../shared/form.js";
import { Portrait, Trouble } from "../shared/parts.js";
import { addPhoto } from "../shared/photo.js";
import { base64, shrunk } from "../shared/pictures.js";
import { Webcam } from "../shared/webcam.js";
import { complain, later, say } from "../undo.js";
import { surely } from "../unsent.js";
import { day, explain, joined, t } from "../words.js";

const ENOUGH_PICTURES = 3;
const MOST_PICTURES = 8;
const TURNED = 20;
/** Degrees from which on a face is turned aside. */

export function Photos({ path, portrait, loaded, operator, changed }) {
  const [waits, setWaits] = useState(false);
  const [webcam, setWebcam] = useState(false);
  const [why, setWhy] = useState("");
  const { marks, says } = useRefused(why);
  const add = async (files) => {
    setWaits(true);
    setWhy("");
    const refused = (file) => (problem) => setWhy(joined(file.name, explain(problem)));
    for (const file of files) {
      await addPhoto(path, { picture: await base64(await shrunk(file)) }, changed, refused(file));
    }
    setWaits(false);
  };
  const remove = (picture) => {
    const before = loaded.value;
    later(t("person.picture.deleted"), {
      take: () => loaded.set(before.filter((one) => one !== picture)),
      back: () => loaded.set(before),
      act: (options) => send("DELETE", `${path}/pictures/${picture.id}`, undefined, options).then(changed),
    });
  };
  /** Have a picture be the portrait, null the first; `before`: which one can be again. */
  const show = (picture, before = undefined) => surely("PATCH", path, { portrait: picture }).then(() => {
    changed();
    say(t("saved"), { action: before !== undefined && [t("undo"), () => show(before)] });
  }, complain);
  const isKept = loaded.value?.some((one) => one.kept && one.id === portrait.picture);
  const choose = (picture) => show(picture.id, isKept ? portrait.picture : null);
  const count = loaded.value?.length ?? 0;
  const chosen = (event) => { const files = [...event.target.files]; event.target.value = ""; add(files); };
  return html`<section><h2>${t("person.pictures")}</h2>
    ${loaded.value && html`<p class="soft small">
      ${t(count < ENOUGH_PICTURES ? "person.pictures.more" : "person.pictures.enough")}</p>`}
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <ul class="strip">${loaded.value?.map((one) => html`<${Photo} key=${one.id} one=${one}
        isPortrait=${count > 1 && one.id === portrait.picture} choose=${operator && one.kept && choose}
        remove=${operator && count > 1 && remove} />`)}
      ${operator && count < MOST_PICTURES && html`<li><label class="drop-small" aria-busy=${waits}>
        <${Icon} name="add" size=${24} /><span>${t("person.picture.add")}</span>
        <input type="file" accept="image/*" multiple ...${marks} onChange=${chosen} disabled=${waits} /></label>
        <button class="plain small" disabled=${waits} onClick=${() => setWebcam(true)}>
          <${Icon} name="camera" size=${18} />${t("webcam")}</button></li>`}
    </ul>
    ${says}
    ${loaded.value?.some((one) => one.learnt) && html`<p class="soft small">${t("person.picture.learnt.says")}</p>`}
    ${webcam && html`<${Webcam} close=${() => setWebcam(false)}
      take=${(pairs) => add(pairs.map(([, file]) => file))} />`}</section>`;
}

function Photo({ one, isPortrait, choose, remove }) {
  const pose = one.pose && Math.abs(one.pose.yaw) > TURNED
    && t(one.pose.yaw > 0 ? "pose.right" : "pose.left");
  return html`<li><${Portrait} url=${one.thumb_url} alt=${t("person.picture", { time: day(one.added_at) })} size="x" />
    <p class="small"><span class="soft">${pose}</span>
      ${remove && html`<button class="plain square" aria-label=${t("person.picture.delete")}
        onClick=${() => remove(one)}><${Icon} name="close" size=${16} /></button>`}</p>
    ${one.learnt && html`<p class="small"><span class="tag" title=${one.learnt.camera}>
      ${t("person.picture.learnt", { day: day(one.learnt.captured_at) })}</span></p>`}
    ${isPortrait ? html`<p class="small"><span class="tag">${t("visits.portrait")}</span></p>`
      : remove && choose && html`<button class="plain small" onClick=${() => choose(one)}>
        ${t("person.picture.choose")}</button>`}</li>`;
}
