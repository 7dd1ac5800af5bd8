// A key or a secret: shown once, when it was made.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { Dialog } from "../shared/parts.js";
import { t } from "../words.js";
import { Copy } from "../shared/settings.js";

/**
 * The focus is on the secret: Enter, pressed once more than needed, must not close what is shown only now. Until it was
 * copied, nor do Escape and a click beside it.
 */
export function Secret({ title, secret, children, close }) {
  const ref = useRef();
  const [copied, setCopied] = useState(false);
  const [held, setHeld] = useState(false);
  useEffect(() => ref.current.querySelector("textarea").focus(), []);
  return html`<${Dialog} title=${title} close=${copied ? close : () => setHeld(true)} wide=${Boolean(children)}>
    <p>${t("secret.once")}</p>
    <div ref=${ref}><${Copy} text=${secret} label=${t("secret")} copied=${() => setCopied(true)} /></div>
    ${held && !copied && html`<p class="notice" role="alert">${t("secret.held")}</p>`}
    ${children}
    <p class="row end"><button class="strong" onClick=${close}>${t("secret.kept")}</button></p>
  <//>`;
}
