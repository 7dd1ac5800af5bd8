// Find somebody by the beginning of a name, or by the id.
import { html } from "./html.js";
import { useCombobox } from "./shared/combobox.js";
import { Dialog } from "./shared/parts.js";
import { go } from "./router.js";
import { t } from "./words.js";

export function Find({ close }) {
  const open = ({ face }) => { close(); go(["person", face.id]); };
  const options = (_, found) => (found ?? []).map((face) => ({ id: face.id, face, says: face.id }));
  const { found, field, list } = useCombobox({ id: "found", options, choose: open, close });
  return html`<${Dialog} title=${t("find")} close=${close}>
    <input ...${field} autofocus type="search" class="query" aria-label=${t("find.label")}
      placeholder=${t("find.label")} />
    ${list}
    ${found?.length === 0 && html`<p class="soft">${t("find.nobody")}</p>`}
  <//>`;
}
