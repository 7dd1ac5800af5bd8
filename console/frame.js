// The frame around every page: sections, who is signed in, keys, and what was said.
import { useEffect, useRef, useState } from "preact/hooks";
import { reading } from "./api.js";
import { html } from "./html.js";
import { comeBack, isBack } from "./kept.js";
import { Icon } from "./icons.js";
import { useKeys } from "./keys.js";
import { DAILY, OTHERS, SETUP } from "./pages.js";
import { MOST_COUNTED, useShared } from "./shared/known.js";
import { needs } from "./shared/needs.js";
import { IsSettled, Trouble, useSlow } from "./shared/parts.js";
import { useAgain } from "./shared/polled.js";
import { go, place, to, toShops } from "./router.js";
import { alerts, blur, hasSeveral, may, mayLoad, pageTitle, session, useValue } from "./store.js";
import { dressed } from "./styled.js";
import { loaded, renew } from "./renewal.js";
import { complain, notes, say, undoLast, unsay } from "./undo.js";
import { late } from "./unsent.js";
import { number, t } from "./words.js";

const SOON_MS = 3_000;
const TOLD_MS = 20_000;
const COUNTED_EVERY_MS = 60_000;
/**
 * How long a page may wait for its answers before it is shown, and before pictures are; how often they are counted, how
 * often none is out.
 */
const [SEEN_MS, SETTLED_MS, TICK_MS, QUIET] = [1_000, 5_000, 16, 3];
/** How often a page's files are asked for until somebody is told: beyond ten at once, a new account on AWS refuses. */
const TRIES = 4;
/** What the first page does without, and may be wanted at any moment after it, also without a network: corrections. */
const soon = () => Promise.all([import("./shared/overlays.js"), dressed("shared")]);
/** A browser that is pushed to goes on with the worker of its day: give it ours. */
const renewWorker = async () => (await navigator.serviceWorker?.getRegistrations())?.length
  && import("./admin/pushed.js").then(({ renewWorkers }) => renewWorkers());
const switchBlur = () => blur.set(blur.now === "on" ? "off" : "on");

