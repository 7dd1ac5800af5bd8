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
  const usual = useLoaded((signal) => get("usual", {}, { signal }), [today]).value;
  const named = new Map(cameras?.map((camera) => [camera.id, camera.name || camera.id]));
  const [isEarly, setEarly] = useState();
  const shown = isEarly ? asked({ day: addDays(today, -1) }, today) : chosen;
  const set = (changes) => replace("visits", { ...placed(shown), ...changes });
  const { group, only, camera, staff } = chosen;
  const chosenBy = [group, only, camera, staff].filter(Boolean).length;
  const isShown = open ? "open" : "";
  const [corrected, setCorrected] = useState(0);
  const list = (of, setEarly) => html`<${Day} key=${JSON.stringify(of)} chosen=${of} set=${set} cameras=${named}
    notOpen=${usual?.not_open_yet} setEarly=${setEarly} corrected=${() => setCorrected((count) => count + 1)} />`;
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
    <${Counts} key=${`${shown.day} ${corrected}`} chosen=${shown} set=${set} isShown=${isShown} week=${usual?.hours} />
    <div class="columns">
      <div class="needs">${chosen.isToday && html`<${InsideNow} />`}<${Wrong} cameras=${cameras} /><${Asked} /></div>
      ${chosen.isToday && html`<aside><${Seen} groups=${groups} cameras=${cameras} />
        <${Cameras} cameras=${cameras} /></aside>`}
      ${list(chosen, setEarly)}${isEarly && list(shown)}</div>
  </div>`;
}

/** `notOpen`: the shop has not opened yet today. `setEarly` is told that, if nobody has come either. */
function Day({ chosen, set, cameras, corrected, notOpen, setEarly }) {
  const day = useVisits(chosen);
  const missed = useTitle();
  useNews(chosen.isToday ? day.newest : null, (news) => missed(news.length));
  const change = (patch) => { day.change(patch); corrected(); };
  const who = useIdentity(change);
  const viewer = useViewer(change);
  const look = mayLoad("captures") && ((one) => viewer.open({ visit: one }));
  const all = () => set({ group: "", only: "", camera: "", hour: "" });
  const isEmpty = !day.rows.length && day.token === null && !session.now?.screen
    && !Object.values(placed(chosen)).some(Boolean);
  const isEarly = isEmpty && notOpen;
  useEffect(() => setEarly?.(isEarly), [isEarly]);
  if (isEarly) return null;
  return html`<section aria-label=${t("visits.visits")}>
    ${day.problem && html`<${Trouble} problem=${day.problem} again=${day.rows.length ? day.more : null} />`}
    <${List} day=${day} chosen=${chosen} all=${all} cameras=${cameras} who=${who} look=${look} />
    ${chosen.isToday && html`<${LiveRegion} rows=${day.newest} />`}
    ${who.dialog}${viewer.dialog}
  </section>`;
}
