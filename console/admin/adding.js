// Adding a camera: its kind, its name and place, and what is typed into it. Its page then waits for the first picture.
import { useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { go } from "../router.js";
import { Check, Dialog, Field, Form } from "../shared/parts.js";
import { t } from "../words.js";
import { Connect, Tiles } from "./connect.js";
import { KINDS } from "./kinds.js";
import { Secret } from "./secret.js";

export function New({ close }) {
  const [kind, setKind] = useState("");
  const [made, setMade] = useState(null);
  const leave = () => { close(); go(["cameras", made.id]); };
  if (made && KINDS[kind].by === "edge") {
    return html`<${Dialog} key="made" title=${made.name} close=${leave} wide>
      <${Connect} kind=${kind} id=${made.id} secret=${made.api_key} />
      <p class="row end"><button class="strong" onClick=${leave}>${t("connect.done")}</button></p><//>`;
  }
  if (made) {
    return html`<${Secret} key="made" title=${t("camera.key", { name: made.name })} secret=${made.api_key}
      close=${leave}><${Connect} kind=${kind} id=${made.id} secret=${made.api_key} /><//>`;
  }
  const isNone = kind && KINDS[kind].by === "none";
  return html`<${Dialog} key=${`new ${kind}`} title=${kind ? t(`kind.${kind}`) : t("cameras.new")} close=${close} wide>
    ${!kind ? html`<p>${t("kind.says")}</p><${Tiles} choose=${setKind} />`
      : isNone ? html`<${Connect} kind=${kind} />
          <p class="row end"><button class="strong" onClick=${close}>${t("connect.done")}</button></p>`
        : html`<${Named} made=${setMade} back=${() => setKind("")} />`}
  <//>`;
}

function Named({ made, back }) {
  const [keeps, setKeeps] = useState(true);
  const make = ({ name, place }) => send("POST", "cameras",
    { name: name.trim(), labels: place.trim() ? { a: place.trim() } : {}, keeps_strangers: keeps });
  return html`<${Form} send=${make} done=${made}>
    <${Field} label=${t("camera.name")} name="name" autofocus required maxlength="100"
      placeholder=${t("camera.name.hint")} />
    <${Field} label=${t("camera.place")} name="place" maxlength="100" />
    <${Check} label=${t("set.keeps_strangers")} checked=${keeps} set=${setKeeps} />
    <p class="soft small">${t("set.keeps_strangers.says")}</p>
    <p class="row end"><button type="button" onClick=${back}>${t("kind.back")}</button>
      <button class="strong">${t("cameras.make")}</button></p>
  <//>`;
}
