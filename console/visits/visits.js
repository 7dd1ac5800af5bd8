// Who comes, while they come.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { useKeys } from "../keys.js";
import { Alerts, alertOf } from "../shared/alerts.js";
import { usePolled } from "../shared/polled.js";
import { Empty, groupName, nameOf, Portrait, Shapes, Trouble, useSlow } from "../shared/parts.js";
import { useWhose } from "../shared/whose.js";
import { to } from "../router.js";
import { may } from "../store.js";
import { ago, dayAndClock, shortDay, t } from "../words.js";
import { Visit, which } from "./row.js";

const EVERY_MS = 2000;
const CAMERAS_EVERY_MS = 15_000;
const GROUPS_EVERY_MS = 60_000;
const TOLD_MS = 5000;
const MOST_ROWS = 50;
const PICTURED_CAMERAS = 6;
const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;

/** Call `tell` with the visits that begin while the page is open. */
function useNews(visits, tell) {
  const known = useRef();
  const since = useRef("");
  useEffect(() => {
    if (!visits) return;
    const isFirst = !known.current;
    known.current ??= new Set();
    if (isFirst) since.current = visits[0]?.first ?? "";
    const news = visits.filter((one) => !known.current.has(one.sighting) && one.first > since.current);
    for (const one of visits) known.current.add(one.sighting);
    if (!isFirst && news.length) tell(news);
  }, [visits]);
}

/** Count in the tab's title who came while it was hidden. */
function useTitle() {
  const missed = useRef(0);
  useEffect(() => {
    const seen = () => { if (!document.hidden) { missed.current = 0; document.title = plain(document.title); } };
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, []);
  return (count) => {
    if (!document.hidden) return;
    missed.current += count;
    document.title = `(${missed.current}) ${plain(document.title)}`;
  };
}

const plain = (title) => title.replace(/^\(\d+\) /, "");

export default function Visits() {
  const [camera, setCamera] = useState("");
  const [group, setGroup] = useState("");
  const [span, setSpan] = useState("today");
  const [paused, setPaused] = useState(false);
  const [alerts, setAlerts] = useState(false);
  const from = useMemo(() => (span === "week" ? new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS - WEEK_MS).toISOString() : ""), [span]);
  const [came, setCame] = usePolled("arrivals", { camera, group, from, limit: MOST_ROWS }, EVERY_MS, { pause: paused, isUnseen: true });
  const [cameras] = usePolled("cameras", {}, CAMERAS_EVERY_MS);
  const [groups] = usePolled("groups", {}, GROUPS_EVERY_MS);
  const count = useTitle();
  useNews(came.value?.arrivals, (news) => { count(news.length); if (!came.heard) alertOf(news); });
  useKeys({ p: ["visits.pause", () => setPaused((before) => !before)] });
  const named = new Map(cameras.value?.cameras.map((one) => [one.id, one.name || one.id]));
  const rows = came.value?.arrivals;
  const who = useWhose((patch) => setCame((before) => ({ ...before,
    value: { ...before.value, arrivals: patch(before.value.arrivals) } })));
  return html`<div class="page visiting">
    <header class="top">
      <div><h1>${t("page.visits")}</h1><p class="soft">${summary(rows, came.value, span)}</p></div>
      <div class="tools">
        <select aria-label=${t("visits.span")} value=${span} onChange=${(event) => setSpan(event.target.value)}>
          <option value="today">${t("visits.today")}</option><option value="week">${t("visits.week")}</option></select>
        <select aria-label=${t("camera")} value=${camera} onChange=${(event) => setCamera(event.target.value)}>
          <option value="">${t("visits.cameras")}</option>${cameras.value?.cameras.map((one) => html`<option key=${one.id} value=${one.id}>${one.name || one.id}</option>`)}</select>
        <select aria-label=${t("group")} value=${group} onChange=${(event) => setGroup(event.target.value)}>
          <option value="">${t("visits.groups")}</option>${groups.value?.groups.map((one) => html`<option key=${one.id} value=${one.name}>${groupName(one.name)}</option>`)}</select>
        <button class="square" aria-label=${t("alerts")} title=${t("alerts")} onClick=${() => setAlerts(true)}><${Icon} name="bell" /></button>
        <button aria-pressed=${paused} onClick=${() => setPaused(!paused)}><${Icon} name=${paused ? "play" : "pause"} size=${18} />${t(paused ? "visits.go" : "visits.pause")}</button>
      </div>
    </header>
    ${came.problem && html`<${Trouble} problem=${came.problem} />`}
    <div class="columns">
      <section aria-label=${t("visits.visits")}>
        <${Rows} rows=${rows} cameras=${named} who=${who} waits=${!came.value && !came.problem} span=${span} />
      </section>
      <${Cameras} cameras=${cameras.value?.cameras} />
    </div>
    <${Told} rows=${rows} />
    ${who.dialog}
    ${alerts && html`<${Alerts} groups=${groups.value?.groups} close=${() => setAlerts(false)} />`}
  </div>`;
}

