// Settings of all boxes: they come to one box, half an hour later to a tenth of them, then to all.
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Dialog, Field, Form, Trouble, useLoaded } from "../shared/parts.js";
import { ago, t } from "../words.js";

const FIELDS = {
  version: { pattern: "[0-9]{1,4}(\\.[0-9]{1,4}){2}", placeholder: "1.2.3" },
  kib_per_s: { type: "number", min: 1 },
  mib_per_month: { type: "number", min: 1 },
};

export function Fleet({ admin, count, close }) {
  const loaded = useLoaded((signal) => get("fleet", {}, { signal }), []);
  const fleet = loaded.value;
  const change = (typed) => {
    const said = (name) => typed[name].trim();
    const { version: _, kib_per_s: __, mib_per_month: ___, ...others } = fleet.settings;
    const set = Object.keys(FIELDS).filter(said)
      .map((name) => [name, FIELDS[name].type ? Number(said(name)) : said(name)]);
    return send("PUT", "fleet", { settings: { ...others, ...Object.fromEntries(set) } });
  };
  return html`<${Dialog} title=${t("fleet")} close=${close}>
    <p class="soft">${t("fleet.says")}</p>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${fleet && html`<p role="status">${t(`fleet.${fleet.state}`, { count: fleet.reached.length, of: count,
        ago: ago(fleet.at), why: fleet.stopped ?? "" })}</p>
      <${Form} send=${change} done=${loaded.set}><fieldset disabled=${!admin}>${Object.keys(FIELDS).map((name) => html`
        <${Field} key=${name} label=${t(`fleet.${name}`)} name=${name} ...${FIELDS[name]}
          defaultValue=${fleet.settings[name] ?? ""} />`)}</fieldset>
        ${admin && html`<p class="row end"><button class="strong">${t("fleet.set")}</button></p>`}<//>`}
  <//>`;
}
