// The ways to sign in, on the page and in the dialog over it.
import { useState } from "preact/hooks";
import { Problem, send } from "../api.js";
import { html } from "../html.js";
import { Field, Form } from "../shared/form.js";
import { Check, Trouble } from "../shared/parts.js";
import { preference } from "../store.js";
import { t } from "../words.js";
import { canUse, use } from "./passkeys.js";

/** The shop that signed in last: a service may have several. */
const shop = preference("shop", [""], true);

/** Run what signs in: whether it runs, and by which way it went wrong. `problem`: that of before. */
export function useTries(enter, problem) {
  const [wrong, setWrong] = useState(problem && { way: "link", problem });
  const [waits, setWaits] = useState(false);
  const trying = async (way, act) => {
    setWaits(true);
    try {
      const begun = await act();
      shop.set(begun.tenant);
      setWaits(false);
      enter(begun);
    } catch (failed) {
      setWrong({ way, problem: failed });
      setWaits(false);
    }
  };
  return { wrong, waits, trying };
}

/** What went wrong: a key that does not fit in our words, what the browser said, or the API's sentence. */
export function Wrong({ wrong }) {
  if (!wrong) return null;
  const { way, problem } = wrong;
  const isOurs = problem instanceof Problem;
  if (isOurs && problem.code !== "WrongCredentials") return html`<${Trouble} problem=${problem} />`;
  return html`<p class="trouble" role="alert">${t(`signin.wrong.${isOurs ? way : "cancelled"}`)}</p>`;
}

export function Keep({ keep, set }) {
  return html`<${Check} label=${t("signin.keep")} checked=${keep} set=${set} />`;
}

export function Ways({ problem: first, name = "", enter }) {
  const { wrong, waits, trying } = useTries(enter, first);
  const [keep, setKeep] = useState(false);
  const [byKey, setByKey] = useState(false);
  const begin = (body) => send("POST", "session", { ...body, keep });
  const several = wrong?.way === "password" && wrong.problem.code === "InvalidInput";
  return html`
    <${Wrong} wrong=${several ? null : wrong} />
    ${canUse() && html`<button class="strong" disabled=${waits} onClick=${() => trying("passkey",
        async () => begin({ passkey: await use() }))}>${t("signin.device")}</button>
      <p class="or soft small" aria-hidden="true">${t("signin.or")}</p>`}
    <${ByPassword} name=${name} waits=${waits} several=${several}
      begin=${(body) => trying("password", () => begin(body))} />
    <${Keep} keep=${keep} set=${setKeep} />
    ${byKey
      ? html`<${ByKey} waits=${waits} begin=${(api_key) => trying("key", () => begin({ api_key }))} />`
      : html`<button class="plain" onClick=${() => setByKey(true)}>${t("signin.bykey")}</button>`}
    <p class="soft small">${t("signin.where")}</p>`;
}

/** A shop is asked for once the service says that it has several. */
function ByPassword({ name, waits, several, begin }) {
  const sign = ({ name, password, tenant }) => begin({ name, password, tenant: tenant || shop.now || undefined });
  return html`<${Form} send=${sign}>
    ${several && html`<p role="alert">${t("signin.shop.which")}</p>
      <${Field} label=${t("signin.shop")} name="tenant" required maxlength="40" autofocus />`}
    <${Field} label=${t("signin.name")} name="name" defaultValue=${name} required maxlength="100" autofocus
      autocomplete="username" />
    <${Field} label=${t("signin.password")} name="password" type="password" required maxlength="200"
      autocomplete="current-password" />
    <button class=${canUse() ? "" : "strong"} disabled=${waits}>${t("signin")}</button>
  <//>`;
}

function ByKey({ waits, begin }) {
  return html`<${Form} send=${({ key }) => begin(key.trim())}>
    <${Field} label=${t("signin.key")} name="key" type="password" autocomplete="off" required maxlength="100"
      placeholder="rk_…" autofocus spellcheck="false" />
    <button disabled=${waits}>${t("signin.withkey")}</button>
  <//>`;
}
