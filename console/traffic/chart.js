// A chart of a period beside the one before it: by mouse, finger or arrow keys, and the same figures as a table.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { minutes, share } from "../shared/known.js";
import { joined, number, t } from "../words.js";

const LEVEL_PX = 32;
/** More are drawn as a line. */
const MOST_BARS = 100;
const WIDEST = 0.84;
const LARGE_PX = 200;
/** The least width of a page with room for a large chart: twelve texts below it, and slim bars. */
const ROOMY_PX = 640;

/** Return the heights of the lines behind the bars: whole numbers, in steps of one, two or five. */
export function levels(most, count) {
  let step = 1;
  for (let place = 0; most / step > count; place++) step = [1, 2, 5][place % 3] * 10 ** Math.floor(place / 3);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, n) => n * step);
}

/** Return the path of a bar for each amount, so wide as a share of its place, or of a line through all of them. */
export function pathOf(amounts, width) {
  const isLine = amounts.length > MOST_BARS;
  const bar = (amount, at) => (amount ? `M${at + (1 - width) / 2} 0v${amount}h${width}V0z` : "");
  const point = (amount, at) => (amount === null ? "" : `${amounts[at - 1] == null ? "M" : "L"}${at + 0.5} ${amount}`);
  return amounts.map(isLine ? point : bar).join("");
}

/** Return the places of the texts that stand below a chart: of those that have one, at most so many. */
function sparse(ticks, most) {
  const marked = ticks.flatMap((text, index) => (text ? [index] : []));
  const nth = Math.ceil(marked.length / most);
  return marked.filter((_, place) => place % nth === 0);
}

/**
 * `names`: of all buckets; `ticks`: what stands below each; `now`, `before`: an amount or null each; `called`: what
 * these two are called. `says`: the chart in words, `rest`: in few, until a bucket is chosen; `top`: the highest amount
 * of this chart and those beside it; `gaps`: whether each was not counted as a whole, or none; children: a legend.
 * `looks`: of both, how long each bucket was watched, of how long; undefined where that is no question.
 */
export function Chart(given) {
  const { title, says, rest, names, now, before, called, looks, asTable, children, open = null } = given;
  const [at, setAt] = useState(null);
  if (asTable) return html`<${Figures} ...${{ title, names, now, before, called, looks }} />`;
  const told = at === null || at >= names.length ? null
    : [names[at], ...[now, ...(before ? [before] : [])].map((amounts, which) =>
      joined(`${called[which]}: ${shown(amounts[at])}`, share(looks[which][at])))];
  const enter = () => at !== null && open?.(at);
  return html`<figure class=${`chart ${names.length > MOST_BARS ? "lines" : ""}`}>
    <figcaption class="unseen">${says}</figcaption>
    <${Plot} ...${given} at=${at} tell=${setAt} enter=${open && enter} />
    <input type="range" min="0" max=${names.length - 1} step="1" aria-label=${title}
      value=${at ?? now.findLastIndex((one) => one !== null)} aria-valuetext=${told?.join(", ") ?? says}
      onInput=${({ target }) => setAt(Number(target.value))}
      onKeyDown=${(event) => { if (event.key === "Enter") enter(); }} />
    <div class="told small soft"><p aria-hidden="true">
      ${told ? html`<strong>${told[0]}</strong> ${told.slice(1).join(" · ")}` : rest}</p>${children}</div>
  </figure>`;
}

/** The picture. `tell`: gets the bucket that is pointed at. */
function Plot({ ticks, now, before, gaps, top, height, at, tell, enter }) {
  const count = ticks.length;
  const most = Math.max(top, 4) * 1.04;
  const isLarge = height > LARGE_PX && innerWidth >= ROOMY_PX;
  const wide = Math.min(WIDEST, count * (isLarge ? 0.056 : 0.16));
  const share = (part) => `${(100 * part).toFixed(2)}%`;
  const point = ({ clientX, currentTarget }) => {
    const { left, width } = currentTarget.getBoundingClientRect();
    tell(Math.max(0, Math.min(count - 1, Math.floor(((clientX - left) / width) * count))));
  };
  return html`<div class=${`plot ${enter ? "opens" : ""}`} style=${{ height: `${height}px` }} aria-hidden="true"
      onClick=${enter} onPointerMove=${point} onPointerLeave=${() => tell(null)}>
    ${levels(most, height / LEVEL_PX).map((one) => html`<span key=${one} class="level"
      style=${{ bottom: share(one / most) }}>${number(one)}</span>`)}
    <svg viewBox=${`0 0 ${count} ${most}`} preserveAspectRatio="none">
      <path class="gap" d=${gaps.map((isGap, place) => (isGap ? `M${place} 0h1V${most}h-1z` : "")).join("")} />
      ${before && html`<path class="before" d=${pathOf(before, wide)} />`}
      <path class="now" d=${pathOf(now, wide * 0.57)} />
      ${at !== null && html`<path class="at" d=${`M${at + 0.5} 0V${most}`} />`}</svg>
    ${sparse(ticks, isLarge ? 12 : 6).map((place) => html`<span key=${place} class="tick"
      style=${{ left: share((place + 0.5) / count) }}>${ticks[place]}</span>`)}</div>`;
}

const shown = (amount) => (amount === null || amount === undefined ? t("chart.none") : number(amount));

const minutesOf = (looked) => (looked ? minutes(looked) : [null, null]);

function Figures({ title, names, now, before, called, looks }) {
  const columns = before ? [now, before] : [now];
  const isLooked = looks.flat().some(Boolean);
  const more = isLooked ? [t("minutes.watched"), t("minutes.open")] : [];
  const heads = columns.flatMap((_, which) => [called[which], ...more]);
  const cells = (index) => columns.flatMap((amounts, which) =>
    [amounts[index], ...(isLooked ? minutesOf(looks[which][index]) : [])]);
  return html`<div class="scrolls" tabindex="0" role="region" aria-label=${title}>
    <table class="numbers"><caption class="unseen">${title}</caption>
    <thead><tr>${[t("chart.time"), ...heads].map((one) => html`<th scope="col">${one}</th>`)}</tr></thead>
    <tbody>${names.map((name, index) => html`<tr key=${name}><th scope="row">${name}</th>
      ${cells(index).map((amount) => html`<td>${shown(amount)}</td>`)}</tr>`)}</tbody></table></div>`;
}