function summary(rows, page, span) {
  if (!rows) return " ";
  const count = page.next_token ? t("visits.more", { count: rows.length }) : t("visits.count", { count: rows.length });
  return span === "week" ? count : `${shortDay(Date.now())} · ${count}`;
}

function Rows({ rows, cameras, who, waits, span }) {
  const slow = useSlow(waits);
  const first = useRef(null);
  if (rows) first.current ??= new Set(rows.map((one) => one.sighting));
  if (!rows) return slow ? html`<${Shapes} count=${6} />` : null;
  if (!rows.length) return html`<${Empty} icon="live" title=${t(span === "week" ? "visits.nobody.week" : "visits.nobody")}>
    <p>${t(cameras.size ? "visits.nobody.says" : "visits.nobody.cameras")}</p>
    ${may("operator") && html`<p class="row"><a class="button strong" href=${to("add")}>${t("people.add")}</a>${!cameras.size && may("admin") && html`<a class="button" href=${to("cameras")}>${t("page.cameras")}</a>`}</p>`}
  <//>`;
  return html`<ol class="visits">${rows.map((one) => html`<${Visit} key=${one.sighting} one=${one} camera=${cameras.get(one.camera) ?? one.camera} who=${who} isNew=${!first.current.has(one.sighting)} />`)}</ol>`;
}

function Cameras({ cameras }) {
  if (!cameras?.length) return null;
  return html`<aside aria-label=${t("cameras")}><h2>${t("cameras")}</h2><ul class="cameras" tabindex="0" aria-label=${t("cameras")}>${cameras.map((one, index) => html`
    <li key=${one.id}>${index < PICTURED_CAMERAS && html`<${Newest} camera=${one} />`}
      <p><strong>${one.name || one.id}</strong><span class=${`state ${one.health.state}`}>${t(`camera.${one.health.state}`)}</span></p>
      <p class="soft small">${one.last_seen_at ? t("camera.seen", { ago: ago(one.last_seen_at) }) : t("camera.never")}</p>
    </li>`)}</ul></aside>`;
}

function Newest({ camera }) {
  const [last] = usePolled("captures", { camera: camera.id, limit: 1 }, CAMERAS_EVERY_MS);
  const capture = last.value?.captures[0];
  return html`<${Portrait} url=${capture?.url} size="newest" icon="camera"
    alt=${capture?.url ? t("camera.newest", { time: dayAndClock(capture.captured_at) }) : ""} />`;
}

/** Tells screen readers who came, every five seconds at most. */
function Told({ rows }) {
  const [text, setText] = useState("");
  const told = useRef(null);
  const due = useRef(0);
  useEffect(() => {
    if (!rows) return;
    if (told.current === null) { told.current = new Set(rows.map((one) => one.sighting)); return; }
    const fresh = rows.filter((one) => !told.current.has(one.sighting));
    if (!fresh.length || Date.now() < due.current) return;
    fresh.forEach((one) => told.current.add(one.sighting));
    due.current = Date.now() + TOLD_MS;
    setText(fresh.slice(0, 3).map((one) => [nameOf(one), which(one)].filter(Boolean).join(", ")).join("; "));
  }, [rows]);
  return html`<p class="unseen" aria-live="polite">${text}</p>`;
}
