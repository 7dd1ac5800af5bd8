// A key or a secret: shown once, when it was made.
import { html } from "../html.js";
import { Dialog } from "../parts.js";
import { t } from "../words.js";
import { Copy } from "./settings.js";

export function Secret({ title, secret, children, close }) {
  return html`<${Dialog} title=${title} close=${close} wide=${Boolean(children)}>
    <p>${t("secret.once")}</p>
    <${Copy} text=${secret} label=${t("secret")} />
    ${children}
    <p class="row end"><button class="strong" onClick=${close}>${t("secret.kept")}</button></p>
  <//>`;
}
