// The frame around every page: sections, who is signed in, keys, and what was said.
import { useEffect, useRef, useState } from "preact/hooks";
import { Find } from "./find.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { taken, useKeys } from "./keys.js";
import { OTHERS, PAGES } from "./pages.js";
import { Dialog, Trouble } from "./shared/parts.js";
import { go, place, to } from "./router.js";
import { blur, may, session, useValue } from "./store.js";
import { styled } from "./styled.js";
import { notes, say, undoLast, unsay } from "./undo.js";
import { loadMore, t } from "./words.js";

const MOST_ON_A_PHONE = 5;
/** Load what the first page does without, and most others need. */
const shared = () => styled("./shared/style.css");

export function Frame() {
  const here = useValue(place);
  const [open, setOpen] = useState(null);
  const shown = PAGES.filter((page) => may(page.role));
  const page = [...shown, ...OTHERS].find((one) => one.name === here.page) ?? shown[0];
  const close = () => setOpen(null);
  useEffect(() => {
    shared();
    if (blur.now === "on" && !blur.isKept) say(t("blur.begun"), { action: [t("blur.show"), () => blur.set("off")] });
  }, []);
  useKeys({
    "/": ["keys.find", () => setOpen("find")],
    "?": ["keys.list", () => setOpen("keys")],
    ...Object.fromEntries(shown.map((one) => [`g ${one.key}`, [`page.${one.name}`, () => go(one.name)]])),
    b: ["keys.blur", () => blur.set(blur.now === "on" ? "off" : "on")],
    u: ["undo", undoLast],
  }, [shown.length]);
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>${t("skip")}</a>
    <header class="rail">
      <a class="brand" href=${to("visits")}><span class="mark" aria-hidden="true"></span>Regulars</a>
      <button class="finder" aria-label=${t("find")} onClick=${() => setOpen("find")}><${Icon} name="find" size=${18} /><span aria-hidden="true">${t("find")}</span><kbd aria-hidden="true">/</kbd></button>
      <${Sections} shown=${shown} current=${page.within ?? page.name} />
      <${Who} />
    </header>
    <main id="main" tabindex="-1"><${Page} key=${page.name} page=${page} place=${here} /></main>
    <${Notes} />
    ${open === "find" && html`<${Find} close=${close} />`}
    ${open === "keys" && html`<${Keys} close=${close} />`}
  </div>`;
}

/** The sections: at the desk all of them; on a phone as many as there is room for, and the rest behind "More". */
function Sections({ shown, current }) {
  const menu = useRef();
  const link = (one, more) => html`<a key=${one.name} href=${to(one.name)} aria-current=${current === one.name ? "page" : null} ...${more}>
    <${Icon} name=${one.icon} /><span>${t(`page.${one.name}`)}</span></a>`;
  const isMore = shown.length > MOST_ON_A_PHONE;
  const rest = shown.slice(MOST_ON_A_PHONE - 1);
  const arrows = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const links = [...menu.current.children];
    links[(links.indexOf(document.activeElement) + step + links.length) % links.length].focus();
  };
  return html`<nav class=${isMore ? "many" : ""} aria-label=${t("sections")}>
    ${shown.map((one) => link(one))}
    ${isMore && html`<button class="rest" popovertarget="rest" aria-current=${rest.some((one) => one.name === current) ? "true" : null}>
        <${Icon} name="more" /><span>${t("sections.more")}</span></button>
      <div ref=${menu} id="rest" popover="auto" onKeyDown=${arrows}>
        ${rest.map((one, index) => link(one, { autofocus: index === 0, onClick: () => menu.current.hidePopover() }))}</div>`}
  </nav>`;
}

/** Loads the page's module and shows it; the next page takes the focus, so that readers begin there. */
function Page({ page, place: here }) {
  const [View, setView] = useState(null);
  const [problem, setProblem] = useState(null);
  const load = () => {
    setProblem(null);
    Promise.all([page.load(), ...(page.folder ? [loadMore(page.folder), shared(), styled(`./${page.folder}/style.css`)] : [])]).then(([module]) => setView(() => module.default), () => setProblem({ code: "Offline" }));
  };
  useEffect(load, []);
  useEffect(() => {
    document.title = `${t(`page.${page.name}`)} · Regulars`;
    scrollTo(0, 0);
  }, [page.name, here.rest.join("/")]);
  if (problem) return html`<div class="page"><h1>${t(`page.${page.name}`)}</h1><${Trouble} problem=${problem} again=${load} /></div>`;
  return View && html`<${View} place=${here} />`;
}

function Who() {
  const { tenant, role, time_zone: zone } = useValue(session) ?? {};
  return html`<a class="who" href=${to("settings")} aria-label=${`${t("account")}: ${tenant}, ${t(`role.${role}`)}, ${zone}`}>
    <span class="initial" aria-hidden="true">${[...(tenant ?? "")][0]?.toUpperCase()}</span>
    <span class="text"><strong>${tenant}</strong><small>${t(`role.${role}`)} · ${zone}</small></span>
  </a>`;
}

function Notes() {
  return html`<div class="notes" role="status" aria-live="polite">${useValue(notes).map((note) => html`
    <div key=${note.id} class=${`note ${note.kind}`}><span>${note.text}</span>
      ${note.action && html`<button class="plain" onClick=${() => { unsay(note); note.action[1](); }}>${note.action[0]}</button>`}
      ${note.kind === "problem" && html`<button class="plain square" aria-label=${t("close")} onClick=${() => unsay(note)}><${Icon} name="close" size=${16} /></button>`}
    </div>`)}</div>`;
}

function Keys({ close }) {
  const rows = useRef(Object.entries(Object.groupBy(taken(), ([, name]) => name))).current;
  return html`<${Dialog} title=${t("keys")} close=${close}>
    <dl class="keys">${rows.map(([name, keys]) => html`<div key=${name}><dt>${[...new Set(keys.flatMap(([key]) => key.split(" ")))].map((one) => html`<kbd>${one}</kbd>`)}</dt><dd>${t(name)}</dd></div>`)}</dl>
  <//>`;
}
