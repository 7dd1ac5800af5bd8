// What becomes of strangers: an admin chooses, and is told before how many go.
import { useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { Field, Form } from "../shared/form.js";
import { Dialog, Ending, Segments, useLoaded } from "../shared/parts.js";
import { t } from "../words.js";

const MOST_DAYS = 3650;

export function Strangers({ common }) {
  const [asks, setAsks] = useState(false);
  const { strangers, stranger_days: count } = common.value;
  return html`<section><h2>${t("strangers")}</h2>
    <p class=${strangers === "undecided" ? "notice" : "soft small"}>${t(`strangers.${strangers}.says`)}${" "}
      ${strangers === "keep" && count && t("privacy.days", { count })}</p>
    ${common.may && html`<button onClick=${() => setAsks(true)}>${t("strangers.choose")}</button>`}
    ${asks && html`<${Choice} ...${common} close=${() => setAsks(false)} />`}</section>`;
}

/** Nothing is chosen beforehand in a new shop. */
function Choice({ value, change, close }) {
  const kept = value.stranger_days === 1 ? "day" : "days";
  const [choice, setChoice] = useState({ undecided: "", forget: "forget", keep: kept }[value.strangers]);
  const [days, setDays] = useState(choice === "days" ? value.stranger_days ?? "" : "");
  const chosen = choice === "forget" ? { strangers: /** @type {const} */ ("forget") }
    : { strangers: /** @type {const} */ ("keep"), stranger_days: choice === "day" ? 1 : Number(days) };
  const isWhole = choice && (choice !== "days" || (days >= 1 && days <= MOST_DAYS));
  const load = async (signal) => isWhole && (await get("retention", chosen, { signal })).strangers;
  const { value: count, waits } = useLoaded(load, [choice, days]);
  const send = (named) => change({ ...named, ...chosen }, true);
  return html`<${Dialog} title=${t("strangers")} close=${close}><${Form} send=${send} done=${close}>
    <${Segments} label=${t("strangers")} value=${choice} set=${setChoice}
      options=${["forget", "day", "days"].map((one) => [one, t(`strangers.${one}`)])} />
    ${choice && html`<p>${t(`strangers.${choice}.says`)}</p>`}
    ${choice === "days" && html`<${Field} label=${t("strangers.days.number")} name="stranger_days" type="number"
      required min="1" max=${MOST_DAYS} value=${days} onInput=${({ target }) => setDays(target.value)} />`}
    ${["day", "days"].includes(choice) && html`<${Field} label=${t("set.basis")} name="basis" required maxlength="500"
        placeholder=${t("set.basis.none")} defaultValue=${value.basis} />
      <p class="soft small">${t("set.basis.says")}</p>
      <${Field} label=${t("strangers.by")} name="strangers_decided_by" required maxlength="100"
        defaultValue=${value.strangers_decided_by} />`}
    ${count > 0 && html`<p class="danger">${t("strangers.going", { count })}</p>`}
    <${Ending} close=${close} kind=${count ? "danger" : "strong"} disabled=${!choice || waits}>
      ${t("save")}<//><//><//>`;
}
