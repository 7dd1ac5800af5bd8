// An invitation that was opened: make a passkey or a password, and be signed in. A screen on the wall needs neither.
import { useEffect, useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { Field, Form } from "../shared/form.js";
import { Check } from "../shared/parts.js";
import { blur, session } from "../store.js";
import { t } from "../words.js";
import { canUse, make, sign } from "./passkeys.js";
import { Keep, useTries, Wrong } from "./ways.js";

const LEAST = 12;

/** `leave`: goes on without the invitation. */
export function Invited({ invitation, enter, leave }) {
  const [asked, setAsked] = useState(null);
  const { wrong, trying } = useTries(enter);
  const [bad, setBad] = useState(null);
  useEffect(() => {
    send("POST", "session/challenge", { invitation }).then(setAsked, (problem) => setBad({ way: "link", problem }));
  }, []);
  if (bad) return html`<${Wrong} wrong=${bad} /><button onClick=${leave}>${t("signin.others")}</button>`;
  if (!asked) return null;
  const { name, display_name: shop, role, screen, page } = asked.invited;
  const begin = (body) => send("POST", "session", { invitation, ...body });
  const own = { asked, begin, trying };
  return html`
    <h2>${screen ? t("invited.screen") : t("invited.hello", { name })}</h2>
    <p>${screen ? t("invited.screen.says", { shop, page: t(`page.${page}`) })
      : t("invited.says", { shop, role: t(`role.${role}`) })}</p>
    <${Wrong} wrong=${wrong} />
    ${screen ? html`<${Wall} ...${own} page=${page} />` : html`<${Own} ...${own} />`}`;
}

function Wall({ begin, trying, page }) {
  const [hidden, setHidden] = useState(true);
  const show = () => {
    blur.set(hidden ? "on" : "off");
    trying("link", () => begin({}));
  };
  return html`<${Check} label=${t("invited.hide")} checked=${hidden} set=${setHidden} />
    <button class="strong" onClick=${show}>${t("invited.show", { page: t(`page.${page}`) })}</button>`;
}

function Own({ asked, begin, trying }) {
  const [keep, setKeep] = useState(true);
  const has = Boolean(asked.challenge) && canUse();
  const byPasskey = () => trying("passkey", async () => begin({ passkey: await make(asked), keep }));
  const byOther = () => trying("passkey", async () => begin({ passkey: await sign(asked), keep }));
  const byPassword = ({ password }) => trying("password", () => begin({ password, keep }));
  return html`
    ${has && session.now?.member && html`
      <button class="strong" onClick=${byOther}>${t("invited.other")}</button>
      <p class="soft small">${t("invited.other.says", { shop: session.now.display_name })}</p>
      <p class="or soft small" aria-hidden="true">${t("signin.or")}</p>`}
    ${has
      ? html`<button class=${session.now?.member ? "" : "strong"} onClick=${byPasskey}>${t("invited.passkey")}</button>
        <p class="soft small">${t("invited.passkey.says")}</p>
        <p class="or soft small" aria-hidden="true">${t("signin.or")}</p>`
      : html`<p class="notice small">${t("invited.none")}</p>`}
    <${Form} send=${byPassword}>
      <input type="hidden" name="username" autocomplete="username" value=${asked.invited.name} />
      <${Field} label=${t("invited.password")} name="password" type="password" required minlength=${LEAST}
        maxlength="200" autocomplete="new-password" />
      <p class="soft small">${t("invited.password.says", { count: LEAST })}</p>
      <button class=${has ? "" : "strong"}>${t("invited.go")}</button>
    <//>
    <${Keep} keep=${keep} set=${setKeep} />`;
}
