// Places: how many people are inside, by whom that was corrected, what was left at closing, and which cameras count.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { to } from "../router.js";
import { Inside } from "../shared/inside.js";
import { cameraName, isKnown, minutes, useShared } from "../shared/known.js";
import { Field, Form } from "../shared/form.js";
import { Check, Dialog, Empty, Ending, Loading, useLoaded } from "../shared/parts.js";
import { useAgain } from "../shared/polled.js";
import { Tabs } from "../shared/tabs.js";
import { may } from "../store.js";
import { later } from "../undo.js";
import { clock, dayAndClock, joined, number, signed, t } from "../words.js";

const DAYS = 7;
const MOST = 100_000;
const CHANGES = ["dropped", "corrected"];
const HEADS = ["in", "out", ...CHANGES, "left", "most"];
const LOOKED = ["minutes.watched", "minutes.open"];

export default function Places() {
  const loaded = useLoaded((signal) => get("places", { days: DAYS }, { signal }), []);
  useAgain(loaded);
  const cameras = useShared("cameras").value ?? [];
  const [changed, setChanged] = useState(null);
  const [gone, setGone] = useState([]);
  const places = loaded.value?.places.filter((one) => !gone.includes(one.id));
  const make = may("admin") && html`<button class="strong" onClick=${() => setChanged({ doors: [] })}>
    ${t("places.new")}</button>`;
  const remove = ({ id, name }) => later(t("places.deleted", { name }), {
    take: () => { setChanged(null); setGone([...gone, id]); },
    back: () => setGone((before) => before.filter((one) => one !== id)),
    act: (options) => send("DELETE", `places/${id}`, undefined, options),
  });
  const saved = () => { setChanged(null); loaded.again(); };
  return html`<div class="page">
    <header class="top"><h1>${t("page.places")}</h1><div class="tools">
      <${Tabs} pages=${["cameras", "captures", "places"]} here="places" />${places?.length > 0 && make}</div></header>
    <${Loading} of=${loaded} count=${3} />
    ${places?.length === 0 && html`<${Empty} icon="traffic" title=${t("places.empty")}>
      <p>${t("places.empty.says")}</p>${make}<//>`}
    ${places?.map((one) => html`<${Shown} key=${one.id} one=${one} cameras=${cameras} again=${loaded.again}
      change=${() => setChanged(one)} />`)}
    ${changed && html`<${Change} one=${changed} cameras=${cameras} close=${() => setChanged(null)} done=${saved}
      others=${places.filter((one) => one.id !== changed.id)} remove=${remove} />`}
  </div>`;
}

function Shown({ one, cameras, again, change }) {
  const { open, openings } = one;
  return html`<section class="panel">
    <header><h2>${one.name}</h2><span class="soft">
      ${joined(...one.doors.map((door) => cameraName(cameras, door)), one.full_at && t("places.limits", one))}
      </span><span class="apart"></span>
      ${may("admin") && html`<button onClick=${change}>${t("places.change")}</button>`}</header>
    <p class="amount sum">${isKnown(one) ? html`<${Inside} places=${[one]} />`
      : html`<strong>${t(open ? "traffic.uncounted" : "places.closed")}</strong>`}</p>
    ${open && may("operator") && html`<${Correct} key=${openings.at(-1).corrections.length} one=${one}
      done=${again} />`}
    <${Openings} openings=${openings.toReversed()} /></section>`;
}

/** What somebody says who looked. */
function Correct({ one, done }) {
  const put = ({ inside }) => send("PUT", `places/${one.id}/inside`, { inside: Number(inside) });
  return html`<${Form} class="row" send=${put} done=${done}>
    <${Field} label=${t("places.correct")} name="inside" type="number" required min="0" max=${MOST}
      placeholder=${one.inside} /><button>${t("places.correct.do")}</button><//>`;
}

