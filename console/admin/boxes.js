// The machines with the uploader: which one is heard, and what it lacks.
import { useMemo, useState } from "preact/hooks";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { Grid } from "../shared/grid.js";
import { useShared } from "../shared/known.js";
import { named, stateOf } from "../shared/needs.js";
import { markOf, rankOf } from "./states.js";
import { Field, Form } from "../shared/form.js";
import { Dialog, Loading, Trouble, useLoaded } from "../shared/parts.js";
import { useAgain } from "../shared/polled.js";
import { go, to } from "../router.js";
import { may } from "../store.js";
import { ago, number, t, tOr } from "../words.js";
import { get, send } from "../api.js";

const LOW_DISK_MIB = 1024;
const HOT_C = 80;
const FACTS = ["disk_free_mib", "clock_error_s", "temperature_c"];
const OF_ALL = {
  version: { pattern: "[0-9]{1,4}(\\.[0-9]{1,4}){2}", placeholder: "1.2.3" },
  kib_per_s: { type: "number", min: 1 },
  mib_per_month: { type: "number", min: 1 },
};

export const isLow = (told) => Number(told.disk_free_mib ?? LOW_DISK_MIB) < LOW_DISK_MIB;
export const seen = ({ last_seen_at: at }) => (at ? t("camera.seen", { ago: ago(at) }) : t("camera.never"));

/** Write a value of a heartbeat, by the unit that its name ends in. */
export function measured(name, value) {
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (typeof value !== "number") return tOr(`beat.${name}.${value}`, value);
  if (name.endsWith("_mib")) return `${number(value / 1024, 1)} GB`;
  if (name.endsWith("_s")) return `${number(value, Math.abs(value) < 10 ? 1 : 0)} s`;
  if (name.endsWith("_c")) return `${number(value)} °C`;
  return name === "battery" ? `${number(value)} %` : number(value, Number.isInteger(value) ? 0 : 2);
}

/** Return how the machine is, as the worst of its cameras: in a word, and its place in a list. */
function howIs(box, cameras) {
  const ofBox = cameras.filter((camera) => box.cameras.includes(camera.id));
  const [worst] = ofBox.toSorted((one, other) => rankOf(one) - rankOf(other));
  const bad = badOf(box, ofBox);
  return worst ? { state: stateOf(worst), rank: rankOf(worst), bad } : { state: "never_seen", rank: 2, bad };
}

const isBad = { disk_free_mib: (mib) => mib < LOW_DISK_MIB, temperature_c: (degrees) => degrees >= HOT_C,
  clock_error_s: (_, cameras) => cameras.some((one) => one.health.status.trouble === "clock") };
const badOf = (box, cameras) => FACTS.filter((name) => box[name] !== null && isBad[name](box[name], cameras));

export function Boxes() {
  const loaded = useShared("boxes");
  const cameras = useShared("cameras");
  useAgain(loaded);
  useAgain(cameras);
  const [text, setText] = useState("");
  const [isSetting, setSetting] = useState(false);
  const both = loaded.value && cameras.value;
  const whole = { value: both, waits: loaded.waits || cameras.waits, problem: loaded.problem ?? cameras.problem,
    again: () => { loaded.again(); cameras.again(); } };
  const shown = useMemo(() => both && loaded.value
    .map((one) => ({ ...one, called: one.name ?? one.id, ...howIs(one, cameras.value) }))
    .filter((one) => `${one.called} ${one.id}`.toLowerCase().includes(text.trim().toLowerCase()))
    .sort((one, other) => one.rank - other.rank
      || other.bad.length - one.bad.length || one.called.localeCompare(other.called)), [both, loaded.value, text]);
  const open = (index) => go("cameras", { box: shown[index].id });
  return html`<div class="page">
    <a class="back" href=${to("cameras")}><${Icon} name="back" size=${18} />${t("page.cameras")}</a>
    <header class="top"><div><h1>${t("boxes")}</h1>
      <p class="soft">${both ? t("boxes.count", { count: loaded.value.length }) : " "}</p></div><div class="tools">
      <button onClick=${() => setSetting(true)}>${t("fleet")}</button>
      <input type="search" class="filter" aria-label=${t("cameras.find")} placeholder=${t("cameras.find")}
        value=${text} onInput=${(event) => setText(event.target.value)} /></div></header>
    ${isSetting && html`<${Fleet} admin=${may("admin")} count=${loaded.value?.length ?? 0}
      close=${() => setSetting(false)} />`}
    <${Loading} of=${whole} count=${8} kind="cards" />
    ${shown?.length > 0 && html`<${Grid} count=${shown.length} least=${230} ratio=${0} extra=${208} many=${false}
      label=${t("boxes")} inSight=${() => {}} onKey=${(event, index) => event.key === "Enter" && open(index)}
      cell=${(index, more) => html`<${Card} key=${shown[index].id} one=${shown[index]} more=${more}
        open=${() => open(index)} />`} />`}
    ${shown?.length === 0 && html`<p class="soft">${t("boxes.none")}</p>`}
  </div>`;
}

function Card({ one, more, open }) {
  return html`<div ...${more} role="gridcell" class="card beside" onClick=${open}
    aria-label=${`${one.called}, ${named(one.state)}`}>
    <strong>${one.called}</strong>
    <p class="row"><span class=${markOf(one.state)}>${named(one.state)}</span>
      <span class="soft">${t("cameras.count", { count: one.cameras.length })}</span></p>
    <small class="soft">${seen(one)}</small>
    <dl class="facts small">${["version", ...FACTS].filter((name) => one[name] !== null).map((name) => html`
      <div key=${name}><dt>${t(`beat.${name}`)}</dt>
        <dd>${one.bad.includes(name) ? html`<b class="danger">! ${measured(name, one[name])}</b>`
          : measured(name, one[name])}</dd></div>`)}</dl>
  </div>`;
}

/** Settings of all boxes: they come to one box, half an hour later to a tenth of them, then to all. */
function Fleet({ admin, count, close }) {
  const loaded = useLoaded((signal) => get("fleet", {}, { signal }), []);
  const fleet = loaded.value;
  const change = (typed) => {
    const said = (name) => typed[name].trim();
    const { version: _, kib_per_s: __, mib_per_month: ___, ...others } = fleet.settings;
    const set = Object.keys(OF_ALL).filter(said)
      .map((name) => [name, OF_ALL[name].type ? Number(said(name)) : said(name)]);
    return send("PUT", "fleet", { settings: { ...others, ...Object.fromEntries(set) } });
  };
  return html`<${Dialog} title=${t("fleet")} close=${close}>
    <p class="soft">${t("fleet.says")}</p>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${fleet && html`<p role="status">${t(`fleet.${fleet.state}`, { count: fleet.reached.length, of: count,
        ago: ago(fleet.at), why: fleet.stopped ?? "" })}</p>
      <${Form} send=${change} done=${loaded.set}><fieldset disabled=${!admin}>${Object.keys(OF_ALL).map((name) => html`
        <${Field} key=${name} label=${t(`fleet.${name}`)} name=${name} ...${OF_ALL[name]}
          defaultValue=${fleet.settings[name] ?? ""} />`)}</fieldset>
        ${admin && html`<p class="row end"><button class="strong">${t("fleet.set")}</button></p>`}<//>`}
  <//>`;
}
