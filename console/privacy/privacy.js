// Privacy: what is stored and for how long, consents that end, the notice to print, pictures off, the key that signs.
import { useState } from "preact/hooks";
import { get, readSession } from "../api.js";
import { html } from "../html.js";
import { useShared } from "../shared/known.js";
import { Blanks, Erasing, Erasure } from "../shared/erase.js";
import { Marking } from "../shared/whole.js";
import { save } from "../shared/saved.js";
import { changer, Copy, Settings as Fields } from "../shared/settings.js";
import { isOver, until } from "../shared/record.js";
import { firstLanguage, OfPaper } from "../shared/languages.js";
import { groupName, Loading, nameOf, Segments, Trouble, useLoaded } from "../shared/parts.js";
import { to } from "../router.js";
import { may } from "../store.js";
import { dressed } from "../styled.js";
import { Strangers } from "./strangers.js";
import { ago, day, dayAndClock, directionOf, loadMore, number, t } from "../words.js";

await Promise.all([dressed("admin"), loadMore("people")]);

const SOON_MS = 60 * 86_400_000;
const ASKED = {
  consent_required: { kind: "switch" },
  expired_consent_erases: { kind: "switch" },
  ended_days: { kind: "number", min: 0, max: 1095, unit: "unit.days" },
  remembered_days: { kind: "number", min: 1, max: 1095, unit: "unit.days" },
};
const ERASED = { deletes_erase: { kind: "switch" } };
const OURS = {
  controller: { kind: "text", max: 200, none: "set.controller.none" },
  contact: { kind: "text", max: 200, none: "set.contact.none" },
  purposes: { kind: "text", max: 500, none: "set.purposes.none" },
  basis: { kind: "text", max: 500, none: "set.basis.none" },
  officer: { kind: "text", max: 200, none: "set.officer.none" },
  authority: { kind: "text", max: 200, none: "set.authority.none" },
  recipients: { kind: "text", max: 500, none: "set.recipients.none" },
  transfers: { kind: "text", max: 500, none: "set.transfers.none" },
  notice_url: { kind: "url", max: 200, none: "set.notice_url.none" },
};
const kept = (name, min, max) => ({ kind: "number", min, max, unit: "unit.days", none: `set.${name}.none` });
const DAYS = {
  capture_days: kept("capture_days", 1, 36500),
  sighting_days: kept("sighting_days", 1, 120),
  regular_days: kept("regular_days", 1, 3650),
  observation_days: kept("observation_days", 150, 3650),
};

export default function Privacy() {
  const loaded = useLoaded((signal) => get("settings", {}, { signal }), []);
  const groups = useShared("groups");
  const admin = may("admin");
  const shown = (next) => {
    loaded.set(next);
    readSession();
  };
  const common = { value: loaded.value, change: changer("settings", { ...loaded, set: shown }), may: admin };
  const pairs = groups.value?.map((group) => [group.name, group.name]);
  const pictures = {
    keeps_pictures: { kind: "switch" },
    ...(loaded.value?.keeps_pictures && pairs ? { no_pictures_of: { kind: "many", pairs, empty: [] } } : {}),
  };
  return html`<div class="page desk privacy">
    <header class="top"><h1>${t("page.privacy")}</h1></header>
    <${Loading} of=${loaded} count=${4} />
    ${loaded.value && html`
      ${!admin && html`<p class="soft">${t("set.admin")}</p>`}
      <${Gap} common=${common} />
      <${Stored} common=${common} />
      <${Strangers} common=${common} />
      <section><h2>${t("consent")}</h2><${Ending} /><${Fields} fields=${ASKED} ...${common} /></section>
      <${Notice} settings=${loaded.value} change=${admin && common.change}><${Fields} fields=${OURS} ...${common} /><//>
      <section><h2>${t("privacy.pictures")}</h2><${Fields} fields=${pictures} ...${common} /></section>`}
    ${may("operator") && html`<${Erasures}>${loaded.value && html`<${Fields} fields=${ERASED} ...${common} />`}<//>`}
    ${may("operator") && html`<${Restricted} />`}<${Signed} />
  </div>`;
}

/** What a restore does not know, until somebody has checked it. */
function Gap({ common }) {
  const [since, until] = (common.value.restore_gap ?? "").split("/");
  return until ? html`<p class="notice">${t("privacy.gap", { since: dayAndClock(since), until: dayAndClock(until) })}
    ${common.may && html` <button onClick=${() => common.change({ restore_gap: "" }).catch(() => {})}>
      ${t("privacy.gap.checked")}</button>`}</p>` : null;
}

/** What is stored, and for how long: what is fixed, then what can be set. */
function Stored({ common }) {
  const { keeps_pictures: keeps, captures_kept_days: count, audit_days: audit } = common.value;
  const rows = [["templates", t("privacy.templates.says")],
    ["captures", keeps ? t("privacy.days", { count }) : t("privacy.unpictured")],
    ["audit", audit === null ? t("privacy.audit.none") : t("privacy.days", { count: audit })]];
  return html`<section><h2>${t("privacy.kept")}</h2><p class="soft small">${t("privacy.kept.says")}</p>
    <dl class="facts">${rows.map(([name, text]) => html`<div key=${name}><dt>${t(`privacy.${name}`)}</dt>
      <dd>${text}</dd></div>`)}</dl>
    <${Retention} operator=${may("operator")} ...${common} /></section>`;
}

/** Records that end soon, or have. */
function Ending() {
  const soon = new Date(Date.now() + SOON_MS).toISOString();
  const loaded = useLoaded((signal) => get("consents", { expires_before: soon, limit: 100 }, { signal }), []);
  const { value } = loaded;
  if (!value) return loaded.problem ? html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />` : null;
  if (!value.consents.length) return html`<p class="soft">${t("privacy.ending.none")}</p>`;
  return html`<p class="soft small">${t("privacy.ending")}</p><ul class="rows">
    ${value.consents.map((one) => html`<li key=${one.face}>
      <div><a class="title name" href=${to(["person", one.face])}>${nameOf({ name: one.name, group: "" })}</a>
        <small class="soft">${t(`consent.basis.${one.basis}`)}</small></div>
      <span class=${isOver(one) ? "danger" : ""}>
        ${isOver(one) ? t("privacy.over", { when: ago(one.expires_at) }) : t("privacy.until", { day: day(until(one)) })}
      </span></li>`)}</ul>
    ${value.next_token && html`<p class="soft small">
      ${t("privacy.ending.more", { count: value.consents.length })}</p>`}`;
}

