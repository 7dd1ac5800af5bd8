// The key that all SUNMI cameras share, or all clients of iCREDIT: an admin makes a new one, and sees that it is used.
import { useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { Trouble } from "../shared/parts.js";
import { usePolled } from "../shared/polled.js";
import { Copy } from "../shared/settings.js";
import { ago, t } from "../words.js";

const EVERY_MS = 3000;

export function DialectKey({ dialect }) {
  const [listed, setListed] = usePolled("dialects", {}, EVERY_MS);
  const [made, setMade] = useState(null);
  const [wrong, setWrong] = useState(null);
  const problem = wrong ?? listed.problem;
  const used = listed.value?.dialects.find((one) => one.id === dialect)?.last_used_at;
  const appId = listed.value?.dialects.find((one) => one.id === dialect)?.app_id;
  const renew = () => send("POST", `dialects/${dialect}/key`).then((answer) => {
    setListed((before) => ({ ...before, value: { dialects: [{ ...answer, last_used_at: null }] } }));
    setMade(answer.secret);
  }, setWrong);
  return html`${problem && html`<${Trouble} problem=${problem} />`}
    ${appId && html`<${Given} name=${t("dialect.app_id")} value=${appId} />`}
    ${made ? html`<${Given} name=${t(`dialect.${dialect}`)} value=${made} /><p>${t("secret.once")}</p>
        <p role="status">${t(used ? "dialect.came" : "dialect.waits")}</p>`
      : listed.value && html`<div class="setting">
          <p class="soft small">${used ? t("dialect.used", { ago: ago(used) }) : t("dialect.unused")}</p>
          <button onClick=${renew}>${t(`dialect.${dialect}.new`)}</button></div>`}`;
}

/** A value to be typed elsewhere, with its name. */
export function Given({ name, value, rows = 1 }) {
  return html`<div class="given"><span class="label">${name}</span><${Copy} text=${value} label=${name}
    rows=${rows} /></div>`;
}
