// Done: what people did in the last 30 days, with what was before; and taking it back.
import { useEffect, useState } from "preact/hooks";
import { forget, get, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { focusRow, useKept } from "../kept.js";
import { replace, to } from "../router.js";
import { addDays, begin } from "../shared/days.js";
import { Field } from "../shared/form.js";
import { Dialog, Empty, Ending, groupName, Loading, nameOf, Portrait, Save, Select, useLoaded }
  from "../shared/parts.js";
import { cameraName, useShared } from "../shared/known.js";
import { told } from "../shared/fields.js";
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
/** Say who did it: somebody by the name, a key or a camera by what it is called, else by which way it came. */
function nameOfCaller(by, called) {
  const [, kind, of] = by.match(/^(key|camera) (\S+)$/) ?? [];
  if (kind) return t(`done.by.${kind}`, { name: called({ kind, of }) });
  return tOr(`done.by.${by}`, by.replace(/( \([^()]*\))?, member \S+$/, ""));
}
const GENDERS = ["male", "female"];
/** What a part of a thing is called where that is not `set.` and its name in v1. */
const PARTS = {
  hook: { name: "camera.name", groups: "set.hook_groups", enabled: "set.hook_on", channel: "done.of.channel",
    hours: "done.of.hours", pause_s: "done.of.pause_s", passes_to: "done.of.passes_to", people: "done.of.people" },
  camera: { name: "camera.name", edge: "done.of.edge",
    "labels.a": "set.a", "labels.b": "set.b", "labels.c": "set.c", "labels.d": "set.d" },
  group: { name: "group.name", capacity: "done.of.capacity", description: "done.of.description",
    staff: "group.staff", unseen_days: "done.of.unseen_days", attributes: "done.of.attributes" },
  place: { name: "camera.name" },
  settings: { fpir: "set.sure", strangers: "strangers", audit_days: "privacy.audit",
    stranger_days: "strangers.days.number", strangers_decided_by: "strangers.by", restore_gap: "done.of.restore_gap" },
};

export default function Done({ place: { query } }) {
  const [open, setOpen] = useKept("pages", 0); // further pages, which are read anew for who comes back
  const [more, setMore] = useState([]);
  const [later, setLater] = useState([]); // what was done and taken back here since
  const [inTheWay, setInTheWay] = useState({});
  const [waits, setWaits] = useState(false);
  const { by = "", day = "", name = "" } = query;
  const asked = { by, name, ...(day && { from: String(begin(day)), to: String(begin(addDays(day, 1))) }) };
  const first = useLoaded((signal) => get("done", asked, { signal }), [by, day, name]);
  const pages = [first.value, ...more].filter(Boolean);
  const acts = joinActs(later, pages.flatMap((page) => page.acts));
  const token = pages.at(-1)?.next_token;
  const clear = () => { setMore([]); setOpen(0); setLater([]); setInTheWay({}); };
  const at = (next) => { clear(); replace("done", { by, day, name, ...next }); };
  const next = () => {
    setWaits(true);
    return get("done", { ...asked, token }).then((page) => {
      setMore([...more, page]);
      setOpen(Math.max(open, more.length + 1));
    }, complain).finally(() => setWaits(false));
  };
  useEffect(() => {
    if (token && more.length < open && !waits) next();
  }, [first.value, more]);
  const backed = async (act) => {
    forget();
    setInTheWay({});
    const news = await get("done", asked).then((page) => page.acts, () => []);
    setLater((before) => joinActs([act, ...news], before));
    say(t("done.backed"));
  };
  const called = useCalled();
  useLoaded(() => Promise.all([loadMore("admin"), loadMore("privacy")]), []); // the names of settings
  const file = (format) => fileOf(asked, called)
    .then((rows) => saveTable(rows, t("page.done"), format)).catch(complain);
  const callers = new Map(acts.map((act) => [callerOf(act.by), nameOfCaller(act.by, called)]));
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
        ${may("admin") && acts.length > 0 && html`<${Save} save=${file} />`}</div></header>
    <${Loading} of=${first} count=${4} />
    ${first.value && !acts.length && !token && html`<${Empty} title=${t("done.none")} icon="done" />`}
    <ul class="acts">${acts.map((act) => html`<${Act} key=${act.id} act=${act} all=${acts}
      backed=${backed} called=${called} inTheWay=${inTheWay[act.id]}
      refused=${(acts) => setInTheWay({ [act.id]: acts })} />`)}</ul>
    ${token && html`<button disabled=${waits} onClick=${next}>${t("more")}</button>`}
  </div>`;
}

/** Lists of acts as one, newest first; of an act that is in both, as the first list has it. */
function joinActs(newer, older) {
  const byId = new Map([...older, ...newer].map((act) => [act.id, act]));
  return [...byId.values()].sort((one, other) => (one.id < other.id ? 1 : -1));
}

/** What cameras, connections and keys are called that an admin sees. */
function useCalled() {
  const { value: cameras } = useShared("cameras");
  const list = (kind, signal) => (may("admin") ? get(kind, {}, { signal }).then((page) => page[kind]) : []);
  const hooks = useLoaded(async (signal) => list("hooks", signal), []);
  const keys = useLoaded(async (signal) => list("keys", signal), []);
  return ({ kind, of }) => (kind === "camera" ? cameraName(cameras, of)
    : (kind === "key" ? keys : hooks).value?.find((one) => one.id === of)?.name || of);
}

/** An act: whom it concerns, what was before and is after, who did it and when, and the way back. */
function Act({ act, all, backed, called, inTheWay, refused }) {
  const [waits, setWaits] = useState(false);
  const [asks, setAsks] = useState(false);
  const row = `[data-id="${CSS.escape(act.id)}"]`;
  const [isFocused, setFocused] = useState(false);
  useEffect(() => { if (isFocused) focusRow(row); }, [isFocused]);
  const back = () => {
    setWaits(true);
    send("POST", `done/${act.id}/undo`).then(backed).then(() => setFocused(true), (problem) => {
      if (problem.code === "InTheWay" && problem.acts.length) refused(problem.acts);
      else complain(problem);
    }).finally(() => setWaits(false));
  };
  const said = (id) => {
    const later = all.find((one) => one.id === id);
    const when = dayAndClock(atOf(id));
    return later ? `${titleOf(later, called)} (${nameOfCaller(later.by, called)}, ${when})` : when;
  };
  const face = (one, index) => html`${index > 0 && html`<${Icon} name="right" size=${18} />`}
    <a key=${one.id} href=${to(["person", one.id])} aria-label=${nameOf({ ...one, group: "" })}>
      <${Portrait} url=${one.portrait?.thumb_url} name=${one.name} /></a>`;
  return html`<li data-id=${act.id} tabindex="-1"><span class="row">${act.kind !== "hook" && act.faces.map(face)}</span>
    <div><span class="title">${titleOf(act, called)}</span>
      ${act.kind !== "hook" && act.faces.length > 0 && html`<p class="called soft">
        ${act.faces.map((one) => nameOf({ ...one, group: "" })).join(" → ")}</p>`}
      ${shownOf(act).map((name) => html`<p key=${name} class="called">
        <${Value} name=${name} value=${act.before[name]} /> <${Icon} name="right" size=${14} />
        ${" "}<${Value} name=${name} value=${act.after[name]} /></p>`)}
      <small class="soft">${nameOfCaller(act.by, called)} ·
        ${" "}<time datetime=${act.at}>${dayAndClock(act.at)}</time></small>
      ${act.taken_back_at && html`<small class="soft">
        ${t("done.backed.by",
          { by: nameOfCaller(act.taken_back_by, called), when: dayAndClock(act.taken_back_at) })}</small>`}
      ${act.stays && act.stays !== "deleted" && html`<small class="soft">${t(`done.stays.${act.stays}`)}</small>`}
      ${inTheWay && html`<p class="notice" role="status">
        ${t("done.way", { acts: listed(inTheWay.map(said)) })}</p>`}</div>
    ${act.until && html`<button disabled=${waits} onClick=${saidOf(act).length ? () => setAsks(true) : back}>
      ${t("done.back")}</button>`}
    ${asks && html`<${Sure} act=${act} close=${() => setAsks(false)} back=${back} />`}</li>`;
}

/** What follows from the values that were before: each with its name, where there are words for that. */
const saidOf = (act) => shownOf(act).map((name) => [name,
  tOr(`${name}.${act.before[name]}.says`, tOr(`${wordOf(act, name)}.says`, ""))]).filter(([, says]) => says);

/** Ask again what the settings ask, before they are as they were. */
function Sure({ act, close, back }) {
  const says = Object.fromEntries(saidOf(act));
  return html`<${Dialog} title=${t("done.back")} close=${close}>
    ${Object.entries(act.before).map(([name, value]) => html`<p key=${name}>
      <strong>${partOf(act, name)}: <${Value} name=${name} value=${value} /></strong><br />${says[name]}</p>`)}
    <${Ending} close=${close} onClick=${() => { close(); back(); }}>${t("done.back")}<//><//>`;
}

/** What was done, in words. */
function titleOf(act, called) {
  if (act.kind === "deletion") return t("done.deletion", { count: act.after.people });
  if (act.after.deleted) return t("done.deleted", { what: t(`done.${act.kind}`, { of: called(act) }) });
  if (act.kind === "merge") return t(act.after.merged ? "done.merged" : "done.parted");
  if (act.kind === "rejection") return t("done.rejection", { count: act.after.sightings.length });
  const names = listed(Object.keys(act.after).map((name) => partOf(act, name)));
  const what = act.kind === "face" ? names : `${t(`done.${act.kind}`, { of: called(act) })}: ${names}`;
  return act.takes_back ? t("done.back.of", { what, when: dayAndClock(atOf(act.takes_back)) }) : what;
}

const wordOf = ({ kind }, name) => PARTS[kind]?.[name] ?? `set.${name.split(".")[0]}`;

/** What is called so: `labels.a` is a label, `attributes.seat` what the group notes of a person. */
function partOf(act, name) {
  const [member, ...part] = name.split(".");
  if (act.kind !== "face") return tOr(wordOf(act, name), name);
  return member === "group" ? t("done.group") : titled(part.length ? part.join(".") : member);
}

/** A value in words; "": nothing. */
function textOf(name, value) {
  if (value === "" || value == null) return "";
  if (name === "group") return groupName(value);
  if (typeof value === "boolean") return tOr(value ? "yes" : "no", String(value));
  if (name === "template") return told(value);
  if (Array.isArray(value)) return listed(value.map((one) => wordOfValue(name, String(one))));
  if (typeof value === "object") return JSON.stringify(value);
  return GENDERS.includes(value) ? t(`gender.${value}`) : wordOfValue(name, String(value));
}

/** A choice by its name, where it has one: `set.events.face.arrived`, `strangers.off`. */
const wordOfValue = (name, value) => (["groups", "no_pictures_of"].includes(name) ? groupName(value)
  : tOr(`set.${name}.${value}`, tOr(`${name}.${value}`, value)));

const Value = ({ name, value }) => textOf(name, value) || html`<span class="soft">–</span>`;

/** The names of the values that an act shows: of a portrait nobody reads the id. */
const shownOf = (act) => (["deletion", "merge", "rejection"].includes(act.kind) ? []
  : act.after.deleted ? Object.keys(act.before).filter((name) => act.before[name])
    : Object.keys(act.after).filter((name) => name !== "portrait"));

/** All acts that are asked for, as a table: each with the id of its entry in the audit. */
async function fileOf(asked, called) {
  const acts = [];
  let token;
  do {
    const page = await get("done", { ...asked, limit: 100, token });
    acts.push(...page.acts);
    token = page.next_token;
  } while (token);
  const head = [...["at", "by", "what", "whom", "before", "after", "entry"].map((name) => t(`done.${name}`)),
    ...["at", "by"].map((name) => `${t("done.backed")}: ${t(`done.${name}`)}`)];
  const said = (act, values) => shownOf(act).map((name) => `${partOf(act, name)}: ${textOf(name, values[name])}`);
  const whom = (act) => act.faces.map((one) => one.id).join(", ");
  return [head, ...acts.map((act) => [moment(act.at), nameOfCaller(act.by, called), titleOf(act, called), whom(act),
    said(act, act.before).join("; "), said(act, act.after).join("; "), act.id,
    act.taken_back_at ? moment(act.taken_back_at) : "",
    act.taken_back_by ? nameOfCaller(act.taken_back_by, called) : ""])];
}
