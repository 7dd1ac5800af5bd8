// Settings: of this browser, of the rule for regulars, of recognition; keys; what is used of the limits.
import { useState } from "preact/hooks";
import { forget, get, readSession, send } from "../api.js";
import { html } from "../html.js";
import { Members } from "./members.js";
import { Rights } from "./rights.js";
import { Held, Settings as Fields, changer, Typed } from "../shared/settings.js";
import { Secret } from "./secret.js";
import { useKept } from "../kept.js";
import { toShops } from "../router.js";
import { Line } from "../shared/line.js";
import { Field, Form } from "../shared/form.js";
import { Dialog, Ending, Loading, Segments, Select, Trouble, useLoaded } from "../shared/parts.js";
import { DAY_MS } from "../shared/days.js";
import { called, languagesOf } from "../shared/languages.js";
import { settleTabs, tellTabs } from "../shared/left.js";
import { blur, bookOf, LANGUAGES, language, may, session, shortcuts, theme, useValue } from "../store.js";
import { complain, later, settleAll } from "../undo.js";
import { weekdayName } from "../shared/weekdays.js";
import { ago, dayAndClock, joined, number, t } from "../words.js";

const ENDS = [0, 1, 7, 30, 365];
const MB = 1e6;
const GB = 1e9;
const ATTRIBUTES = ["age", "gender", "emotion", "pose", "beauty", "liveness"];
const RULE = { arrive_times: { kind: "number", min: 1, max: 10 }, period_days: { kind: "number", min: 1, max: 100 } };
/** How sure a match has to be: the share of strangers who may get somebody's name, null as the service says. */
const SURE = { strict: 0.001, balanced: null, open: 0.01 };
const RECOGNITION = {
  learns: { kind: "switch" },
  attributes_off: { kind: "some", options: ATTRIBUTES, off: true },
  feelings: { kind: "switch" },
};
const ADVANCED = {
  enrol_quality: { kind: "number", min: 20, max: 100, step: "any", none: "set.enrol_quality.none" },
  least_liveness: { kind: "number", min: 0.01, max: 1, step: 0.01, none: "set.least_liveness.none" },
  least_gender: { kind: "number", min: 0.5, max: 1, step: 0.01, none: "set.least_gender.none" },
  min_age: { kind: "number", min: 1, max: 21, step: "any", none: "set.min_age.none" },
  review_margin: { kind: "number", min: 0, max: 0.5, step: 0.01 },
  learnt_days: { kind: "number", min: 1, max: 3650, unit: "unit.days", none: "set.learnt_days.none" },
};

/** Return the browser's name of a time zone, which may be an older one; of its own, if none is given. */
function zoneOf(timeZone) {
  try {
    return Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone;
  } catch {
    return timeZone; // it does not know it
  }
}
const HERE = zoneOf();
const WEEKDAYS = { monday: 0, sunday: 6, saturday: 5 };
const SHOP = {
  display_name: { kind: "text", max: 60, none: "set.display_name.none" },
  language: { kind: "one", options: Object.keys(LANGUAGES.messages), called: (one) => called(one, "messages") },
  time_zone: { kind: "text", max: 100, list: Intl.supportedValuesOf("timeZone") },
  week_begins: { kind: "one", options: ["language", ...Object.keys(WEEKDAYS)], called: (one) =>
    (one in WEEKDAYS ? weekdayName(WEEKDAYS[one], "long") : t("set.week_begins.language")) },
  opening: { kind: "text", max: 200, none: "set.opening.none" },
};

export default function Settings({ place }) {
  const loaded = useLoaded((signal) => get("settings", {}, { signal }), []);
  const usual = useLoaded((signal) => get("usual", {}, { signal }), []).value?.proposed;
  const admin = may("admin");
  const [isOpen, setOpen] = useKept("advanced", false);
  const set = (next) => {
    loaded.set(next);
    readSession();
  };
  const kept = { ...loaded, set };
  const common = { value: loaded.value, change: changer("settings", kept), may: admin };
  return html`<div class="page desk">
    <header class="top"><h1>${t("page.settings")}</h1></header>
    <${Here} />
    <${Loading} of=${loaded} count=${4} />
    ${loaded.value && html`
      ${!admin && html`<p class="soft">${t("set.admin")}</p>`}
      <section><h2>${t("set.shop")}</h2><${Fields} fields=${SHOP} ...${common} />
        ${admin && HERE !== zoneOf(loaded.value.time_zone) && html`<p>
          <button onClick=${() => common.change({ time_zone: HERE })}>
            ${t("set.time_zone.here", { zone: HERE })}</button></p>`}
        ${admin && usual && usual !== loaded.value.opening && html`<p>
          <button onClick=${() => common.change({ opening: usual })}>
            ${t("set.opening.usual", { hours: usual })}</button></p>`}</section>
      <section><h2>${t("set.rule")}</h2><${Rule} ...${common} /></section>
      <section><h2>${t("set.recognition")}</h2><${Sure} ...${common} />
        <${Fields} fields=${RECOGNITION} ...${common} />
        <details open=${isOpen} onToggle=${({ target }) => setOpen(target.open)}><summary>${t("set.advanced")}</summary>
          <${Fields} fields=${ADVANCED} ...${common} /></details></section>`}
    ${admin && html`<${Members} page=${place.query.invite} /><${Keys} />`}
    <${Usage} />
  </div>`;
}

