// The book of a day: who came, of any day, and who comes while they come.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { replace, to } from "../router.js";
import { useShared } from "../shared/known.js";
import { addDays } from "../shared/days.js";
import { InsideNow } from "../shared/inside.js";
import { Trouble, useLoaded } from "../shared/parts.js";
import { useViewer, useIdentity } from "../shared/asking.js";
import { mayLoad, session } from "../store.js";
import { isoDay, t } from "../words.js";
import { useVisits } from "./book.js";
import { Asked } from "./asked.js";
import { Cameras, useCameras, Wrong } from "./cameras.js";
import { asked, placed } from "./day.js";
import { Choices, Counts, Turn } from "./head.js";
import { List } from "./list.js";
import { LiveRegion, useNews, useTitle } from "./news.js";
import { Seen } from "./seen.js";

export default function Visits({ place }) {
  const today = isoDay(Date.now());
  const chosen = asked(session.now?.screen ? { ...place.query, day: "" } : place.query, today);
  const [open, setOpen] = useState(false);
  const cameras = useCameras();
  const groups = useShared("groups").value;
  const named = new Map(cameras?.map((camera) => [camera.id, camera.name || camera.id]));
  const [isEarly, setEarly] = useState(false);
  const shown = isEarly ? dayBefore(chosen) : chosen;
  const set = (changes) => replace("visits", { ...placed(shown), ...changes });
  const chosenBy = ["group", "only", "camera", "staff"].filter((one) => chosen[one]).length;
  const isShown = open ? "open" : "";
  const [corrected, setCorrected] = useState(0);
  const key = JSON.stringify(placed(chosen)) + chosen.day;
  return html`<div class="page visiting">
    <header class="top"><h1>${t("page.visits")}</h1>
      ${!session.now?.screen && html`<${Turn} chosen=${chosen} set=${set} today=${today} />`}
      <div class=${`tools filters ${isShown}`} id="filters"><${Choices} chosen=${shown} set=${set}
        cameras=${named} /></div>
      <button class="square filter" aria-label=${t("visits.filter")} title=${t("visits.filter")} aria-expanded=${open}
        aria-controls="filters" onClick=${() => setOpen(!open)}><${Icon} name="filter" />
        ${chosenBy > 0 && html`<span class="count">${chosenBy}</span>`}</button>
      <a class="button square" href=${to("phone")} aria-label=${t("page.phone")} title=${t("page.phone")}>
        <${Icon} name="bell" /></a>
    </header>
    ${isEarly && html`<p class="notice">${t("visits.early")}</p>`}
    <${Counts} key=${`counts ${shown.day} ${corrected}`} chosen=${shown} set=${set} isShown=${isShown} />
    <div class="columns">
      <div class="needs">${chosen.isToday && html`<${InsideNow} />`}<${Wrong} cameras=${cameras} /><${Asked} /></div>
      ${chosen.isToday && html`<aside><${Seen} groups=${groups} cameras=${cameras} />
        <${Cameras} cameras=${cameras} /></aside>`}
      <${Day} key=${key} chosen=${chosen} set=${set} cameras=${named} early=${setEarly}
        corrected=${() => setCorrected((count) => count + 1)} /></div>
  </div>`;
}

/** Tell whether the shop has not opened yet today, if nobody has come. */
function useEarly(isEmpty) {
  const read = (signal) => (isEmpty ? get("usual", {}, { signal }) : null);
  return useLoaded(async (signal) => read(signal), [isEmpty]).value?.not_open_yet;
}

const dayBefore = (chosen) => ({ ...chosen, day: addDays(chosen.day, -1), isToday: false });

/** The visits of a day; those of the day before until the shop opens, which `early` is told. */
function Day({ chosen, set, cameras, corrected, early = (_isEarly) => {} }) {
  const day = useVisits(chosen);
  const missed = useTitle();
  useNews(chosen.isToday ? day.newest : null, (news) => missed(news.length));
  const change = (patch) => { day.change(patch); corrected(); };
  const who = useIdentity(change);
  const viewer = useViewer(change);
  const look = mayLoad("captures") ? (one) => viewer.open({ visit: one }) : null;
  const all = () => set({ group: "", only: "", camera: "", hour: "" });
  const isEmpty = !day.waits && !day.rows.length && !day.token && !chosen.group && !chosen.only && !chosen.camera;
  const isEarly = useEarly(chosen.isToday && !chosen.hour && isEmpty && !session.now?.screen);
  useEffect(() => early(Boolean(isEarly)), [isEarly]);
  if (isEarly) {
    const before = dayBefore(chosen);
    return html`<${Day} key=${before.day} chosen=${before} set=${set} cameras=${cameras} corrected=${corrected} />`;
  }
  return html`<section aria-label=${t("visits.visits")}>
    ${day.problem && html`<${Trouble} problem=${day.problem} again=${day.rows.length ? day.more : null} />`}
    <${List} day=${day} chosen=${chosen} all=${all} cameras=${cameras} who=${who} look=${look} />
    ${chosen.isToday && html`<${LiveRegion} rows=${day.newest} />`}
    ${who.dialog}${viewer.dialog}
  </section>`;
}
