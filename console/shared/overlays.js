// What a key opens over any page: finding somebody by the beginning of a name or by the id, and the list of keys.
import { useRef } from "preact/hooks";
import { html } from "../html.js";
import { taken, written } from "../keys.js";
import { useCombobox } from "./combobox.js";
import { Dialog } from "./parts.js";
import { go } from "../router.js";
import { ago, t } from "../words.js";

const cameOf = (face) => (face.arrive_time ? ago(face.arrive_time) : t("face.never"));
const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

export function Find({ close }) {
  const open = ({ face }) => { close(); go(["person", face.id]); };
  const options = (_, found) => (found ?? []).map((face) => ({ id: face.id, face, says: cameOf(face) }));
  const { found, field, list } = useCombobox({ id: "found", options, choose: open, close });
  return html`<${Dialog} title=${t("find")} close=${close}>
    <input ...${field} autofocus type="search" class="query" aria-label=${t("find.label")}
      placeholder=${t("find.label")} />
    ${list}
    ${found?.length === 0 && html`<p class="soft">${t("find.nobody")}</p>`}
  <//>`;
}

/** The keys that are taken now, those of one name together. */
export function Keys({ close }) {
  const rows = useRef(Object.entries(Object.groupBy(taken(), ([, name]) => name))).current;
  const parts = (keys) => [...new Set(keys.flatMap(([key]) => key.split(" ")))];
  return html`<${Dialog} title=${t("keys")} close=${close}>
    <dl class="keys">${rows.map(([name, keys]) => html`<div key=${name}>
      <dt>${parts(keys).map((one) => html`<kbd>${written(one, isMac)}</kbd>`)}</dt><dd>${t(name)}</dd></div>`)}</dl>
  <//>`;
}
