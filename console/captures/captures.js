// What the cameras sent: by camera, state and day, and each picture with its faces and what was decided about them.
import { useCallback, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { cameraName, useShared } from "../shared/known.js";
import { Grid } from "../shared/grid.js";
import { addDays, begin, isDay } from "../shared/days.js";
import { Empty, Loading, Portrait, Select, useLoaded } from "../shared/parts.js";
import { Tabs } from "../shared/tabs.js";
import { go, place, replace, to } from "../router.js";
import { may, session } from "../store.js";
import { complain, say } from "../undo.js";
import { ago, clock, dayAndClock, isoDay, shortDay, t } from "../words.js";
import { Became, Viewer } from "./viewer.js";

const AT_ONCE = 100;
const FACES = ["skipped", "none"];
const STATES = ["resolved", ...FACES, "stored", "parked"];
const NO_CHOICE = { camera: "", state: "", day: "", since: "" };

export default function Captures({ place: { query } }) {
  const { camera = "", state = "" } = query;
  const day = isDay(query.day) ? query.day : "";
  const since = !day && isDay(query.since) ? query.since : "";
  const cameras = useShared("cameras").value;
  const wanted = { camera, state, day, since };
  const picked = (name) => (value) => replace("captures", { ...wanted, [name]: value });
  return html`<div class="page captures">
    <header class="top"><h1>${t("page.captures")}</h1><div class="tools">
      <${Tabs} pages=${["cameras", "captures", "places"]} here="captures" />
      <${Select} label=${t("camera")} value=${camera} set=${picked("camera")}
        options=${[["", t("visits.cameras")],
          ...(cameras ?? []).map((camera) => [camera.id, camera.name || camera.id])]} />
      <${Select} label=${t("captures.state")} value=${state} set=${picked("state")}
        options=${[["", t("captures.all")], ...STATES.map((one) => [one, t(`captures.state.${one}`)])]} />
      <input type="date" aria-label=${t("captures.day")} value=${day} max=${isoDay(Date.now())}
        onChange=${({ target }) => picked("day")(target.value)} />
      ${since && html`<button aria-pressed="true" onClick=${() => picked("since")("")}>
        ${t("captures.since", { day: shortDay(begin(since)) })}</button>`}
    </div></header>
    <${List} key=${Object.values(wanted).join("\n")} wanted=${wanted} cameras=${cameras} open=${query.open} />
  </div>`;
}

/** The captures that are wanted, page after page as somebody scrolls; how many there are is never counted. */
function useCaptures({ camera, state, day, since }) {
  const [captures, setCaptures] = useState([]);
  const [token, setToken] = useState("");
  const [waits, setWaits] = useState(false);
  const written = (of) => of && new Date(begin(of)).toISOString();
  const shows = FACES.includes(state) ? { faces: state } : { state };
  const asked = { camera, ...shows, limit: AT_ONCE, from: written(day || since), to: written(day && addDays(day, 1)) };
  const read = (page) => { setCaptures((before) => [...before, ...page.captures]); setToken(page.next_token); };
  const load = (signal) => get("captures", asked, { signal }).then((page) => { read(page); return true; });
  const first = useLoaded(load, []);
  const more = () => {
    setWaits(true);
    get("captures", { ...asked, token }).then(read).catch(complain).finally(() => setWaits(false));
  };
  const isSame = (one, other) => one.id === other.id && one.camera === other.camera;
  const put = (next) => setCaptures((before) => before.map((one) => (isSame(one, next) ? next : one)));
  const again = async (ones) => {
    try {
      for (const one of ones) put(await send("POST", `captures/${one.id}/redrive`, { camera: one.camera }));
      say(t("captures.sent", { count: ones.length }));
    } catch (problem) {
      complain(problem);
    }
  };
  return { captures, token, waits, first, more, put, again };
}

const nameOfPlace = (one) => `${one.camera}/${one.id}`;

function List({ wanted, cameras, open }) {
  const { captures, token, waits, first, more, put, again } = useCaptures(wanted);
  const inSight = useCallback((_, last) => {
    if (last >= captures.length && captures.length && token && !waits) more();
  }, [captures, token, waits]);
  const at = (one) => ({ ...wanted, open: nameOfPlace(one) });
  const show = (one) => go("captures", at(one));
  const placeOf = (opened) => captures.findIndex((one) => nameOfPlace(one) === opened);
  const step = (by) => {
    const next = captures[placeOf(place.now.query.open) + by]; // keys may come faster than the page is drawn
    if (next) replace("captures", at(next));
  };
  const [camera, id] = (open ?? "").split("/");
  return html`
    <${Loading} of=${first} count=${12} kind="cards" />
    ${wanted.state === "parked" && html`<${Parked} all=${captures} again=${again} />`}
    ${captures.length > 0 && html`<${Grid} count=${captures.length} least=${200} ratio=${0.625} extra=${104}
      many=${false} label=${t("page.captures")} inSight=${inSight}
      onKey=${(event, index) => event.key === "Enter" && show(captures[index])}
      cell=${(index, given) => html`<${Card} key=${captures[index].id} one=${captures[index]} given=${given}
        camera=${cameraName(cameras, captures[index].camera)} open=${show} />`} />`}
    ${token && first.value && html`<p><button disabled=${waits} onClick=${more}>
      ${t(captures.length ? "more" : "captures.further")}</button></p>`}
    ${first.value && !token && !captures.length && html`<${Nothing} cameras=${cameras} wanted=${wanted} />`}
    ${id && html`<${Viewer} camera=${camera} id=${id} known=${captures[placeOf(open)]} isPlace=${true} step=${step}
      changed=${(_, next) => put(next)} again=${again} close=${() => replace("captures", wanted)} />`}`;
}

/** Those that failed can be sent again, once the cause is mended. */
function Parked({ all, again }) {
  const parked = all.filter((one) => one.state === "parked");
  if (!parked.length || !may("operator")) return null;
  return html`<p class="row">
    <button onClick=${() => again(parked)}>${t("captures.again.all", { count: parked.length })}</button>
    <span class="soft small">${t("captures.again.command")}
      <code>regulars redrive --tenant ${session.now.tenant}</code></span></p>`;
}

function Card({ one, camera, given, open }) {
  const isToday = isoDay(one.captured_at) === isoDay(Date.now());
  return html`<div ...${given} role="gridcell" class="card" onClick=${() => open(one)}>
    <${Portrait} url=${one.thumb_url} size=${one.state} icon="camera" />
    <strong class="two-lines">${(isToday ? clock : dayAndClock)(one.captured_at)}</strong><small>${camera}</small>
    <small class="soft two-lines"><${Became} one=${one} /></small></div>`;
}

/** Nothing is listed: did the cameras send nothing, was nothing kept so long, or is too little asked for? */
function Nothing({ cameras, wanted }) {
  if (!cameras) return null;
  const last = cameras.map((camera) => camera.last_seen_at).filter(Boolean).sort().at(-1);
  if (Object.values(wanted).some(Boolean)) {
    return html`<${Empty} icon="captures" title=${t("captures.none")}><p>${t("captures.none.says")}</p>
      <p><button onClick=${() => replace("captures", NO_CHOICE)}>${t("captures.none.clear")}</button></p><//>`;
  }
  const never = cameras.length ? "captures.never.says" : "visits.nobody.cameras";
  return html`<${Empty} icon="captures" title=${t(last ? "captures.gone" : "captures.never")}>
    <p>${last ? t("captures.gone.says", { ago: ago(last) }) : t(never)}</p>
    ${!cameras.length && may("admin") && html`<p>
      <a class="button strong" href=${to("cameras")}>${t("page.cameras")}</a></p>`}<//>`;
}
