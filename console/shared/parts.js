// Parts that pages are made of.
import { createContext } from "preact";
import { useContext, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { focusRow, rowOf } from "../kept.js";
import { opened } from "../router.js";
import { useValue } from "../store.js";
import { say } from "../undo.js";
import { explain, number, t, tOr } from "../words.js";
import { spotlight } from "./spotlight.js";
import { isPassing, isTold, meet, troubles, tryAll, waitOf } from "./troubles.js";

/** How long a page may take to draw what a dialog has changed. */
const DRAWN_MS = 100;

/** Whether what a page asks for first is there: pictures come after it. */
export const IsSettled = createContext(true);

/**
 * A picture of somebody, or if there is none the initial of the name, or a quiet shape. `alt`: "" if the name stands
 * beside it; `meant`: v1's portrait, if it says which of several faces is meant. One that did not come is asked for
 * again when the network is back.
 */
export function Portrait(given) {
  const { url, alt = "", size = "m", lazy = true, icon = "people", name = "", meant = null } = given;
  const [broken, setBroken] = useState(null);
  useEffect(() => {
    if (!broken) return;
    const again = () => setBroken(null);
    addEventListener("online", again);
    return () => removeEventListener("online", again);
  }, [broken]);
  const isSettled = useContext(IsSettled);
  if (url && !isSettled) return html`<span class="portrait ${size} none"></span>`;
  if (!url || broken === url) {
    return html`<span class="portrait ${size} none" role=${alt ? "img" : null} aria-label=${alt || null}>
      ${name ? html`<span class="called" aria-hidden="true">${[...name][0].toUpperCase()}</span>`
        : html`<${Icon} name=${icon} size=${24} />`}</span>`;
  }
  return html`<img class="portrait ${size} face" src=${url} alt=${alt} loading=${lazy ? "lazy" : "eager"}
    style=${meant?.box && spotlight(meant)} decoding="async" onError=${() => setBroken(url)} />`;
}

/** What somebody is called: a name, or words for who has none, or may not be named: erased, deleted or restricted. */
export function nameOf({ name, group, number = null }) {
  if (name) return name;
  if (name === null) return t("face.somebody");
  if (number) return t(tOr(`face.number.${group}`, "") ? `face.number.${group}` : "face.number", { n: String(number) });
  return group === "stranger" ? t("face.stranger") : t("face.unnamed");
}

/** A text with somebody's name in it, which blur hides. `values`: the name, and what else the text takes. */
export function whose(text, values) {
  const [before, after] = t(text, { ...values, name: "\0" }).split("\0");
  return html`<span>${before}<span class="called">${values.name}</span>${after}</span>`;
}

export function groupName(name) {
  return tOr(`groups.${name}`, name);
}

/** Groups as options to choose from. */
export const groupOptions = (groups) => (groups ?? []).map((group) => [group.name, groupName(group.name)]);

/** A score against the threshold that it had to reach: a bar with a tick, and the same in words. */
export function Score({ score, threshold, match }) {
  if (score === null || score === undefined) return null;
  const share = (value) => `${Math.max(0, Math.min(1, value)) * 100}%`;
  const kind = threshold == null ? "alone" : (match ?? score >= threshold) ? "match" : "below";
  const words = t(`score.${kind}`, { score: number(score, 2), threshold: number(threshold ?? 0, 2) });
  return html`<span class="score" role="img" aria-label=${words} title=${words}>
    <span class="bar"><span class="fill" style=${{ width: share(score) }}></span>
      ${threshold != null && html`<span class="tick" style=${{ insetInlineStart: share(threshold) }}></span>`}</span>
    <span class="value" aria-hidden="true">${number(score, 2)}</span>
  </span>`;
}

/** What stands on a page that has nothing to show, and what would fill it. */
export function Empty({ title, children, icon }) {
  return html`<div class="empty">${icon && html`<${Icon} name=${icon} size=${32} />`}
    <h2>${title}</h2><div>${children}</div></div>`;
}

/**
 * What went wrong: a title by the error's code, the API's sentence, another try, and the id by which the log knows it.
 * What may pass is told once a page, and tried again by itself.
 */
export function Trouble({ problem, again }) {
  const all = useValue(troubles);
  const mine = useRef(/** @type {any} */ ({}));
  const passes = Boolean(again) && isPassing(problem);
  Object.assign(mine.current, { problem, again }); // it keeps its place: who is told stays told, and its waits grow
  useLayoutEffect(() => { if (passes) return meet(mine.current); }, [passes, problem.code]);
  if (passes && !isTold(all, mine.current)) return null;
  const [says, retry] = problem.action ?? [t("again"), passes ? () => tryAll(troubles.now, mine.current) : again];
  const copy = () => navigator.clipboard.writeText(problem.request_id).then(() => say(t("copied")));
  return html`<div class="trouble" role="alert">
    <strong>${tOr(`problem.${problem.code}`, t("problem"))}</strong>
    <p>${problem.code || problem.detail ? explain(problem) : String(problem)}</p>
    <p class="row">
      ${retry && html`<button onClick=${retry}>${says}</button>`}
      ${passes && html`<${Countdown} problem=${problem} done=${retry} />`}
    </p>
    ${problem.request_id && html`<details class="soft small"><summary>${t("problem.details")}</summary>
      ${explain(problem) !== problem.detail && html`<p lang="en">${problem.detail}</p>`}
      <p class="row">${t("problem.id")} <code>${problem.request_id}</code>
        ${navigator.clipboard && html`<button class="plain small" onClick=${copy}>${t("copy")}</button>`}
      </p></details>`}
  </div>`;
}

/** The seconds until another try by itself: more each time that it fails. Screen readers are spared them. */
function Countdown({ problem, done }) {
  const tries = useRef();
  const [left, setLeft] = useState(waitOf(0));
  useEffect(() => {
    tries.current = (tries.current ?? -1) + 1;
    const end = Date.now() + waitOf(tries.current) * 1000;
    const timer = setInterval(() => {
      const seconds = Math.ceil((end - Date.now()) / 1000);
      setLeft(Math.max(0, seconds));
      if (seconds > 0) return;
      clearInterval(timer);
      done();
    }, 500);
    return () => clearInterval(timer);
  }, [problem]);
  return html`<span class="soft small" aria-hidden="true">${t("again.in", { seconds: left })}</span>`;
}

/**
 * A dialog that gives the focus back to where it was. `close` is called by Escape and "back" as well; `isPlace`: it
 * has an address of its own, which "back" leaves.
 */
export function Dialog({ title, close, children, wide = false, isPlace = false }) {
  const ref = useRef();
  const latest = useRef();
  latest.current = close;
  useLayoutEffect(() => {
    const dialog = ref.current;
    const row = rowOf(document.activeElement);
    const closed = isPlace ? null : opened(() => latest.current());
    dialog.showModal();
    return () => {
      dialog.close(); // which gives the focus back, unless what had it has gone
      closed?.();
      setTimeout(() => document.activeElement === document.body && focusRow(row), DRAWN_MS);
    };
  }, []);
  return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-label=${title}
      onCancel=${(event) => { event.preventDefault(); close(); }}
      onClick=${(event) => event.target === ref.current && close()}>
    <div class="sheet">
      <header><h2>${title}</h2><button class="plain square" aria-label=${t("close")} onClick=${close}>
        <${Icon} name="close" /></button></header>
      ${children}
    </div>
  </dialog>`;
}

/** The last line of a dialog: what leaves it, and what does it. */
export function Ending({ close, children, before = null, kind = "strong", ...does }) {
  return html`<p class="row end">${before}<button type="button" onClick=${close}>${t("cancel")}</button>
    <button class=${kind} ...${does}>${children}</button></p>`;
}

/** Something that holds or not. */
export const Check = ({ label, set, ...more }) => html`<label class="inline"><input type="checkbox" ...${more}
  onChange=${({ target }) => set(target.checked)} />${label}</label>`;

/** One of several, by `options`: pairs of a value and its text. */
export function Select({ label, options, set, ...more }) {
  return html`<select aria-label=${label} onChange=${({ target }) => set(target.value)} ...${more}>
    ${options.map(([one, text]) => html`<option key=${one} value=${one}>${text}</option>`)}</select>`;
}

/** A button that offers the formats of a table, and saves it in one. A page shows one of them. */
export const Save = ({ save, ...more }) => html`<button ...${more} popovertarget="saves">${t("save")}</button>
  <div id="saves" popover="auto">${["xlsx", "csv"].map((one) => html`
    <button key=${one} class="plain" popovertarget="saves" onClick=${() => save(one)}>${t(`save.${one}`)}</button>`)}
  </div>`;

/** One of a few, side by side. */
export function Segments({ label, options, value, set, disabled = false }) {
  return html`<div class="segments" role="group" aria-label=${label}>${options.map(([one, text, says]) => html`
    <button key=${one} type="button" aria-pressed=${value === one} aria-label=${says} title=${says}
      disabled=${disabled} onClick=${() => set(one)}>${text}</button>`)}</div>`;
}

/** True from 200 ms on, so that what is quick shows no grey shapes. */
export function useSlow(waits) {
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    if (!waits) return setSlow(false);
    const timer = setTimeout(() => setSlow(true), 200);
    return () => clearTimeout(timer);
  }, [waits]);
  return waits && slow;
}

/**
 * Load something for a component: what came last stays while it loads again, and when that fails.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {any[]} depends
 */
export function useLoaded(load, depends) {
  const [state, setState] = useState(/** @type {import("types").Loaded<T>} */ ({ waits: true }));
  const [tries, setTries] = useState(0);
  const asked = useRef();
  useEffect(() => {
    const stop = new AbortController();
    const key = JSON.stringify(depends);
    const stays = asked.current === key;
    asked.current = key;
    setState((before) => (stays ? { ...before, waits: true } : { waits: true }));
    load(stop.signal).then(
      (value) => stop.signal.aborted || setState({ value, waits: false }),
      (problem) => stop.signal.aborted || setState((before) => ({ ...before, problem, waits: false })),
    );
    return () => stop.abort();
  }, [...depends, tries]);
  return {
    ...state,
    again: () => setTries((before) => before + 1),
    set: (/** @type {any} */ value) => setState((before) =>
      ({ ...before, value: typeof value === "function" ? value(before.value) : value })),
  };
}

/** Grey shapes of the size of what will come. */
export function Shapes({ count = 6, kind = "row" }) {
  return html`<div class="shapes ${kind}" aria-hidden="true">
    ${Array.from({ length: count }, () => html`<span></span>`)}</div>`;
}

/** What a page shows of what it loads until that is there, or if it cannot be. `of`: as `useLoaded` gives it. */
export function Loading({ of: { value, problem, waits, again }, ...shapes }) {
  const slow = useSlow(waits && !value);
  return html`${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    ${slow && html`<${Shapes} ...${shapes} />`}`;
}
