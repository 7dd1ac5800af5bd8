// What a key or a person may do, chosen in a row.
import { html } from "../html.js";
import { t } from "../words.js";

export function Rights({ role, pictures, disabled = false, fixed = false, change }) {
  return html`<span class="row"><select aria-label=${t("keys.api.role")} disabled=${disabled || fixed} value=${role}
      onChange=${(event) => change({ role: event.target.value })}>
      ${["viewer", "operator", "admin"].map((each) => html`
        <option key=${each} value=${each}>${t(`role.${each}`)}</option>`)}
    </select>
    <label class="inline"><input type="checkbox" checked=${pictures} disabled=${disabled}
      onChange=${(event) => change({ pictures: event.target.checked })} />${t("keys.api.pictures")}</label></span>`;
}
