// Settings of all boxes: they come to one box, half an hour later to a tenth of them, then to all.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Dialog, Trouble, useLoaded } from "../shared/parts.js";
import { ago, t } from "../words.js";

const FIELDS = {
  version: { pattern: "[0-9]{1,4}(\\.[0-9]{1,4}){2}", placeholder: "1.2.3" },
  kib_per_s: { type: "number", min: 1 },
  mib_per_month: { type: "number", min: 1 },
};

export function Fleet({ admin, count, close }) {
  const loaded = useLoaded((signal) => get("fleet", {}, { signal }), []);
  const [problem, setProblem] = useState(null);
  const fleet = loaded.value;
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const said = (name) => String(form.get(name)).trim();
    const { version: _, kib_per_s: __, mib_per_month: ___, ...others } = fleet.settings;
    const set = Object.keys(FIELDS).filter(said)
      .map((name) => [name, FIELDS[name].type ? Number(said(name)) : said(name)]);
    send("PUT", "fleet", { settings: { ...others, ...Object.fromEntries(set) } })
      .then((next) => { loaded.set(next); setProblem(null); }, setProblem);
  };
  return html`<${Dialog} title=${t("fleet")} close=${close}>
    <p class="soft">${t("fleet.says")}</p>
    ${(problem ?? loaded.problem) && html`<${Trouble} problem=${problem ?? loaded.problem} again=${loaded.again} />`}
    ${fleet && html`<p role="status">${t(`fleet.${fleet.state}`, { count: fleet.reached.length, of: count,
        ago: ago(fleet.at), why: fleet.stopped ?? "" })}</p>
      <form onSubmit=${submit}><fieldset disabled=${!admin}>${Object.keys(FIELDS).map((name) => html`
        <label key=${name}>${t(`fleet.${name}`)}<input name=${name} ...${FIELDS[name]}
          defaultValue=${fleet.settings[name] ?? ""} /></label>`)}</fieldset>
        ${admin && html`<p class="row end"><button class="strong">${t("fleet.set")}</button></p>`}</form>`}
  <//>`;
}
