// The tour of a public demo: stops with a few words each, and then how to run one's own. Nothing else loads it.
import { useEffect, useState } from "preact/hooks";
import { html } from "../html.js";
import { useKeys } from "../keys.js";
import { go, place } from "../router.js";
import { useValue } from "../store.js";
import { settleAll } from "../undo.js";
import { t } from "../words.js";

/** Each stop's name, its page with the query, and the one thing that is marked there. */
const STOPS = [
  ["came", "visits", {}, ".hour:first-of-type > ol:first-of-type > li:first-child"],
  ["correct", "review", { queue: "uncertain" }, "article:not([hidden])"],
  ["done", "done", {}, ".acts > li:first-child"],
  ["who", "review", { queue: "promoted" }, "article:not([hidden])"],
  ["traffic", "traffic", {}, ".page > .panel:not(.panel ~ .panel)"],
  ["inside", "places", {}, ".panel:not(.panel ~ .panel)"],
  ["forget", "privacy", {}, ".page > section:first-of-type"],
];
const COMMANDS = ["demo", "test"];
const marks = new CSSStyleSheet();
document.adoptedStyleSheets.push(marks);

export function Tour() {
  const { page } = useValue(place);
  const [at, setAt] = useState(-1); // -1: not begun; behind the last stop: how to run one's own
  const [name, of, , marked] = STOPS[at] ?? [];
  const turn = (next) => {
    setAt(next);
    if (STOPS[next]) settleAll("do").finally(() => go(STOPS[next][1], STOPS[next][2])); // Done lists what is done
  };
  const isOver = at === STOPS.length;
  // Keys, since a page that opens may take the focus.
  useKeys({
    ".": ["tour.next", () => !isOver && turn(at + 1)],
    ",": ["tour.back", () => at >= 0 && turn(at - 1)],
  }, [at]);
  const isThere = of === page;
  useEffect(() => {
    marks.replaceSync(isThere ? `main ${marked} { outline: 3px solid var(--warn); }` : "");
  }, [name, isThere]);
  const says = () => (isOver ? html`<strong>${t("tour.own")}</strong> ${t("tour.own.says")}
      <ul>${COMMANDS.map((one) => html`<li><code>make ${one}</code> ${t(`tour.own.${one}`)}</li>`)}</ul>`
    : name ? html`<strong>${t(`tour.${name}`)}</strong> ${t(`tour.${name}.says`)}` : t("tour.drawn"));
  return html`<section class="tour" aria-label=${t("tour")}>
    <div aria-live="polite">${says()}</div>
    <div class="row">
      ${name && html`<span class="small">${t("tour.place", { n: at + 1, all: STOPS.length })}</span>`}
      ${at >= 0 && html`<button onClick=${() => turn(at - 1)}>${t("tour.back")}</button>`}
      ${!isOver && html`<button class="strong" onClick=${() => turn(at + 1)}>
        ${t(at < 0 ? "tour.begin" : "tour.next")}</button>`}
    </div>
  </section>`;
}
