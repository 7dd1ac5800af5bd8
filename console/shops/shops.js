// The shops that this browser is signed in to, a row each, with how today goes there. A press enters.
import { useEffect, useRef, useState } from "preact/hooks";
import { forget, get } from "../api.js";
import { html } from "../html.js";
import { toShop } from "../router.js";
import { Inside } from "../shared/inside.js";
import { isSpecial } from "../shared/known.js";
import { whenLeft } from "../shared/left.js";
import { isAnyBlind, needs } from "../shared/needs.js";
import { groupName, Loading, useLoaded } from "../shared/parts.js";
import { useAgain } from "../shared/polled.js";
import { blur, bookOf, mayLoad } from "../store.js";
import { signed, t } from "../words.js";
import { dayOf, here, isUsual } from "./figures.js";
import { FindPerson } from "./person.js";

const EVERY_MS = 60_000;
const MOST_HERE = 20;
/** Why a shop lets nobody in, by the status of its answer: the session is over, or the shop is disabled. */
const CLOSED = { 401: "over", 403: "off" };

/** By these statuses a shop answers this browser no more, or another book does: its figures go. */
const GONE = [...Object.keys(CLOSED).map(Number), 412];

/** Load who the browser is at each shop, by name; and how many shops could not be asked, by the reason. */
async function sessions(books, signal) {
  const closed = { over: 0, off: 0, later: 0 };
  const problems = [];
  const note = (problem) => {
    problems.push(problem);
    closed[CLOSED[problem.status] ?? "later"]++;
  };
  const all = await Promise.all(books.map((book) => get("session", {}, { signal, book }).catch(note)));
  const known = all.filter(Boolean);
  if (closed.later && !known.length) throw problems.find(({ status }) => !CLOSED[status]);
  return { known: known.sort((one, other) => one.display_name.localeCompare(other.display_name)), closed };
}

/** Return the sessions without that of a book that was left in another tab. */
function without(book, all) {
  const known = all.known.filter((one) => bookOf(one) !== book);
  const over = all.closed.over + all.known.length - known.length;
  return { known, closed: { ...all.closed, over } };
}

/** Load a shop's day with its own session, or as much of it as that may see. */
async function today(known, signal) {
  const ask = (path, query = {}) => get(path, query, { signal, book: known.book });
  const askFor = async (list, otherwise) => (mayLoad(list, known) ? ask(list) : otherwise);
  const [statistics, { hours }, { cameras }, { groups }, { places }] = await Promise.all([
    ask("statistics", { by: "hour" }), askFor("usual", {}), askFor("cameras", { cameras: [] }),
    askFor("groups", { groups: [] }), askFor("places", { places: [] }),
  ]);
  const now = Date.now();
  const guests = [];
  for (const { name: group } of groups.filter(({ name }) => isSpecial(groups, name))) { // one by one: shops are many
    const { arrivals } = await ask("arrivals", { group, limit: MOST_HERE });
    guests.push({ group, names: here(arrivals, now) });
  }
  const day = dayOf(statistics, hours, statistics.time_zone, now);
  return { ...day, places, guests, unwell: needs(cameras), isBlind: isAnyBlind(cameras) };
}

/** `add`: signs in to one more. */
export function Shops({ books, add }) {
  const found = useLoaded((signal) => sessions(books, signal), [books]);
  useEffect(() => { document.title = `${t("shops")} · Regulars`; }, []);
  useEffect(() => whenLeft((book) => {
    forget();
    found.set((all) => all && without(book, all));
  }), []);
  const [isAsked, setIsAsked] = useState(false);
  const { known, closed } = found.value ?? { known: [], closed: {} };
  const answers = useRef(new Map());
  const [first, setFirst] = useState(/** @type {any} */ (null)); // once all have answered: rows do not jump
  const tell = (book, calls) => {
    answers.current.set(book, calls);
    if (answers.current.size >= known.length) setFirst((before) => before ?? new Map(answers.current));
  };
  const calls = ({ book }) => Number(first?.get(book) ?? false);
  const sorted = known.toSorted((one, other) => calls(other) - calls(one));
  useEffect(() => {
    if (known.length) blur.begin(known.some(({ role }) => role === "viewer") ? "on" : "off");
  }, [found.value]);
  return html`<main class="page shops" id="main" tabindex="-1">
    <h1>${t("shops")}</h1>
    <${Loading} of=${found} />
    <ul>${sorted.map((one) => html`<${Row} key=${one.book} known=${one} tell=${tell} />`)}</ul>
    ${Object.entries(closed).map(([why, count]) => count > 0 && html`
      <p key=${why} class="notice">${t(`shops.${why}`, { count })}</p>`)}
    ${found.value && html`<p class="row"><button onClick=${add}>${t("shops.add")}</button>
      <button aria-expanded=${isAsked} onClick=${() => setIsAsked(!isAsked)}>${t("shops.person")}</button></p>`}
    ${isAsked && html`<${FindPerson} shops=${known} />`}
  </main>`;
}

/** A shop's row. `tell(book, calls)`: is told whether the shop calls for a look, and so stands first. */
function Row({ known, tell }) {
  const { book, display_name: shop } = known;
  const found = useLoaded((signal) => today(known, signal), [book]);
  useAgain(found, EVERY_MS);
  const { problem } = found;
  const value = GONE.includes(problem?.status) ? undefined : found.value;
  const calls = Boolean(value && (value.is || value.unwell));
  useEffect(() => { if (value || problem) tell(book, calls); }, [value, problem]);
  return html`<li><a href=${toShop(bookOf(known)) + location.hash}>
    <strong class="shop">${shop}</strong>
    ${value && html`<${Figures} ...${value} /><${Bars} shop=${shop} ...${value} />
      <span class="more"><${More} ...${value} /></span>`}
    ${problem && html`<span class="trouble">${t("shops.unread")}</span>`}
  </a></li>`;
}

function Figures({ count, change, is, isBlind: sawLess }) {
  const than = change ? t("shops.than", { change: signed(change) }) : isUsual(change, sawLess) && t("shops.usual");
  return html`<span class="figure">${t("shops.today", { count })}
    ${than && html`<span class=${is ? "unusual" : "soft"}>
      ${than}${is && ` · ${t(`shops.${is}`)}`}</span>`}</span>`;
}

/** The hours of the day as bars, with those of a usual day behind them. */
function Bars({ shop, hours, usual }) {
  const most = Math.max(1, ...hours, ...(usual ?? []));
  const height = (count) => ({ height: `${(100 * count) / most}%` });
  return html`<span class="bars" role="img" aria-label=${t("shops.chart", { shop })}>${hours.map((count, hour) => html`
    <span key=${hour}>${usual?.[hour] > 0 && html`<i style=${height(usual[hour])}></i>`}
      <b style=${height(count)}></b></span>`)}</span>`;
}

/** What needs somebody, and who is worth a greeting. */
function More({ unwell, guests, places }) {
  return html`<${Inside} places=${places} />
    ${unwell && html`<span class="unwell">${unwell}</span>`}
    ${guests.map(({ group, names }) => names.length > 0 && html`<span key=${group}>
      ${groupName(group)} ${t("shops.here")} ${names.map((name, place) => html`
      ${place > 0 && ", "}<span class="name">${name}</span>`)}</span>`)}`;
}
