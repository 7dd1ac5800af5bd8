// Cameras: how each is, what it sent last, its settings and its key.
import { useEffect, useMemo, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { mute } from "../shared/alerts.js";
import { useShared } from "../shared/known.js";
import { isUnwell, named, stateOf } from "../shared/needs.js";
import { inEnglish, Said } from "./said.js";
import { markOf, rankOf } from "./states.js";
import { Grid } from "../shared/grid.js";
import { Boxes, isLow, measured, seen } from "./boxes.js";
import { ByCode, Connect, Tiles, Waiting } from "./connect.js";
import { Checks, useChecks } from "./checks.js";
import { CountingLine } from "./counting.js";
import { Proof } from "./proof.js";
import { facesOf, KINDS, LARGE_PX, TOO_SMALL_PX } from "./kinds.js";
import { Secret } from "./secret.js";
import { AllChanged, Changed, refusalOf, troubleOf, useJpeg } from "./views.js";
import { Voids } from "./voids.js";
import { changer, Settings } from "../shared/settings.js";
import { Line } from "../shared/line.js";
import { Field, Form } from "../shared/form.js";
import { Check, Dialog, Empty, groupName, Loading, Portrait, Trouble, useLoaded } from "../shared/parts.js";
import { Tabs } from "../shared/tabs.js";
import { DAY_MS } from "../shared/days.js";
import { useAgain } from "../shared/polled.js";
import { go, replace, to } from "../router.js";
import { may, session } from "../store.js";
import { complain, later } from "../undo.js";
import { ago, day, dayAndClock, joined, number, t, tOr } from "../words.js";

const WAITING_MS = 3000;
const SETTLED_MS = 120;
const MANY = 12;
const SOON_MS = 2000;
const HOUR_MS = 3_600_000;
const CHANGED = "changed";
/** What a heartbeat says that the page says otherwise. */
const UNTOLD = ["error", "trouble", "box", "view_changed", "view_right_at"];
const ALWAYS = { keeps_strangers: { kind: "switch" }, enabled: { kind: "switch" } };
const FIELDS = {
  silent_after_s: { kind: "number", min: 5, max: 43_200, step: "any", per: 60, unit: "unit.minutes",
    none: "set.silent_after_s.none" },
  gap_s: { kind: "number", min: 1 / 60, max: 1440, step: "any", per: 60, unit: "unit.minutes" },
  stranger_quality: { kind: "number", min: 0, max: 100, step: "any" },
  learns: { kind: "switch" },
};

/** Say whether a camera is in a state, or shows something else than usual. */
const isIn = (one, state) => (state === CHANGED ? one.health.view_changed : stateOf(one) === state);

/** Return which states cameras are in, the worst first, and how many are in each. */
function countStates(cameras) {
  const worstFirst = cameras.toSorted((one, other) => rankOf(one) - rankOf(other));
  const states = [...worstFirst.map(stateOf), ...(cameras.some((one) => isIn(one, CHANGED)) ? [CHANGED] : [])];
  return [...new Set(states)].map((state) => [state, cameras.filter((one) => isIn(one, state)).length]);
}

export default function Cameras({ place }) {
  const id = place.rest[0];
  if (id) return html`<${Camera} key=${id} id=${id} />`;
  return "boxes" in place.query ? html`<${Boxes} />` : html`<${All} query=${place.query} />`;
}

function All({ query }) {
  const loaded = useShared("cameras");
  useAgain(loaded);
  const [text, setText] = useState("");
  const [making, setMaking] = useState(false);
  const all = loaded.value;
  const counts = countStates(all ?? []);
  if (query.state && !counts.some(([state]) => state === query.state)) counts.push([query.state, 0]);
  const boxes = new Set(all?.map((one) => one.health.status.box).filter(Boolean));
  const wanted = (one) => (!query.state || isIn(one, query.state))
    && (!query.box || one.health.status.box === query.box)
    && `${one.name} ${one.id}`.toLowerCase().includes(text.trim().toLowerCase());
  const shown = useMemo(
    () => all?.filter(wanted).sort((one, other) => rankOf(one) - rankOf(other) || one.name.localeCompare(other.name)),
    [all, query.state, query.box, text],
  );
  const onKey = (event, index) => {
    if (event.key === "Enter" && shown[index]) go(["cameras", shown[index].id]);
  };
  const make = may("admin") && html`<button class="strong" onClick=${() => setMaking(true)}>
    <${Icon} name="add" size=${18} />${t("cameras.new")}</button>`;
  return html`<div class="page">
    <header class="top"><div><h1>${t("page.cameras")}</h1>
      <p class="soft">${all ? t("cameras.count", { count: all.length }) : " "}</p></div><div class="tools">
      <${Tabs} pages=${["cameras", "captures", "places"]} here="cameras" />
      ${all?.length > MANY && html`<input type="search" class="filter" aria-label=${t("cameras.find")}
        placeholder=${t("cameras.find")} value=${text} onInput=${(event) => setText(event.target.value)} />`}
      ${boxes.size > 1 && html`<a class="button" href=${to("cameras", { boxes: 1 })}>${t("boxes")}</a>`}
      ${all?.length !== 0 && make}</div></header>
    ${query.box && html`<${OfBox} name=${nameOf(all, query.box)} />`}
    ${all?.length > 0 && html`<div class="groups" role="group" aria-label=${t("cameras.state")}>
      <button aria-pressed=${!query.state} onClick=${() => replace("cameras", { ...query, state: "" })}>
        ${t("people.all")}<span>${number(all.length)}</span></button>
      ${counts.map(([state, count]) => html`
        <button key=${state} aria-pressed=${query.state === state}
          onClick=${() => replace("cameras", { ...query, state })}>
        <span class=${markOf(state)}></span>${named(state)}<span>${number(count)}</span></button>`)}</div>`}
    ${may("admin") && !making && html`<${Waiting} />`}
    <${Loading} of=${loaded} count=${8} kind="cards" />
    ${all?.length === 0 && html`<${Empty} icon="camera" title=${t("cameras.empty")}>
      <p>${t("cameras.empty.says")}</p>${make}<//>`}
    ${shown?.length > 0 && query.state === CHANGED && html`<${AllChanged} cameras=${shown} told=${loaded.again} />`}
    ${shown?.length > 0 && query.state !== CHANGED && html`<${Grid}
      count=${shown.length} least=${230} ratio=${0.625} extra=${84}
      label=${t("page.cameras")} inSight=${() => {}} onKey=${onKey}
      cell=${(index, more) => html`<${Card} key=${shown[index].id} one=${shown[index]} more=${more} />`} />`}
    ${all?.length > 0 && shown.length === 0 && html`<p class="soft">${t("cameras.none")}</p>`}
    ${making && html`<${New} close=${() => setMaking(false)} />`}
  </div>`;
}

const nameOf = (all, box) => all?.find((one) => one.health.status.box === box)?.health.status.box_name ?? box;

/** Whose cameras are shown, and how all are shown again. */
function OfBox({ name }) {
  return html`<p class="row"><span class="tag">${t("cameras.box", { name })}</span>
    <a href=${to("cameras")}>${t("people.all")}</a></p>`;
}

function Card({ one, more }) {
  return html`<div ...${more} role="gridcell" class="card"
    aria-label=${`${one.name}, ${named(stateOf(one))}`} onClick=${() => go(["cameras", one.id])}>
    <${Newest} camera=${one} />
    <strong>${one.name}</strong>
    <p class="row"><span class=${markOf(stateOf(one))}>${named(stateOf(one))}</span>
      ${one.forgets_strangers && html`<span class="tag">${t("camera.forgets")}</span>`}</p>
    <small class="soft two-lines">
      ${inEnglish(troubleOf(one)) ?? refusalOf(one) ?? (isLow(one.health.status) ? t("camera.low") : seen(one))}</small>
  </div>`;
}

/** The last picture of a camera, with its age. It is asked for when the card has stayed in sight for a moment. */
function Newest({ camera, large = false }) {
  const last = useLoaded(async (signal) => {
    await new Promise((done) => setTimeout(done, large ? 0 : SETTLED_MS));
    signal.throwIfAborted();
    return (await get("captures", { camera: camera.id, limit: 1 }, { signal })).captures[0] ?? null;
  }, [camera.id, camera.last_seen_at]);
  const capture = last.value;
  const waits = large && capture?.state === "stored";
  useEffect(() => {
    if (!waits) return undefined;
    const timer = setTimeout(last.again, WAITING_MS);
    return () => clearTimeout(timer);
  }, [waits, capture]);
  const picture = html`<${Portrait} url=${large ? capture?.url : capture?.thumb_url} size="newest" icon="camera"
    lazy=${!large} alt=${capture?.url ? t("camera.newest", { time: dayAndClock(capture.captured_at) }) : ""} />`;
  const open = large && capture && to("captures", { camera: camera.id, open: `${camera.id}/${capture.id}` });
  return html`<figure class="newest-of">${open ? html`<a href=${open}>${picture}</a>` : picture}
    ${capture && html`<figcaption title=${dayAndClock(capture.captured_at)}>
      ${ago(capture.captured_at)}</figcaption>`}</figure>
    ${large && capture?.state === "resolved" && html`<${Faces} capture=${capture} />`}`;
}

/** How many faces the picture has, and whether they are large enough. */
function Faces({ capture }) {
  const { count, px, size } = facesOf(capture);
  const says = t(`camera.faces.${size}`, { px, tiny: TOO_SMALL_PX, large: LARGE_PX });
  return html`<p class="faces small">${t("camera.faces", { count })} ${says}</p>`;
}

function Camera({ id }) {
  const path = `cameras/${encodeURIComponent(id)}`;
  const loaded = useLoaded((signal) => get(path, {}, { signal }), [id]);
  useAgain(loaded, loaded.value?.last_seen_at === null ? WAITING_MS : undefined);
  const [secret, setSecret] = useState(null);
  const [gone, setGone] = useState(false);
  const one = loaded.value;
  const back = html`<a class="back" href=${to("cameras")}><${Icon} name="back" size=${18} />${t("page.cameras")}</a>`;
  if (gone) return null;
  if (!one) {
    return html`<div class="page">${back}${loaded.problem?.code === "CameraNotFound"
      ? html`<${Empty} icon="camera" title=${t("problem.CameraNotFound")}><p>${t("camera.gone")}</p><//>`
      : html`<${Loading} of=${loaded} count=${4} />`}</div>`;
  }
  const change = changer(path, loaded);
  const renew = () => send("POST", `${path}/key`).then((answer) => setSecret(answer.api_key), complain);
  const muting = () => mute(!one.health.muted_until, id).then(loaded.again, complain);
  const remove = () => later(t("camera.deleted", { name: one.name }), {
    take: () => { setGone(true); go("cameras"); },
    back: () => go(["cameras", id]),
    act: (options) => send("DELETE", path, undefined, options),
  });
  return html`<div class="page desk">${back}
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <header class="profile camera">
      <div><${Newest} camera=${one} large /></div>
      <div><h1><${Line} className="title" value=${one.name} label=${t("camera.name")} disabled=${!may("admin")}
          save=${(name) => change({ name }, true)} /></h1>
        <p class="row"><span class=${markOf(stateOf(one))}>${named(stateOf(one))}</span>
          <span class="soft">${seen(one)}</span>
          ${may("operator") && (isUnwell(one) || one.health.muted_until) && html`<button class="line" onClick=${muting}>
            ${t(one.health.muted_until ? "camera.unmute" : "camera.mute")}</button>`}</p>
        ${one.health.view_changed ? html`<${Changed} one=${one} told=${loaded.set} />`
          : troubleOf(one) && html`<div class="notice">
            <${Said} words=${inEnglish(troubleOf(one)) ?? named(stateOf(one))} detail=${troubleOf(one)} /></div>`}
        ${refusalOf(one) && html`<p class="notice">${refusalOf(one)}</p>`}
        ${isLow(one.health.status) && html`<p class="notice">${t("camera.low")}</p>`}
        ${!may("operator") && html`<${Proof} proof=${one.proof} />`}
        <${Outages} camera=${one} /><${Beat} camera=${one} /></div>
    </header>
    ${!one.last_seen_at && html`<section><h2>${t("camera.connect")}</h2><p role="status">${t("camera.waits")}</p>
      <${Connect} id=${id} /></section>`}
    ${may("operator") && html`<${Counted} path=${path} one=${one} change=${change} />`}
    <${Own} one=${one} change=${change} />
    ${may("admin") && html`<${Voids} camera=${id} counts=${Boolean(one.edge.count)} />`}
    ${may("admin") && html`<section>${one.last_seen_at && html`<${ByCode} id=${id} />`}
      <div class="setting"><p class="soft small">${t("camera.renew.says")}</p>
      <button onClick=${renew}>${t("camera.renew")}</button></div>
      <div class="setting"><p class="soft small">${t("camera.delete.says")}</p>
        <button class="danger" onClick=${remove}>${t("camera.delete")}</button></div></section>`}
    ${secret && html`<${Secret} title=${t("camera.key", { name: one.name })} secret=${secret}
      close=${() => setSecret(null)}><${Connect} id=${id} secret=${secret} /><//>`}
  </div>`;
}

/** The settings of one camera. */
function Own({ one, change }) {
  const groups = useShared("groups");
  const common = { change, may: may("admin") };
  const pairs = groups.value?.filter((group) => !["stranger", "regular"].includes(group.name))
    .map((group) => [group.name, groupName(group.name)]) ?? [];
  return html`<section><h2>${t("camera.settings")}</h2>
    <${Settings} fields=${ALWAYS} value=${one} ...${common} />
    <${Settings} fields=${{ groups: { kind: "many", pairs, all: "set.groups.all", empty: [] }, ...FIELDS }}
      value=${one} ...${common} />
    <p class="soft small">${t("camera.edge.says")}</p>
  </section>`;
}

/** The last seven days as a line, with the times in which nothing came. */
function Outages({ camera }) {
  const now = Date.now();
  const from = Math.max(Date.parse(camera.created_at), now - 7 * DAY_MS);
  const parts = camera.health.outages.map(({ since, until }) => [Date.parse(since), until ? Date.parse(until) : now])
    .filter(([, until]) => until > from);
  const share = (ms) => `${((100 * ms) / (now - from)).toFixed(2)}%`;
  const ended = (until) => (until === now ? named("silent") : dayAndClock(until));
  const part = ([since, until]) => `${dayAndClock(since)} – ${ended(until)}`;
  return parts.length > 0 && html`<div class="outages" aria-hidden="true">${parts.map(([since, until]) => {
    const begin = Math.max(since, from);
    return html`<span key=${since} style=${{ left: share(begin - from), width: share(until - begin) }}></span>`;
  })}</div>
    <p class="soft small">${joined(t("camera.outages", { count: parts.length }),
      ...parts.slice(-3).reverse().map(part))}</p>`;
}

/** What the camera said of itself in its last heartbeat, in words if there are any for it. */
function Beat({ camera }) {
  const tells = ([name, value]) => !UNTOLD.includes(name) && value !== null
    && !(name.startsWith("dropped_") && value === 0);
  return html`<dl class="facts"><div><dt>${t("camera.id")}</dt><dd><code>${camera.id}</code></dd></div>
    <div><dt>${t("camera.made")}</dt><dd>${day(camera.created_at)}</dd></div>
    ${Object.entries(camera.health.status).filter(tells).map(([name, value]) => html`
      <div key=${name}><dt>${tOr(`beat.${name}`, name)}</dt><dd>${measured(name, value)}</dd></div>`)}</dl>`;
}

/** Adding a camera: its kind, its name and place, and what is typed into it. Its page then waits for a picture. */
function New({ close }) {
  const [kind, setKind] = useState("");
  const [made, setMade] = useState(null);
  const leave = () => { close(); go(["cameras", made.id]); };
  if (made && KINDS[kind].by === "edge") {
    return html`<${Dialog} key="made" title=${made.name} close=${leave} wide>
      <${Connect} kind=${kind} id=${made.id} secret=${made.api_key} />
      <p class="row end"><button class="strong" onClick=${leave}>${t("connect.done")}</button></p><//>`;
  }
  if (made) {
    return html`<${Secret} key="made" title=${t("camera.key", { name: made.name })} secret=${made.api_key}
      close=${leave}><${Connect} kind=${kind} id=${made.id} secret=${made.api_key} /><//>`;
  }
  const isNone = kind && KINDS[kind].by === "none";
  return html`<${Dialog} key=${`new ${kind}`} title=${kind ? t(`kind.${kind}`) : t("cameras.new")} close=${close} wide>
    ${!kind ? html`<p>${t("kind.says")}</p><${Tiles} choose=${setKind} />`
      : isNone ? html`<${Connect} kind=${kind} />
          <p class="row end"><button class="strong" onClick=${close}>${t("connect.done")}</button></p>`
        : html`<${Named} made=${setMade} back=${() => setKind("")} />`}
  <//>`;
}

