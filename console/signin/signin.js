// Sign in: with this device, with name and password, or with a key. Loaded for those who are not signed in.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { toShops } from "../router.js";
import { Dialog } from "../shared/parts.js";
import { t } from "../words.js";
import { Invited } from "./invited.js";
import { lasted } from "./lasted.js";
import { Ways } from "./ways.js";

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

/** The page. `invitation`: that of the link which led here; `problem`: why another link did not sign in. */
export function SignIn({ problem, invitation: first, enter }) {
  const [invitation, setInvitation] = useState(first);
  const open = location.protocol === "http:" && !LOCAL.includes(location.hostname);
  return html`<main class="signin"><div class="sheet">
    <h1><span class="mark" aria-hidden="true"></span>Regulars</h1>
    ${invitation
      ? html`<${Invited} invitation=${invitation} enter=${enter} leave=${() => setInvitation(null)} />`
      : html`<${Ways} problem=${problem} enter=${enter} />`}
    ${open && html`<p class="notice small">${t("signin.open")}</p>`}
  </div></main>`;
}

/** The dialog over the page of somebody whose session has ended, or is of another book (`isOther`) than the page. */
export function Over({ known, isOther, enter, close }) {
  const { unit, count } = lasted(known, Date.now());
  return html`<${Dialog} title=${t("signin.over")} close=${close}>
    ${isOther ? html`<p>${t("signin.other", { shop: known.display_name || known.tenant })}</p>
      <p><button class="strong" onClick=${() => location.assign(toShops())}>${t("signin.other.show")}</button></p>`
    : html`<p>${unit ? t(`signin.over.${unit}`, { count }) : t("signin.over.ended")}</p>`}
    <div class="ways"><${Ways} name=${known.member ? known.key : ""} enter=${enter} /></div>
  <//>`;
}