/** Each time in which it was open, with all by which more or fewer were inside, so that no drift is hidden. */
function Openings({ openings }) {
  const counted = (one, name) => (one.watched_s ? number(one[name]) : "–"); // nobody watched, which is not nobody
  const said = (one, name) => (CHANGES.includes(name) ? signed(one[name]) : counted(one, name));
  const row = (one) => html`<tr key=${one.opened_at}><th scope="row">${dayAndClock(one.opened_at)} –
      ${one.closed_at ? ` ${clock(one.closed_at)}` : ""}</th>
    ${HEADS.map((name) => html`<td key=${name}>${said(one, name)}</td>`)}
    ${minutes(one).map((amount) => html`<td>${number(amount)}</td>`)}</tr>
    ${one.corrections.map((each) => html`<tr key=${each.at} class="soft">
      <td colspan=${HEADS.length + LOOKED.length + 1}>
      ${t("places.corrected.by", { ...each, at: dayAndClock(each.at), change: signed(each.change) })}</td></tr>`)}`;
  return html`<div class="scrolls" tabindex="0" role="region" aria-label=${t("places.openings")}>
    <table class="numbers"><thead><tr><th scope="col">${t("places.openings")}</th>
      ${HEADS.map((name) => html`<th key=${name} scope="col">${t(`places.${name}`)}</th>`)}
      ${LOOKED.map((name) => html`<th key=${name} scope="col">${t(name)}</th>`)}</tr></thead>
    <tbody>${openings.map(row)}</tbody></table></div>`;
}

/** Tell whether doors are others than before, in whatever order. */
const isMoved = (before, now) => before.length !== now.length || before.some((door) => !now.includes(door));

/** Making a place, or changing one. A door of one of the `others` is taken from it. */
function Change({ one, cameras, others, close, done, remove }) {
  const [doors, setDoors] = useState(one.doors);
  const gone = one.doors.filter((id) => !cameras.some((camera) => camera.id === id)).map((id) => ({ id, name: id }));
  const asks = one.id ? one.open && isMoved(one.doors, doors) : doors.length > 0;
  const ownerOf = (id) => others.find((other) => other.doors.includes(id));
  const limit = (typed) => (typed === "" ? null : Number(typed));
  const save = ({ name, full_at: full, free_at: free, inside }) => send(one.id ? "PATCH" : "POST",
    one.id ? `places/${one.id}` : "places", { name: name.trim(), doors, full_at: limit(full), free_at: limit(free),
      takes: doors.some(ownerOf), ...(inside && { inside: Number(inside) }),
      ...(one.id && { revision: one.revision }) });
  const turn = (id) => (isOn) => setDoors(isOn ? [...doors, id] : doors.filter((each) => each !== id));
  return html`<${Dialog} title=${one.name ?? t("places.new")} close=${close}><${Form} send=${save} done=${done}>
    <${Field} label=${t("places.name")} name="name" defaultValue=${one.name} required maxlength="100" />
    <fieldset><legend>${t("places.doors")}</legend>${[...cameras, ...gone].map(({ id, name }) => html`<${Check}
      key=${id} label=${joined(name, ownerOf(id)?.name)} checked=${doors.includes(id)} set=${turn(id)} />`)}</fieldset>
    <p class="soft small">${t("places.doors.says")} <a href=${to("cameras")}>${t("page.cameras")}</a></p>
    ${asks && html`<${Field} label=${t(one.id ? "places.moved" : "places.correct", one)} name="inside" type="number"
      min="0" max=${MOST} /><p class="soft small">${t(one.id ? "places.moved.says" : "places.made.says")}</p>`}
    <${Field} label=${t("places.full_at")} name="full_at" type="number" min="1" max=${MOST}
      defaultValue=${one.full_at} />
    <${Field} label=${t("places.free_at")} name="free_at" type="number" min="0" max=${MOST}
      defaultValue=${one.free_at} />
    <p class="soft small">${t("places.limits.says")}</p>
    <${Ending} close=${close} before=${one.id && html`<button type="button" class="danger"
      onClick=${() => remove(one)}>${t("delete")}</button>`} disabled=${!doors.length}>${t("places.save")}<//>
  <//><//>`;
}