function Named({ made, back }) {
  const [keeps, setKeeps] = useState(true);
  const make = ({ name, place }) => send("POST", "cameras",
    { name: name.trim(), labels: place.trim() ? { a: place.trim() } : {}, keeps_strangers: keeps });
  return html`<${Form} send=${make} done=${made}>
    <${Field} label=${t("camera.name")} name="name" autofocus required maxlength="100"
      placeholder=${t("camera.name.hint")} />
    <${Field} label=${t("camera.place")} name="place" maxlength="100" />
    <${Check} label=${t("set.keeps_strangers")} checked=${keeps} set=${setKeeps} />
    <p class="soft small">${t("set.keeps_strangers.says")}</p>
    <p class="row end"><button type="button" onClick=${back}>${t("kind.back")}</button>
      <button class="strong">${t("cameras.make")}</button></p>
  <//>`;
}

/** The line at which people are counted, and how right that is. */
function Counted({ path, one, change }) {
  const checks = useChecks(path);
  const { waiting, asked_at: asked, proof } = checks.loaded.value ?? {};
  const counts = one.edge.count || one.health.status.looks_per_s || waiting || asked || proof;
  return html`${session.now.pictures && one.health.status.box && html`<${Aim} path=${path} one=${one} change=${change}
      checks=${checks} />`}
    ${counts && html`<${Checks} path=${path} checks=${checks} />`}`;
}

/** What the camera sees now, if somebody asks its box, so that they can aim it, and draw a line on it. */
function Aim({ path, one, change, checks }) {
  const loaded = useLoaded((signal) => get(`${path}/still`, {}, { signal }), [path]);
  const { asked_at: asked, taken_at: taken, picture } = loaded.value ?? {};
  const url = useJpeg(picture);
  useAgain(loaded, asked ? SOON_MS : HOUR_MS);
  const ask = () => send("POST", `${path}/still`).then(loaded.set, complain);
  return html`<section><h2>${t("camera.still")}</h2>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <div class="setting"><p class="soft small">${t("camera.still.says")}</p>
      ${may("operator") && html`<button onClick=${ask} disabled=${Boolean(asked)}>
        ${t("camera.still.ask")}</button>`}</div>
    <p role="status" class="soft small">${asked ? t("camera.still.waits") : taken && ago(taken)}</p>
    <${CountingLine} edge=${one.edge} url=${url} alt=${url && t("camera.still.alt", { ago: ago(taken) })}
      change=${change} may=${may("admin")} walked=${checks.film?.walked}
      ask=${checks.isFree && checks.ask} /></section>`;
}