export function Frame() {
  const here = useValue(place);
  const [Over, setOver] = useState(null);
  const { screen, page: shown, trial } = useValue(session) ?? {};
  const seen = (pages) => pages.filter((page) => may(page.role) && (!screen || page.name === shown));
  const [daily, setup, others] = [DAILY, SETUP, OTHERS].map(seen);
  const all = [...daily, ...setup, ...others];
  const page = all.find((one) => one.name === here.page) ?? all[0];
  const open = (name) => loaded(soon, 1).then(([overlays]) => setOver(() => overlays[name]), complain);
  const find = () => open("Find");
  useEffect(() => {
    if (blur.now === "on" && !blur.isKept) {
      say(t("blur.begun"), { action: [t("blur.show"), () => blur.set("off")], forMs: TOLD_MS });
    }
  }, []);
  const skip = (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  };
  useKeys({
    ...(screen ? {} : { "/": ["keys.find", find] }),
    "?": ["keys.list", () => open("Keys")],
    ...Object.fromEntries(all.filter((one) => one.key).map((one) =>
      [`g ${one.key}`, [`page.${one.name}`, () => go(one.name)]])),
    b: ["keys.blur", switchBlur],
    u: ["undo", undoLast],
  }, [all.length]);
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${skip}>${t("skip")}</a>
    <header class="rail">
      <a class="brand" href=${hasSeveral() ? toShops() : to("visits")}>
        <span class="mark" aria-hidden="true"></span>${hasSeveral() ? t("shops") : "Regulars"}</a>
      ${!screen && html`<button class="finder" aria-label=${t("find")} onClick=${find}>
        <${Icon} name="find" size=${18} /><span aria-hidden="true">${t("find")}</span>
        <kbd aria-hidden="true">/</kbd></button>`}
      <${Sections} daily=${daily} setup=${setup} current=${page.within ?? page.name} />
      <div class="foot"><${Who} /><${Eye} /></div>
    </header>
    <main id="main" tabindex="-1">
      ${trial && html`<p class="trial">${t("trial")}</p>`}
      <${Page} key=${page.name} page=${page} place=${here} />
    </main>
    <${Alerted} /><${Notes} />
    ${Over && html`<${Over} close=${() => setOver(null)} />`}
  </div>`;
}

/** The sections: at the desk all of them; on a phone those of each day, and the rest behind "More". */
function Sections({ daily, setup, current }) {
  const menu = useRef();
  const waits = useWaits(current);
  const link = (one, more) => {
    const [sign, words] = waits[one.name] ?? [];
    const id = sign && `${more?.autofocus === undefined ? "waits" : "rest"}-${one.name}`;
    return html`<a key=${one.name} href=${to(one.name)} aria-current=${current === one.name ? "page" : null}
        aria-describedby=${id} ...${more}>
      <${Icon} name=${one.icon ?? one.name} /><span>${t(`page.${one.name}`)}</span>
      ${sign && html`<span class="waits" aria-hidden="true">${sign}</span><span id=${id} hidden>${words}</span>`}</a>`;
  };
  const arrows = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const links = [...menu.current.children];
    links[(links.indexOf(document.activeElement) + step + links.length) % links.length].focus();
  };
  return html`<nav aria-label=${t("sections")}>
    <small class="soft">${t("sections.daily")}</small>${daily.map((one) => link(one))}
    <small class="soft">${t("sections.setup")}</small>${setup.map((one) => link(one, { class: "at-the-desk" }))}
    <button class="rest" popovertarget="rest" aria-current=${setup.some((one) => one.name === current) ? "true" : null}>
      <${Icon} name="more" /><span>${t("sections.more")}</span></button>
    <div ref=${menu} id="rest" popover="auto" onKeyDown=${arrows}>
      ${setup.map((one, index) => link(one, { autofocus: !index, onClick: () => menu.current.hidePopover() }))}</div>
  </nav>`;
}

/** What waits in a section, by its name: counted when another is opened, and every minute. */
function useWaits(current) {
  const reviews = useShared("reviews");
  const cameras = useShared("cameras");
  const ask = () => { reviews.ask(); cameras.ask(); };
  useEffect(ask, [current]);
  useAgain({ again: ask }, COUNTED_EVERY_MS);
  const open = reviews.value?.length ?? 0;
  const unwell = needs(cameras.value);
  const counted = open < MOST_COUNTED ? number(open) : `${number(MOST_COUNTED - 1)}+`;
  return {
    review: open > 0 ? [counted, t("sections.review", { count: open })] : undefined,
    cameras: unwell ? ["●", unwell] : undefined,
  };
}

/** Hides faces and names, or shows them, with one click. */
function Eye() {
  const isHidden = useValue(blur) === "on";
  const says = t("blur.hide");
  return html`<button class="plain square eye" aria-pressed=${isHidden} aria-label=${says} title=${says}
    onClick=${switchBlur}><${Icon} name=${isHidden ? "hidden" : "eye"} /></button>`;
}

/** Tells who comes, whatever page is open, if somebody has switched that on. */
function Alerted() {
  const isOn = [useValue(alerts.sound), useValue(alerts.notify)].includes("on") && mayLoad("arrivals");
  const [Watch, setWatch] = useState(null);
  useEffect(() => {
    if (isOn) import("./shared/alerts.js").then((module) => setWatch(() => module.Watch), () => {});
  }, [isOn]);
  return isOn && Watch && html`<${Watch} />`;
}

/** Loads the page's module and shows it; the next page takes the focus, so that readers begin there. */
function Page({ page, place: here }) {
  const [View, setView] = useState(null);
  const [problem, setProblem] = useState(null);
  const load = () => {
    setProblem(null);
    const folders = page.folder ? ["shared", page.folder] : [];
    loaded(() => Promise.all([page.load(), ...folders.map(dressed)]), TRIES).then(
      ([module]) => setView(() => module.default),
      (failure) => renew(failure) || setProblem(failure.action ? failure : { code: "Offline" }));
  };
  useEffect(load, []);
  const slow = useSlow(!View && !problem);
  const isHidden = useValue(blur) === "on";
  const named = useValue(pageTitle);
  const title = (!isHidden && named) || t(`page.${page.name}`);
  useEffect(() => {
    const shop = hasSeveral() ? session.now.display_name : "Regulars";
    document.title = `${isHidden ? `${t("blur.title")} · ` : ""}${title} · ${shop}`;
  }, [title, here.rest.join("/"), isHidden]);
  useEffect(comeBack, [page.name, here.rest.join("/")]);
  if (problem) return html`<div class="page"><h1>${title}</h1><${Trouble} problem=${problem} again=${load} /></div>`;
  if (!View) return slow && html`<div class="page coming"><h1>${title}</h1></div>`;
  return html`<${Settled}><${View} place=${here} /><//>`;
}