/** The notice: the sheet for the door or the whole, as it would be printed. `change`: null for who may set nothing. */
function Notice({ settings, change, children }) {
  const [wanted, setWanted] = useState(firstLanguage());
  const [layer, setLayer] = useState(/** @type {"sheet" | "whole"} */ ("sheet"));
  const loaded = useLoaded((signal) => get("notice", { language: wanted, layer }, { signal }),
    [wanted, layer, settings]);
  const sheet = loaded.value;
  const file = () => save([sheet.html], "text/html", `notice-${layer}-${sheet.language}.html`);
  return html`<section><h2>${t("privacy.notice")}</h2><p class="soft small">${t("privacy.notice.says")}</p>
    ${children}
    <${Proposed} notice=${sheet} said=${settings.recipients} change=${change} />
    <div class="row"><${Segments} label=${t("privacy.layer")} value=${layer} set=${setLayer}
        options=${["sheet", "whole"].map((one) => [one, t(`privacy.layer.${one}`)])} />
      <${OfPaper} value=${wanted} set=${setWanted} />
      <button class="strong" disabled=${!sheet} onClick=${() => print()}>${t("privacy.notice.print")}</button>
      <button disabled=${!sheet} onClick=${file}>${t("privacy.notice.save")}</button></div>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <${Blanks} missing=${sheet?.missing ?? []} />
    ${layer === "sheet" && sheet && !sheet.qr_path && html`<p class="soft small">${t("privacy.notice.code.none")}</p>`}
    ${sheet && html`<article class="sheet-of-paper" lang=${sheet.language} dir=${directionOf(sheet.language)}>
      ${sheet.qr_path && html`<svg class="qr" viewBox=${`0 0 ${sheet.qr_size} ${sheet.qr_size}`} role="img"
        aria-label=${settings.notice_url}><path d=${sheet.qr_path} /></svg>`}<h3>${sheet.title}</h3>
      ${sheet.sections.map((one) => html`<div key=${one.heading}><h4>${one.heading}</h4>
        <ul>${one.lines.map((line) => html`<li key=${line}>${line}</li>`)}</ul></div>`)}</article>`}
  </section>`;
}

/** Whom hooks and MQTT tell, to take over as the recipients that the notice names. */
function Proposed({ notice, said, change }) {
  const known = notice?.recipients.join(", ");
  if (!change || !known || !["", "-"].includes(said)) return null;
  const take = () => change({ recipients: known }).catch(() => {});
  return html`<p class="row"><span class="soft small">${t("privacy.told", { names: known })}</span>
    <button onClick=${take}>${t("privacy.told.take")}</button></p>`;
}

