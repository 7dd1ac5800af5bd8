// The counter's page: whoever comes is shown in large for ten seconds, to be greeted and to be
// corrected. A push leads to the card of one person.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { go, to } from "../router.js";
import { look } from "../shared/combobox.js";
import { pathOf, sameName } from "../shared/correct.js";
import { ifThere, isSpecial, useShared } from "../shared/known.js";
import { Line } from "../shared/line.js";
import { Empty, groupOptions, Loading, nameOf, Portrait, Select, Trouble, useLoaded }
  from "../shared/parts.js";
import { usePolled } from "../shared/polled.js";
import { mayLoad, preference, useValue } from "../store.js";
import { complain } from "../undo.js";
import { useNews } from "../visits/news.js";
import { clock, listed, t, visit } from "../words.js";
import { Card } from "./card.js";

const EVERY_MS = 2000;
const NEWEST = 20;
const SHOWN_MS = 10_000;
/** So long a press is meant for what stood there before: a second press, or one as a card comes or goes. */
const SETTLES_MS = 600;
const LISTED = 6;
const NOT_FOUND = 404;
const DAYS_MS = 2 * 86_400_000;
/** Whose card is shown: a group's; without one, that of the guests of all groups that the shop made. */
const group = preference("counter.group", [""], true);
const PERSON = " one"; // no group's name begins so
/** Whose card is shown if it is that of one person: the id. */
const person = preference("counter.person", [""], true);

export default function Counter({ place }) {
  const id = place.rest[0];
  useEffect(() => () => { if (document.fullscreenElement) document.exitFullscreen(); }, []);
  return id ? html`<${OfOne} key=${id} id=${id} />` : html`<${Waiting} />`;
}

/** The card of somebody's newest visit, until it is answered, or no list names that person any more. */
function OfOne({ id }) {
  const [from] = useState(() => new Date(Date.now() - DAYS_MS).toISOString());
  const [came] = usePolled("arrivals", { face: id, from, limit: 1 }, EVERY_MS);
  const isGone = came.problem?.status === NOT_FOUND;
  const one = isGone ? undefined : came.value?.arrivals.find(isThere);
  return html`<div class="page counter">
    <a class="back" href=${to("visits")}><${Icon} name="back" size=${18} />${t("page.visits")}</a>
    <h1 class="unseen">${t("page.counter")}</h1>
    <${Loading} of=${{ value: came.value, waits: !came.value && !came.problem }} count=${1} />
    ${came.problem && !isGone && html`<${Trouble} problem=${came.problem} />`}
    ${!one && (isGone || came.value) && html`<${Empty} icon="live" title=${t("counter.gone")} />`}
    ${one && html`<${Card} key=${one.sighting} one=${one} close=${() => go("visits")}
      open=${() => go(["counter", id])} />`}</div>`;
}

/** Fill the screen with the cards alone, as on a tablet at the door, or leave that again. */
const fill = () => (document.fullscreenElement ? document.exitFullscreen()
  : document.documentElement.requestFullscreen()).catch(complain);

/** Tell whether somebody was not erased since. */
const isThere = ({ name }) => name !== null;

/** Return what keeps presses from cards that have just moved. */
function useSettled(cards) {
  const changedAt = useRef(0);
  useLayoutEffect(() => { changedAt.current = performance.now(); }, [cards]);
  return (event) => {
    if (performance.now() - changedAt.current > SETTLES_MS || event.target.closest("dialog")) return;
    event.preventDefault();
    event.stopPropagation();
  };
}

