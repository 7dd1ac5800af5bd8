// What becomes of strangers. The basis on which they are kept is asked here, and set with the notice.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { Dialog } from "../shared/parts.js";
import { t } from "../words.js";

export function Strangers({ common }) {
  const [asks, setAsks] = useState(false);
  const { value, change, may } = common;
  const keeps = value.strangers === "keep";
  const turn = () => { setAsks(false); change({ strangers: keeps ? "forget" : "keep" }).catch(() => {}); };
  const name = t(keeps ? "strangers.forget" : "strangers.keep");
  return html`<section><h2>${t("strangers")}</h2>
    ${keeps && !value.basis && html`<p class="notice">${t("strangers.asked")}</p>`}
    <p class="soft small">${t(keeps ? "strangers.kept" : "strangers.forgotten")}</p>
    ${may && html`<button onClick=${() => setAsks(true)}>${name}</button>`}
    ${asks && html`<${Dialog} title=${name} close=${() => setAsks(false)}>
      <p>${t(keeps ? "strangers.forget.says" : "strangers.keep.says")}</p>
      <p class="row end"><button onClick=${() => setAsks(false)}>${t("cancel")}</button>
        <button class=${keeps ? "danger" : ""} onClick=${turn}>${name}</button></p><//>`}</section>`;
}