/** What this browser keeps, and who is signed in. */
function Here() {
  const known = useValue(session);
  const role = t(`role.${known.role}`);
  const out = async () => {
    await Promise.all([settleAll("do"), settleTabs(bookOf(known))]);
    const left = known.books.length - 1;
    const gone = () => {
      forget();
      session.set(null);
      tellTabs(bookOf(known));
      if (left) location.assign(toShops());
    };
    await send("DELETE", "session").then(gone, complain);
  };
  return html`<section><h2>${t("set.here")}</h2>
    <div class="setting"><div><p class="label">${known.display_name}</p>
      <p class="soft small">${t(known.member ? "set.signed.in" : "set.signed", { ...known, role })}</p></div>
      <button onClick=${out}>${t("signout")}</button></div>
    <${Spoken} />
    <${Preference} name="theme" value=${theme} options=${["system", "light", "dark"]} />
    <${Preference} name="blur" value=${blur} options=${["off", "on"]} />
    <${Preference} name="shortcuts" value=${shortcuts} options=${["on", "off"]} />
  </section>`;
}

/** Choose the language of this page. */
function Spoken() {
  const now = useValue(language);
  return html`<div class="setting">
    <div><p class="label">${t("language")}</p><p class="soft small">${t("language.says")}</p></div>
    <${Select} label=${t("language")} value=${now} set=${(one) => language.set(one)}
      options=${[["system", t("language.system")], ...languagesOf("console")]} /></div>`;
}

function Preference({ name, value, options }) {
  const now = useValue(value);
  return html`<${OneOf} name=${name} now=${now} options=${options} set=${(one) => value.set(one)} />`;
}

/** Options side by side, of which one holds. `name`: what they are told by; `says`: what the one that holds does. */
function OneOf({ name, now, options, set, says = t(`${name}.says`), disabled = false }) {
  return html`<div class="setting">
    <div><p class="label">${t(name)}</p><p class="soft small" aria-live="polite">${says}</p></div>
    <${Segments} label=${t(name)} value=${now} set=${set} disabled=${disabled}
      options=${options.map((one) => [one, t(`${name}.${one}`)])} /></div>`;
}

/** Shows what each choice does to strangers and to regulars; a share that a program set is told as it is. */
function Sure({ value: { fpir }, change, may: admin }) {
  const now = Object.keys(SURE).find((one) => SURE[one] === fpir);
  const set = (one) => change({ fpir: SURE[one] }).catch(() => {});
  const says = now ? t(`set.sure.${now}.says`) : t("set.sure.own", { share: number(1000 * fpir, 1) });
  const options = Object.keys(SURE);
  return html`<${OneOf} name="set.sure" now=${now} options=${options} set=${set} says=${says} disabled=${!admin} />`;
}

/** The rule for regulars: a sentence with its two numbers in it, wherever the language has them. */
function Rule({ value, change, may: admin }) {
  const marks = Object.keys(RULE);
  const marked = Object.fromEntries(marks.map((one) => [one, `\0${one}\0`]));
  const parts = t("set.rule.sentence", marked).split("\0");
  return html`<p class="sentence">${parts.map((part) => (marks.includes(part)
      ? html`<${Held} key=${part} Field=${Typed} id=${`set-${part}`} name=${part} field=${RULE[part]}
        label=${t(`set.${part}`)} value=${value[part]} change=${change} disabled=${!admin} />`
      : part))}</p><p class="soft small">${t("set.rule.says")}</p>`;
}

function Keys() {
  const loaded = useLoaded((signal) => get("keys", {}, { signal }).then((page) => page.keys), []);
  const [made, setMade] = useState(null);
  const [making, setMaking] = useState(false);
  const lasting = loaded.value?.filter((one) => one.role === "admin" && !one.expires_at) ?? [];
  const remove = (one) => later(t("keys.api.deleted", { name: one.name }), {
    take: () => loaded.set((before) => before.filter((each) => each.id !== one.id)),
    back: loaded.again,
    act: (options) => send("DELETE", `keys/${one.id}`, undefined, options),
  });
  const renew = ({ id, name }) =>
    send("POST", `keys/${id}/renew`).then((answer) => setMade({ name, ...answer }), complain);
  return html`<section><header><h2>${t("keys.api")}</h2><span class="apart"></span>
    <button onClick=${() => setMaking(true)}>${t("keys.api.new")}</button></header>
    <p class="soft small">${t("keys.api.says")}</p>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <ul class="rows">${loaded.value?.map((one) => html`<${Key} key=${one.id} one=${one}
      isLast=${lasting.length === 1 && lasting[0] === one} remove=${remove} renew=${renew}
      set=${(next) => loaded.set((before) => before.map((each) => (each.id === next.id ? next : each)))} />`)}</ul>
    ${making && html`<${NewKey} close=${() => setMaking(false)}
      made=${(key) => { setMaking(false); setMade(key); loaded.again(); }} />`}
    ${made && html`<${Secret} title=${t("keys.api.of", { name: made.name })} secret=${made.api_key}
      close=${() => { setMade(null); loaded.again(); }} />`}
  </section>`;
}