function Waiting() {
  const query = { limit: NEWEST, staff: true }; // as the bell asks
  const [came] = usePolled("arrivals", query, EVERY_MS, { isUnseen: true });
  const groups = useShared("groups").value;
  const [kept, whose] = [useValue(group), useValue(person)];
  const chosen = kept === PERSON ? kept : ifThere(groups, kept);
  const [opened, setOpened] = useState([]);
  useEffect(() => setOpened([]), [chosen, whose]); // a card that is not wanted now is not kept for later
  const arrivals = came.value?.arrivals;
  const isOfGroup = (one) => (chosen ? one.group === chosen : isSpecial(groups, one.group));
  const isWanted = (one) => isThere(one) && (chosen === PERSON ? one.face === whose : isOfGroup(one));
  const wanted = arrivals?.filter(isWanted);
  const rows = new Map(arrivals?.map((one) => [one.sighting, one]));
  // others may have changed it; and who is in no list any more, since a consent ended, is on no card
  const cards = opened.map((one) => rows.get(one.sighting)).filter((row) => row && isWanted(row));
  const without = (all, one) => all.filter((each) => each.sighting !== one.sighting);
  const open = (one) => setOpened((before) => [one, ...without(before, one)]);
  const close = (one) => setOpened((before) => without(before, one));
  const keepOff = useSettled(opened);
  useNews(arrivals, (news) => news.filter(isWanted).toReversed().forEach(open));
  return html`<div class="page counter">
    <header class="top"><h1>${t("page.counter")}</h1>
      <label class="inline">${t("counter.of")}<${Select} label=${t("counter.of")} value=${chosen}
        set=${(next) => group.set(next)}
        options=${[["", t("counter.special")], ...(mayLoad("faces") ? [[PERSON, t("counter.person")]] : []),
          ...groupOptions(groups)]} /></label>
      ${chosen === PERSON && html`<${Named} id=${whose} />`}
      ${document.fullscreenEnabled && html`<button onClick=${fill}>${t("counter.full")}</button>`}
    </header>
    ${came.problem && html`<${Trouble} problem=${came.problem} />`}
    <div class="cards-now" onClickCapture=${keepOff}>${cards.map((one) => html`<${Timed} key=${one.sighting}
      close=${() => close(one)}><${Card} one=${one} close=${() => close(one)} open=${() => open(one)} /><//>`)}</div>
    ${!cards.length && html`<p class="no-card soft"><${Icon} name="live" size=${32} />
      ${t("counter.says")}</p>`}
    <p class="unseen" aria-live="polite">${listed(cards.map(nameOf))}</p>
    ${wanted?.length > 0 && html`<section><h2>${t("counter.last")}</h2><ul class="came-last">
      ${wanted.slice(0, LISTED).map((one) => html`<li key=${one.sighting}><button
          onClick=${() => open(one)}>
        <${Portrait} url=${one.portrait?.thumb_url} name=${one.name ?? ""} size="s" />
        <span><strong class="name">${nameOf(one)}</strong>
          <small class="soft">${one.visit ? visit(one.visit) : ""}</small></span>
        <span class="soft">${clock(one.first)}</span></button></li>`)}</ul></section>`}
  </div>`;
}

/** The name of the one person whose card is shown. */
function Named({ id }) {
  const load = (signal) => (id ? get(pathOf({ id }), {}, { signal }) : Promise.resolve(null));
  const { value } = useLoaded(load, [id]);
  const save = async (name) => {
    const found = sameName(await look(name), name);
    if (!found) {
      const problem = { detail: t("counter.nobody", { name }) };
      complain(problem);
      throw problem;
    }
    person.set(found.id);
  };
  return html`<${Line} value=${value?.name ?? ""} label=${t("counter.name")} placeholder=${t("counter.name")}
    save=${save} />`;
}

/** Closes what it shows after ten seconds, unless somebody has it in hand. The list opens it again. */
function Timed({ close, children }) {
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    if (isHeld) return;
    const timer = setTimeout(close, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isHeld]);
  const hold = () => setHeld(true);
  const leave = ({ currentTarget }) => setHeld(Boolean(currentTarget.querySelector("dialog[open]")));
  return html`<div onMouseEnter=${hold} onMouseLeave=${leave} onFocusIn=${hold}
    onFocusOut=${leave}>${children}</div>`;
}