/** Have screen readers and keys begin at a page's title, unless somebody has gone on from what `held` the focus. */
function focusTitle(held) {
  const title = /** @type {HTMLElement | null} */ (document.querySelector("main h1"));
  if (!title || document.activeElement !== held || document.querySelector("dialog[open]")) return;
  title.tabIndex = -1;
  title.focus({ preventScroll: true });
}

let isLater = false;
let later;

/** Shows a page once what it asks for first is there, or was waited for long enough: else parts of it would move. */
function Settled({ children }) {
  const [isSeen, setSeen] = useState(false);
  const [isSettled, setSettled] = useState(false);
  useEffect(() => {
    const held = document.activeElement;
    return whenQuiet(SEEN_MS, () => {
      setSeen(true);
      if (isLater && !isBack()) focusTitle(held);
      isLater = true;
    });
  }, []);
  useEffect(() => whenQuiet(SETTLED_MS, () => {
    setSettled(true);
    later ??= setTimeout(() => loaded(soon).then(renewWorker).catch(() => {}), SOON_MS);
  }), []);
  return html`<${IsSettled.Provider} value=${isSettled}>
    <div class=${isSeen ? "" : "settling"}>${children}</div><//>`;
}

/** Call once no answer is waited for, or after so long. Return what ends that. */
function whenQuiet(mostMs, done) {
  const end = performance.now() + mostMs;
  let quiet = 0;
  const timer = setInterval(() => {
    quiet = reading.count ? 0 : quiet + 1;
    if (quiet < QUIET && performance.now() < end) return;
    clearInterval(timer);
    done();
  }, TICK_MS);
  return () => clearInterval(timer);
}

function Who() {
  const { display_name: shop, role, member, key } = useValue(session) ?? {};
  const said = member ? key : t(`role.${role}`);
  const kind = hasSeveral() ? "who several" : "who"; // whose branches look alike if their names are cut
  return html`<a class=${kind} href=${to("settings")}><span class="unseen">${t("account")}: </span>
    <span class="initial" aria-hidden="true">${[...(shop ?? "")][0]?.toUpperCase()}</span>
    <span class="text"><strong>${shop}</strong> <small>${said}</small></span>
  </a>`;
}

/** What was said, and how many changes only this browser has. */
function Notes() {
  const count = useValue(late).length;
  const act = (note) => () => { unsay(note); note.action[1](); };
  return html`<div class="notes" role="status" aria-live="polite">
    ${count > 0 && html`<div class="note">${t("unsent.count", { count })}</div>`}${useValue(notes).map((note) => html`
    <div key=${note.id} class=${`note ${note.kind}`}><span>${note.text}</span>
      ${note.action && html`<button class="plain" onClick=${act(note)}>${note.action[0]}</button>`}
      ${note.kind === "problem" && html`<button class="plain square" aria-label=${t("close")}
        onClick=${() => unsay(note)}><${Icon} name="close" size=${16} /></button>`}
    </div>`)}</div>`;
}
