// What the cameras sent: by camera, state and day, and each picture with its faces and what was decided about them.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { useShared } from "../shared/known.js";
import { Grid } from "../shared/grid.js";
import { addDays, begin, isDay } from "../shared/periods.js";
import { placed } from "../shared/pictures.js";
import { Dialog, Empty, nameOf, Portrait, Score, Shapes, Trouble, useLoaded, useSlow } from "../shared/parts.js";
import { Now, useWhose } from "../shared/asking.js";
import { go, place, replace, to } from "../router.js";
import { may, session } from "../store.js";
import { complain, say } from "../undo.js";
import { ago, clock, dayAndClock, isoDay, t } from "../words.js";

const AT_ONCE = 100;
const STATES = ["resolved", "stored", "parked"];
const OUTCOMES = ["matched", "stranger", "skipped"];

export default function Captures({ place: { query } }) {
  const { camera = "", state = "" } = query;
  const day = isDay(query.day) ? query.day : "";
  const cameras = useShared("cameras");
  const set = (changes) => replace("captures", { camera, state, day, ...changes });
  const picked = (name) => (event) => set({ [name]: event.target.value });
  return html`<div class="page captures">
    <header class="top"><h1>${t("page.captures")}</h1><div class="tools">
      <select aria-label=${t("camera")} value=${camera} onChange=${picked("camera")}><option value="">${t("visits.cameras")}</option>
        ${cameras.value?.map((one) => html`<option key=${one.id} value=${one.id}>${one.name || one.id}</option>`)}</select>
      <select aria-label=${t("captures.state")} value=${state} onChange=${picked("state")}><option value="">${t("captures.all")}</option>
        ${STATES.map((one) => html`<option key=${one} value=${one}>${t(`captures.state.${one}`)}</option>`)}</select>
      <input type="date" aria-label=${t("captures.day")} value=${day} max=${isoDay(Date.now())} onChange=${picked("day")} />
    </div></header>
    <${List} key=${[camera, state, day].join("\n")} wanted=${{ camera, state, day }} cameras=${cameras.value} shown=${(query.open ?? "").split("/")} clear=${() => set({ camera: "", state: "", day: "" })} />
  </div>`;
}

/** The captures that are wanted, page after page as somebody scrolls; how many there are is never counted. */
function List({ wanted, cameras, shown, clear }) {
  const { camera, state, day } = wanted;
  const [captures, setCaptures] = useState([]);
  const [token, setToken] = useState("");
  const [waits, setWaits] = useState(false);
  const asked = { camera, state, limit: AT_ONCE, ...(day && { from: new Date(begin(day)).toISOString(), to: new Date(begin(addDays(day, 1))).toISOString() }) };
  const read = (page) => { setCaptures((before) => [...before, ...page.captures]); setToken(page.next_token); };
  const first = useLoaded((signal) => get("captures", asked, { signal }).then((page) => { read(page); return true; }), []);
  const more = () => {
    setWaits(true);
    get("captures", { ...asked, token }).then(read).catch(complain).finally(() => setWaits(false));
  };
  const slow = useSlow(first.waits);
  const inSight = useCallback((_, last) => { if (last >= captures.length && captures.length && token && !waits) more(); }, [captures, token, waits]);
  const query = { camera, state, day };
  const at = (one) => ({ ...query, open: `${one.camera}/${one.id}` });
  const open = (one) => go("captures", at(one));
  const named = (id) => cameras?.find((one) => one.id === id)?.name || id;
  const put = (next) => setCaptures((before) => before.map((one) => (one.id === next.id && one.camera === next.camera ? next : one)));
  const parked = captures.filter((one) => one.state === "parked");
  const again = async (ones) => {
    try {
      for (const one of ones) put(await send("POST", `captures/${one.id}/redrive`, { camera: one.camera }));
      say(t("captures.sent", { count: ones.length }));
    } catch (problem) {
      complain(problem);
    }
  };
  const placeOf = (opened) => captures.findIndex((one) => `${one.camera}/${one.id}` === opened);
  const step = (by) => {
    const next = captures[placeOf(place.now.query.open) + by]; // keys may come faster than the page is drawn
    if (next) replace("captures", at(next));
  };
  return html`
    ${first.problem && html`<${Trouble} problem=${first.problem} again=${first.again} />`}
    ${slow && html`<${Shapes} count=${12} kind="cards" />`}
    ${state === "parked" && parked.length > 0 && may("operator") && html`<p class="row"><button onClick=${() => again(parked)}>${t("captures.again.all", { count: parked.length })}</button>
      <span class="soft small">${t("captures.again.command")} <code>regulars captures redrive --tenant ${session.now.tenant}</code></span></p>`}
    ${captures.length > 0 && html`<${Grid} count=${captures.length} least=${200} ratio=${0.625} extra=${52} many=${false} label=${t("page.captures")} inSight=${inSight}
      onKey=${(event, index) => event.key === "Enter" && open(captures[index])}
      cell=${(index, given) => html`<${Card} key=${captures[index].id} one=${captures[index]} camera=${named(captures[index].camera)} given=${given} open=${open} />`} />`}
    ${token && first.value && html`<p><button disabled=${waits} onClick=${more}>${t(captures.length ? "more" : "captures.further")}</button></p>`}
    ${first.value && !token && !captures.length && html`<${Nothing} cameras=${cameras} wanted=${wanted} clear=${clear} />`}
    ${shown[1] && html`<${Large} camera=${shown[0]} id=${shown[1]} known=${captures[placeOf(shown.join("/"))]} named=${named} close=${() => replace("captures", query)} again=${again} step=${step} />`}`;
}

