// Done: what people did in the last 30 days, with what was before; and taking it back.
import { useState } from "preact/hooks";
import { forget, get, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { replace, to } from "../router.js";
import { addDays, begin } from "../shared/days.js";
import { Dialog, Empty, Ending, Field, Formats, groupName, Loading, nameOf, Portrait, Select, useLoaded }
  from "../shared/parts.js";
import { saveTable } from "../shared/saved.js";
import { moment } from "../shared/tables.js";
import { may } from "../store.js";
import { complain, say } from "../undo.js";
import { dayAndClock, listed, loadMore, t, tOr } from "../words.js";
import { titled } from "./facts.js";

const MS_DIGITS = 13;
/** When an act was done: its id begins with that. */
const atOf = (id) => Number(id.slice(0, MS_DIGITS));
/** Whom the audit means, without the role, and by what it is asked for. */
const callerOf = (by) => by.match(/(member|key) \S+$/)?.[0] ?? by;
const called = (by) => by.replace(/( \([^()]*\))?, member \S+$/, "");
const GENDERS = ["male", "female"];

export default function Done({ place: { query } }) {
  const [more, setMore] = useState([]);
  const { by = "", day = "", name = "" } = query;
  const asked = { by, name, ...(day && { from: String(begin(day)), to: String(begin(addDays(day, 1))) }) };
  const first = useLoaded((signal) => get("done", asked, { signal }), [by, day, name]);
  const pages = [first.value, ...more].filter(Boolean);
  const acts = pages.flatMap((page) => page.acts);
  const token = pages.at(-1)?.next_token;
  const at = (next) => { setMore([]); replace("done", { by, day, name, ...next }); };
  const again = () => { forget(); setMore([]); first.again(); };
  const next = () => get("done", { ...asked, token }).then((page) => setMore([...more, page]), complain);
  useLoaded(() => Promise.all([loadMore("admin"), loadMore("privacy")]), []); // the names of settings
  const file = (format) => fileOf(asked).then((rows) => saveTable(rows, t("page.done"), format)).catch(complain);
  const callers = new Map(acts.map((act) => [callerOf(act.by), called(act.by)]));
  if (by) callers.set(by, callers.get(by) ?? by);
  return html`<div class="page desk">
    <header class="top"><div><h1>${t("page.done")}</h1><p class="soft">${t("done.says")}</p></div>
      <div class="tools">
        <${Select} label=${t("done.by")} value=${by} set=${(chosen) => at({ by: chosen })}
          options=${[["", t("done.by.all")], ...callers]} />
        <${Field} label=${t("done.day")} type="date" value=${day}
          onChange=${(event) => at({ day: event.target.value })} />
        <${Field} label=${t("done.name")} type="search" value=${name}
          onChange=${(event) => at({ name: event.target.value.trim() })} />
        ${may("admin") && acts.length > 0 && html`<${Formats} save=${file} />`}</div></header>
    <${Loading} of=${first} count=${4} />
    ${first.value && !acts.length && !token && html`<${Empty} title=${t("done.none")} icon="done" />`}
    <ul class="acts">${acts.map((act) => html`<${Act} key=${act.id} act=${act} all=${acts}
      again=${again} />`)}</ul>
    ${token && html`<button onClick=${next}>${t("more")}</button>`}
  </div>`;
}

/** An act: whom it concerns, what was before and is after, who did it and when, and the way back. */
function Act({ act, all, again }) {
  const [inTheWay, setInTheWay] = useState(null);
  const [waits, setWaits] = useState(false);
  const [asks, setAsks] = useState(false);
  const back = () => {
    setWaits(true);
    send("POST", `done/${act.id}/undo`).then(() => { say(t("done.backed")); again(); }, (problem) => {
      setWaits(false);
      if (problem.code === "InTheWay" && problem.acts.length) setInTheWay(problem.acts);
      else complain(problem);
    });
  };
  const said = (id) => {
    const later = all.find((one) => one.id === id);
    return later ? `${titleOf(later)} (${called(later.by)}, ${dayAndClock(atOf(id))})` : dayAndClock(atOf(id));
  };
  const face = (one, index) => html`${index > 0 && html`<${Icon} name="right" size=${18} />`}
    <a key=${one.id} href=${to(["person", one.id])} aria-label=${nameOf({ ...one, group: "" })}>
      <${Portrait} url=${one.portrait?.thumb_url} name=${one.name} /></a>`;
  return html`<li><span class="row">${act.kind !== "hook" && act.faces.map(face)}</span>
    <div><span class="title">${titleOf(act)}</span>
      ${act.kind !== "hook" && act.faces.length > 0 && html`<p class="called soft">
        ${act.faces.map((one) => nameOf({ ...one, group: "" })).join(" → ")}</p>`}
      ${shownOf(act).map((name) => html`<p key=${name} class="called">
        <${Value} name=${name} value=${act.before[name]} /> <${Icon} name="right" size=${14} />
        ${" "}<${Value} name=${name} value=${act.after[name]} /></p>`)}
      <small class="soft">${called(act.by)} · <time datetime=${act.at}>${dayAndClock(act.at)}</time></small>
      ${act.taken_back_at && html`<small class="soft">
        ${t("done.backed.by", { by: called(act.taken_back_by), when: dayAndClock(act.taken_back_at) })}</small>`}
      ${inTheWay && html`<p class="notice" role="status">
        ${t("done.way", { acts: listed(inTheWay.map(said)) })}</p>`}</div>
    ${act.until && html`<button disabled=${waits} onClick=${act.kind === "settings" ? () => setAsks(true) : back}>
      ${t("done.back")}</button>`}
    ${asks && html`<${Sure} act=${act} close=${() => setAsks(false)} back=${back} />`}</li>`;
}

/** Ask again what the settings ask, before they are as they were. */
function Sure({ act, close, back }) {
  const says = (name, value) => tOr(`${name}.${value}.says`, tOr(`set.${name}.says`, ""));
  return html`<${Dialog} title=${t("done.back")} close=${close}>
    ${Object.entries(act.before).map(([name, value]) => html`<p key=${name}>
      <strong>${partOf(act, name)}: <${Value} name=${name} value=${value} /></strong><br />${says(name, value)}</p>`)}
    <${Ending} close=${close} onClick=${() => { close(); back(); }}>${t("done.back")}<//><//>`;
}

/** What was done, in words. */
function titleOf(act) {
  if (act.kind === "deletion") return t("done.deletion", { count: act.after.people });
  if (act.kind === "merge") return t(act.after.merged ? "done.merged" : "done.parted");
  if (act.kind === "rejection") return t("done.rejection", { count: act.after.sightings.length });
  const names = listed(Object.keys(act.after).map((name) => partOf(act, name)));
  const what = act.kind === "face" ? names : `${t(`done.${act.kind}`, { of: act.of })}: ${names}`;
  return act.takes_back ? t("done.back.of", { what, when: dayAndClock(atOf(act.takes_back)) }) : what;
}

/** What is called so: `labels.a` is a label, `attributes.seat` what the group notes of a person. */
function partOf({ kind }, name) {
  const [member, ...part] = name.split(".");
  if (kind !== "face") return tOr(`set.${member}`, tOr(`${kind}.${member}`, name));
  return member === "group" ? t("done.group") : titled(part.length ? part.join(".") : member);
}

/** A value in words; "": nothing. */
function textOf(name, value) {
  if (value === "" || value == null) return "";
  if (name === "group") return groupName(value);
  if (typeof value === "boolean") return tOr(value ? "yes" : "no", String(value));
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "object") return JSON.stringify(value);
  return GENDERS.includes(value) ? t(`gender.${value}`) : String(value);
}

const Value = ({ name, value }) => textOf(name, value) || html`<span class="soft">–</span>`;

/** The names of the values that an act shows. */
const shownOf = (act) => (["deletion", "merge", "rejection"].includes(act.kind) ? [] : Object.keys(act.after));

/** All acts that are asked for, as a table: each with the id of its entry in the audit. */
async function fileOf(asked) {
  const acts = [];
  let token;
  do {
    const page = await get("done", { ...asked, limit: 100, token });
    acts.push(...page.acts);
    token = page.next_token;
  } while (token);
  const head = ["at", "by", "what", "whom", "before", "after", "entry"].map((name) => t(`done.${name}`));
  const said = (act, values) => shownOf(act).map((name) => `${partOf(act, name)}: ${textOf(name, values[name])}`);
  return [head, ...acts.map((act) => [moment(act.at), act.by, titleOf(act), act.faces.map((one) => one.id).join(", "),
    said(act, act.before).join("; "), said(act, act.after).join("; "), act.id])];
}
