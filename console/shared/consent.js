// On what basis somebody is in the book: written down, changed, withdrawn.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Dialog, Ending, Trouble, useLoaded } from "./parts.js";
import { complain, say } from "../undo.js";
import { day, isoDay, t } from "../words.js";
import { addDays, begin } from "./days.js";

/** @type {import("v1").Sent<"put", "faces/{id}/consent">["basis"][]} */
const BASES = ["consent", "employment", "contract", "legal_obligation", "legitimate_interest", "public_interest",
  "vital_interest", "legal_claims"];
const MOST = 500;

/** The last day of a record, which ends behind it. */
export const until = (one) => new Date(Date.parse(one.expires_at) - 1);
export const isOver = (one) => one.expires_at !== null && Date.parse(one.expires_at) <= Date.now();

/** The record of one face. `held`: the face can not be erased; `erase`: asks whether it shall be. */
export function Consent({ id, operator, held, erase }) {
  const path = `faces/${encodeURIComponent(id)}/consent`;
  const first = ({ consents }) => consents[0] ?? null;
  const loaded = useLoaded((signal) => get("consents", { face: id }, { signal }).then(first), [id]);
  const [open, setOpen] = useState(null);
  const one = loaded.value;
  const close = () => setOpen(null);
  const withdraw = () => send("DELETE", path).then(() => { close(); loaded.set(null); say(t("saved")); }, complain);
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
      <p>${t("consent.withdraw.says")}</p>${held && html`<p>${t("erase.held")}</p>`}
      <p class="row end"><button onClick=${close}>${t("cancel")}</button>
        <button onClick=${withdraw}>${t("consent.withdraw.only")}</button>
        <button class="danger" disabled=${held} onClick=${() => { close(); erase(); }}>
          ${t("consent.withdraw.erase")}</button></p><//>`}
  </section>`;
}

function Edit({ path, one, close, done }) {
  const today = isoDay(Date.now());
  const [basis, setBasis] = useState(one?.basis ?? BASES[0]);
  const [since, setSince] = useState(one ? isoDay(one.given_at) : today);
  const [end, setEnd] = useState(one?.expires_at ? isoDay(until(one)) : "");
  const [evidence, setEvidence] = useState(one?.evidence ?? "");
  const [problem, setProblem] = useState(null);
  const submit = (event) => {
    event.preventDefault();
    const instant = (ms) => new Date(ms).toISOString();
    const last = end ? instant(begin(addDays(end, 1))) : null;
    const said = { basis, given_at: instant(begin(since)), evidence: evidence.trim(), expires_at: last };
    send("PUT", path, said).then(done, setProblem);
  };
  return html`<${Dialog} title=${t("consent")} close=${close}><form class="consent" onSubmit=${submit}>
    ${problem && html`<${Trouble} problem=${problem} />`}
    <label>${t("consent.basis")}<select value=${basis} onChange=${(event) => setBasis(event.target.value)}>
      ${BASES.map((each) => html`<option key=${each} value=${each}>
        ${t(`consent.basis.${each}`)}</option>`)}</select></label>
    <label>${t("consent.since")}<input type="date" required max=${today} value=${since}
      onInput=${(event) => setSince(event.target.value)} /></label>
    <label>${t("consent.until")}<input type="date" min=${today} value=${end}
      onInput=${(event) => setEnd(event.target.value)} /></label>
    <label>${t("consent.evidence")}<textarea rows="3" maxlength=${MOST} placeholder=${t("consent.evidence.says")}
      value=${evidence} onInput=${(event) => setEvidence(event.target.value)}></textarea></label>
    <${Ending} close=${close}>${t("save")}<//>
  </form><//>`;
}
