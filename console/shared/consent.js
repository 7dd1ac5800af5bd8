// On what basis somebody is in the book: written down, changed, withdrawn.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { go } from "../router.js";
import { Field, Form } from "./form.js";
import { Dialog, Ending, Trouble, useLoaded } from "./parts.js";
import { complain, say } from "../undo.js";
import { day, isoDay, t } from "../words.js";
import { addDays, begin } from "./days.js";
import { givenOn, isOver, sinceOf, until } from "./record.js";

/** @type {import("v1").Sent<"put", "faces/{id}/consent">["basis"][]} */
const BASES = ["consent", "employment", "vital_interest", "legal_claims", "public_interest"];
const MOST = 500;

/** The record of one face. `held`: the face can not be erased; `erase`: asks whether it shall be. */
export function Consent({ id, operator, held, erase }) {
  const path = `faces/${encodeURIComponent(id)}/consent`;
  const first = ({ consents }) => consents[0] ?? null;
  const loaded = useLoaded((signal) => get("consents", { face: id }, { signal }).then(first), [id]);
  const [open, setOpen] = useState(null);
  const one = loaded.value;
  const close = () => setOpen(null);
  const withdraw = (wish) => send("DELETE", `${path}${wish}`)
    .then(() => { close(); say(t("consent.withdrawn")); go("privacy"); }, complain);
  if (one === undefined) {
    return loaded.problem ? html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />` : null;
  }
  return html`<section><h2>${t("consent")}</h2>
    ${one ? html`<dl class="facts">
        <div><dt>${t("consent.basis")}</dt><dd>${t(`consent.basis.${one.basis}`)}</dd></div>
        <div><dt>${t("consent.since")}</dt><dd>${day(one.given_at)}</dd></div>
        <div><dt>${t("consent.until")}</dt><dd class=${isOver(one) ? "danger" : ""}>
          ${one.expires_at ? day(until(one)) : t("consent.endless")}</dd></div>
        ${one.evidence && html`<div><dt>${t("consent.evidence")}</dt><dd class="name">${one.evidence}</dd></div>`}
      </dl>` : html`<p class="soft">${t("consent.none")}</p>`}
    ${operator && html`<p class="row"><button onClick=${() => setOpen("edit")}>
      ${t(one ? "consent.change" : "consent.write")}</button>
      ${one && html`<button class="plain danger" onClick=${() => setOpen("withdraw")}>
        ${t("consent.withdraw")}</button>`}</p>`}
    ${open === "edit" && html`<${Edit} path=${path} one=${one} close=${close}
      done=${(next) => { close(); loaded.set(next); say(t("saved")); }} />`}
    ${open === "withdraw" && html`<${Dialog} title=${t("consent.withdraw")} close=${close}>
      <${Withdrawal} held=${held} close=${close} withdraw=${withdraw} erase=${() => { close(); erase(); }} /><//>`}
  </section>`;
}

/** What becomes of somebody who withdraws, with its days; and the wish to be remembered, with ground and evidence. */
function Withdrawal({ held, close, withdraw, erase }) {
  const { value } = useLoaded((signal) => get("settings", {}, { signal }), []);
  const [wish, setWish] = useState(null);
  if (!value) return null;
  const days = value.ended_days || (value.expired_consent_erases ? 0 : 14);
  const says = t("consent.remember.says", { days, end: Math.max(value.remembered_days, days) });
  const set = (name) => (event) => setWish({ ...wish, [name]: event.currentTarget.value });
  const query = wish ? `?${new URLSearchParams(wish)}` : "";
  const becomes = value.expired_consent_erases ? t("consent.withdraw.says", { days }) : says;
  const after = value.strangers === "keep" ? "keep" : "forget";
  return html`<p>${becomes} ${t("consent.withdraw.misses")}</p><p>${t(`consent.withdraw.after.${after}`)}</p>
    ${held && html`<p>${t("erase.held")}</p>`}
    <label class="row"><input type="checkbox" checked=${!!wish}
      onChange=${() => setWish(wish ? null : { remember_basis: BASES[0], remember_evidence: "" })} />
      ${t("consent.remember")}</label>
    ${wish && html`<p class="soft small">${says}</p>
      <label>${t("consent.basis")}<select onChange=${set("remember_basis")}>${BASES.map((each) => html`
        <option key=${each} value=${each}>${t(`consent.basis.${each}`)}</option>`)}</select></label>
      <label>${t("consent.remember.evidence")}<textarea rows="2" maxlength=${MOST}
        onInput=${set("remember_evidence")}></textarea></label>`}
    <p class="row end"><button onClick=${close}>${t("cancel")}</button>
      <button disabled=${wish && !wish.remember_evidence.trim()} onClick=${() => withdraw(query)}>
        ${t("consent.withdraw.only")}</button>
      <button class="danger" disabled=${held || !!wish} onClick=${erase}>${t("consent.withdraw.erase")}</button></p>`;
}

function Edit({ path, one, close, done }) {
  const today = isoDay(Date.now());
  const written = ({ basis, given_at: since, expires_at: end, evidence }) => {
    const instant = (ms) => new Date(ms).toISOString();
    const last = end ? instant(begin(addDays(end, 1))) : null;
    const given = instant(givenOn(since, one));
    return send("PUT", path, { basis, given_at: given, evidence: evidence.trim(), expires_at: last });
  };
  return html`<${Dialog} title=${t("consent")} close=${close}><${Form} class="consent" send=${written} done=${done}>
    <label>${t("consent.basis")}<select name="basis">${BASES.map((each) => html`<option key=${each} value=${each}
      selected=${each === (one?.basis ?? BASES[0])}>${t(`consent.basis.${each}`)}</option>`)}</select></label>
    <${Field} label=${t("consent.since")} name="given_at" type="date" required min="1900-01-01" max=${today}
      defaultValue=${sinceOf(one)} />
    <${Field} label=${t("consent.until")} name="expires_at" type="date" min=${today} max="2999-12-31"
      defaultValue=${one?.expires_at ? isoDay(until(one)) : ""} />
    <${Field} as="textarea" label=${t("consent.evidence")} name="evidence" rows="3" maxlength=${MOST}
      placeholder=${t("consent.evidence.says")} defaultValue=${one?.evidence ?? ""} />
    <${Ending} close=${close}>${t("save")}<//><//><//>`;
}