function Key({ one, isLast, remove, renew, set }) {
  const change = changer(`keys/${one.id}`, { value: one, set });
  const isFirst = one.id === "first";
  const used = one.last_used_at;
  const quietly = (changes) => change(changes).catch(() => set({ ...one }));
  return html`<li>
    <div><${Line} className="title" value=${one.name} label=${t("keys.api.name")} disabled=${isFirst}
        save=${(name) => change({ name }, true)} />
      <p class="soft small">${joined(
        t("keys.api.made", { when: ago(one.created_at) }),
        used ? t("keys.api.used", { when: ago(used < one.created_at ? one.created_at : used) }) : t("keys.api.unused"),
        one.expires_at && t("keys.api.until", { when: dayAndClock(one.expires_at) }),
        one.made_by?.is_gone && t("keys.api.gone", { name: one.made_by.name }),
      )}</p></div>
    <${Rights} role=${one.role} pictures=${one.pictures} disabled=${isFirst || isLast} change=${quietly} />
    <span class="row">${!isFirst && html`
      <button class="plain" onClick=${() => renew(one)}>${t("keys.api.renew")}</button>`}
      <button class="plain danger" disabled=${isLast} title=${isLast ? t("keys.api.last") : null}
        aria-label=${t("keys.api.delete", { name: one.name })} onClick=${() => remove(one)}>
        ${t("delete")}</button></span>
    ${isLast && html`<p class="soft small">${t("keys.api.last")}</p>`}
  </li>`;
}

function NewKey({ close, made }) {
  const [wanted, setWanted] = useState(/** @type {import("v1").Sent<"post", "keys">} */ (
    { name: "", role: "viewer", pictures: true }));
  const [days, setDays] = useState(0);
  const make = ({ name }) => send("POST", "keys", { ...wanted, name: name.trim(),
    expires_at: days ? new Date(Date.now() + days * DAY_MS).toISOString() : null });
  const set = (changes) => setWanted((before) => ({ ...before, ...changes }));
  return html`<${Dialog} title=${t("keys.api.new")} close=${close}><${Form} send=${make} done=${made}>
    <${Field} label=${t("keys.api.whose")} name="name" autofocus required maxlength="100" />
    <${Rights} role=${wanted.role} pictures=${wanted.pictures} change=${set} />
    <p class="soft small">${t(`role.${wanted.role}.says`)}</p>
    <label class="inline">${t("keys.api.end")}<${Select} value=${days} set=${(one) => setDays(Number(one))}
      options=${ENDS.map((one) => [one, one ? t("keys.api.days", { count: one }) : t("keys.api.endless")])} /></label>
    <${Ending} close=${close}>${t("keys.api.make")}<//>
  <//><//>`;
}

const sized = (bytes) => (bytes < GB ? `${number(bytes / MB)} MB` : `${number(bytes / GB, 1)} GB`);

/** What is used of what there may be, and whether the disk of one box is nearly full. */
function Usage() {
  const loaded = useLoaded((signal) => get("usage", {}, { signal }), []);
  const used = loaded.value;
  if (!used) return loaded.problem ? html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />` : null;
  const { limits, disk, captures_kept: captures } = used;
  const isFull = disk && disk.free_bytes < Math.min(10 * GB, disk.total_bytes / 10);
  const counted = ["faces", "groups", "cameras", "hooks"];
  const meters = [...counted.map((name) => [t(`usage.${name}`), used[name], limits[name], number]),
    used.requests_today !== null && [t("usage.requests"), used.requests_today, limits.requests_a_day, number],
    disk && [t("usage.disk"), disk.total_bytes - disk.free_bytes, disk.total_bytes, sized]].filter(Boolean);
  return html`<section><h2>${t("usage")}</h2>
    ${isFull && html`<p class="notice" role="alert">${t("usage.full", { free: sized(disk.free_bytes) })}</p>`}
    <dl class="facts">${meters.map(([name, now, most, text]) => html`<div key=${name}><dt>${name}</dt>
        <dd class="score"><span class="bar">
          <span class="fill" style=${{ width: `${Math.min(1, now / most) * 100}%` }}></span></span>
          ${t("usage.of", { used: text(now), most: text(most) })}</dd></div>`)}
      <div><dt>${t("usage.captures")}</dt><dd>${captures
        ? t("usage.kept", { count: captures.captures, size: sized(captures.bytes), when: ago(captures.counted_at) })
        : t("usage.uncounted")}</dd></div>
    </dl>
  </section>`;
}