/** Say in few words what became of a capture. */
function became(one) {
  if (one.state !== "resolved") return one.reason ?? t(`captures.state.${one.state}`);
  const counts = OUTCOMES.map((name) => [name, one.sightings.filter((each) => each.resolution === name).length]);
  return counts.filter(([, count]) => count).map(([name, count]) => t(`captures.${name}`, { count })).join(", ") || t("captures.noface");
}

function Card({ one, camera, given, open }) {
  const today = isoDay(one.captured_at) === isoDay(Date.now());
  return html`<div ...${given} role="gridcell" class="card" onClick=${() => open(one)}>
    <${Portrait} url=${one.url} size=${one.state} icon="camera" />
    <strong>${today ? clock(one.captured_at) : dayAndClock(one.captured_at)}</strong><small class="soft">${camera} · ${became(one)}</small></div>`;
}

/** One capture in large: its faces, who they are, and why one was skipped. */
function Large({ camera, id, known, named, close, step, again }) {
  const loaded = useLoaded((signal) => (known ? Promise.resolve(known) : get(`captures/${id}`, { camera }, { signal })), [camera, id, known]);
  const one = loaded.value;
  const [at, setAt] = useState(0);
  useEffect(() => setAt(0), [id]);
  const who = useWhose(() => get(`captures/${id}`, { camera }).then(loaded.set, complain));
  const asking = useRef();
  asking.current = who.dialog;
  useEffect(() => {
    const keys = (event) => { if (asking.current) return; if (event.key === "ArrowLeft") step(-1); if (event.key === "ArrowRight") step(1); };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  });
  const verdict = (each) => (each.face ? nameOf({ name: each.name, group: each.resolution }) : t("captures.unsure"));
  return html`<${Dialog} title=${one ? `${dayAndClock(one.captured_at)} · ${named(camera)}` : t("page.captures")} close=${close} wide=${true} isPlace=${true}>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${one && html`<div class="stage"><div class="frame-of">
        ${one.url ? html`<img class="face" src=${one.url} alt=${t("captures.picture")} />` : html`<${Portrait} size="newest" icon="camera" />`}
        ${one.width && one.sightings.map((each, index) => html`<button key=${each.id} class="box ${each.face ? "match" : ""} ${index === at ? "meant" : ""}" style=${placed(each.box, one)}
          aria-pressed=${index === at} aria-label=${t("search.face", { n: index + 1, name: verdict(each) })} onClick=${() => setAt(index)}><span aria-hidden="true">${index + 1}</span></button>`)}
      </div></div>
      <div class="row"><button class="square" aria-label=${t("captures.newer")} onClick=${() => step(-1)}><${Icon} name="back" /></button>
        <button class="square" aria-label=${t("captures.older")} onClick=${() => step(1)}><${Icon} name="forward" /></button>
        <p class="soft">${became(one)}</p><span class="apart"></span>
        ${one.state === "parked" && may("operator") && html`<button class="strong" onClick=${() => again([one]).then(loaded.again)}>${t("captures.again")}</button>`}</div>
      <ol class="faces-found">${one.sightings.map((each, index) => html`<li key=${each.id} class=${index === at ? "open" : ""}>
        <div class="row-button button"><span class="n">${index + 1}</span><${Portrait} url=${each.crop_url} size="s" />
          <span class="apart">${each.face && each.name !== null ? html`<a href=${to(["person", each.face])}><strong class="name">${verdict(each)}</strong></a>` : html`<strong>${verdict(each)}</strong>`}
            <small class="soft">${each.reason ?? t(`captures.was.${each.resolution}`)}</small></span>
          <${Score} score=${each.score} threshold=${each.threshold} />
          <${Correct} one=${each} who=${who} /></div></li>`)}</ol>`}
    ${who.dialog}
  <//>`;
}

/** What somebody can say of a face that was taken for somebody. */
function Correct({ one, who }) {
  const now = who.now(one.id);
  if (now) return html`<${Now} ...${now} />`;
  if (!may("operator") || !one.face || one.name === null || !(one.name || one.resolution === "matched")) return null;
  const ask = () => who.ask({ ...one, sighting: one.id, sightings: 1 }, { isWrong: true });
  return html`<button class="plain quiet small" onClick=${ask}>${t("whose.wrong")}</button>`;
}

/** Nothing is listed: did the cameras send nothing, was nothing kept so long, or is too little asked for? */
function Nothing({ cameras, wanted, clear }) {
  if (!cameras) return null;
  const last = cameras.map((one) => one.last_seen_at).filter(Boolean).sort().at(-1);
  if (Object.values(wanted).some(Boolean)) {
    return html`<${Empty} icon="captures" title=${t("captures.none")}><p>${t("captures.none.says")}</p><p><button onClick=${clear}>${t("captures.none.clear")}</button></p><//>`;
  }
  return html`<${Empty} icon="captures" title=${t(last ? "captures.gone" : "captures.never")}>
    <p>${last ? t("captures.gone.says", { ago: ago(last) }) : t(cameras.length ? "captures.never.says" : "visits.nobody.cameras")}</p>
    ${!cameras.length && may("admin") && html`<p><a class="button strong" href=${to("cameras")}>${t("page.cameras")}</a></p>`}<//>`;
}