/** The last erasures, with their receipts. `children`: what is set about them. */
function Erasures({ children }) {
  const loaded = useLoaded((signal) => get("erasures", { limit: 20 }, { signal }).then((page) => page.erasures), []);
  return html`<section><h2>${t("privacy.erasures")}</h2><p class="soft small">${t("privacy.erasures.says")}</p>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${loaded.value?.length === 0 && html`<p class="soft">${t("privacy.erasures.none")}</p>`}
    <ul class="rows">${loaded.value?.map((one) => html`<li key=${one.id}>
      <${Erasure} first=${one}><span>
        ${t("privacy.erasures.of", { count: one.faces, when: dayAndClock(one.asked_at) })}</span><//></li>`)}</ul>
    ${children}</section>`;
}

/** People who are kept and not shown: no other page has them. An admin lifts it; whose consent has ended is erased. */
function Restricted() {
  const loaded = useLoaded((signal) => get("restrictions", {}, { signal }).then((all) => all.restrictions), []);
  const [lifted, setLifted] = useState(null);
  const [erased, setErased] = useState(null);
  const close = () => { setLifted(null); setErased(null); };
  const due = (one) => (one.erased_at ? ["stripped", "erased"].filter((what) => one[`${what}_at`])
    .map((what) => t(`restriction.${what}`, { day: day(one[`${what}_at`]) })).join(" · ") : t("restriction.stays"));
  const { value } = loaded;
  return html`<section><h2>${t("restriction")}</h2><p class="soft small">${t("restriction.says")}</p>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${value?.length === 0 && html`<p class="soft">${t("restriction.none")}</p>`}
    <ul class="rows">${value?.map((one) => html`<li key=${one.face}>
      <div><span class="title name">${one.reason}</span>
        <small class="soft">${one.face}, ${t("hold.since", { day: day(one.since) })}${one.ended && html` · ${due(one)}`}
        </small></div>
      ${may("operator") && one.ended && html`<button class="danger" onClick=${() => setErased(one.face)}>
        ${t("erase")}</button>`}
      ${may("admin") && !one.ended && html`<button onClick=${() => setLifted(one.face)}>
        ${t("restriction.lift")}</button>`}
    </li>`)}</ul>
    ${lifted && html`<${Marking} path=${`faces/${encodeURIComponent(lifted)}`} kind="restriction"
      body=${{ restricted: false }} title=${t("restriction.lift")} close=${close}
      done=${() => { close(); loaded.again(); }} />`}
    ${erased && html`<${Erasing} face=${{ id: erased, name: "" }} path=${`faces/${encodeURIComponent(erased)}`}
      close=${close} done=${() => { close(); loaded.again(); }} />`}</section>`;
}

/** The public half of the key that signs receipts. */
function Signed() {
  const loaded = useLoaded((signal) => get("signing-key", {}, { signal }), []);
  return html`<section><h2>${t("privacy.key")}</h2><p class="soft small">${t("privacy.key.says")}</p>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${loaded.value && html`<${Copy} text=${loaded.value.public_key} label=${t("privacy.key")} />
      <p class="soft small ellipsis">${t("privacy.key.print", { text: loaded.value.fingerprint })}</p>`}</section>`;
}

/** The settings, and for those who may see it what they do. */
function Retention({ operator, ...common }) {
  const days = Object.keys(DAYS).map((name) => common.value[name]).join();
  return html`<${Fields} fields=${DAYS} ...${common} />${operator && html`<${Going} days=${days} />`}`;
}

function Going({ days }) {
  const loaded = useLoaded((signal) => get("retention", {}, { signal }), [days]);
  if (loaded.problem) return html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`;
  if (!loaded.value) return null;
  const going = loaded.value.kinds.filter((one) => one.within_7_days);
  const held = loaded.value.held ? html` ${t("kept.held", { count: loaded.value.held })}` : "";
  if (!going.length) return html`<p class="soft small">${t("kept.nothing")}${held}</p>`;
  return html`<table class="kept"><caption class="soft small">${t("kept.going")}${held}</caption>
    <thead><tr><td></td>${["now", "soon", "oldest"].map((one) => html`
      <th key=${one} scope="col">${t(`kept.${one}`)}</th>`)}</tr></thead>
    <tbody>${going.map((one) => html`<tr key=${`${one.kind} ${one.group}`}>
      <th scope="row">${one.group === null ? t(`kept.${one.kind}`) : groupName(one.group)}</th>
      <td>${number(one.now)}${one.waits_until && html`<br />
        <span class="soft small">${t("kept.waits", { day: day(one.waits_until) })}</span>`}</td>
      <td>${number(one.within_7_days)}${one.more && "+"}</td><td>${day(one.oldest)}</td></tr>`)}</tbody></table>`;
}
