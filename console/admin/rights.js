// What a key or a person may do, chosen in a row. `blind`: it sees no pictures, whatever is chosen.
import { html } from "../html.js";
import { Check, Select } from "../shared/parts.js";
import { t } from "../words.js";

export function Rights({ role, pictures, disabled = false, fixed = false, blind = false, change }) {
  return html`<span class="row"><${Select} label=${t("keys.api.role")} disabled=${disabled || fixed} value=${role}
      set=${(one) => change({ role: one })}
      options=${["viewer", "operator", "admin"].map((one) => [one, t(`role.${one}`)])} />
    <${Check} label=${t("keys.api.pictures")} checked=${pictures && !blind} disabled=${disabled || blind}
      set=${(sees) => change({ pictures: sees })} /></span>`;
}
