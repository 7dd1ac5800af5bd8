// A key or a secret: shown once, when it was made.
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { Dialog } from "../shared/parts.js";
import { t } from "../words.js";
import { Copy } from "../shared/settings.js";

/** The focus is on the secret: Enter, pressed once more than needed, must not close what is shown only now. */
export function Secret({ title, secret, children, close }) {
  const ref = useRef();
  useEffect(() => ref.current.querySelector("textarea").focus(), []);
  return html`<${Dialog} title=${title} close=${close} wide=${Boolean(children)}>
    <p>${t("secret.once")}</p>
    <div ref=${ref}><${Copy} text=${secret} label=${t("secret")} /></div>
    ${children}
    <p class="row end"><button class="strong" onClick=${close}>${t("secret.kept")}</button></p>
  <//>`;
}
