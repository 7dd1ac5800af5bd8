// A chart of a period beside the one before it: by mouse, finger or arrow keys, and the same figures as a table.
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { theme, useValue } from "../store.js";
import { styled } from "../styled.js";
import { number, t } from "../words.js";

const TICK_PX = 44;
const BAR_PX = 3;
/** Bars are at least so wide; more of them are drawn as a line. */
const WHOLE = Array.from({ length: 9 }, (_, zeros) => [1, 2, 5].map((digit) => digit * 10 ** zeros)).flat();

let library = null;

/** Load uPlot and its stylesheet, once. */
function loaded() {
  library ??= Promise.all([import("uplot"), styled("uplot.css")]).then(([module]) => module.default);
  library.catch(() => { library = null; });
  return library;
}

/**
 * `names`: of all buckets; `ticks`: what stands below each; `now`, `before`: an amount or null each; `called`: what
 * these two are called. `says`: the chart in words, `rest`: in few, until a bucket is chosen; `top`: the highest amount
 * of this chart
 * and those beside it; children: a legend.
 */
export function Chart(given) {
  const { title, says, rest, names, now, before, called, height, children, open = null } = given;
  const [at, setAt] = useState(null);
  const [broken, setBroken] = useState(false);
  const asTable = given.asTable || broken;
  const { box, drawn } = usePlot({ ...given, asTable }, setAt, () => setBroken(true));
  if (asTable) return html`<${Figures} ...${{ title, names, now, before, called }} />`;
  const told = at === null || at >= names.length ? null
    : [names[at], `${called[0]}: ${shown(now[at])}`, ...(before ? [`${called[1]}: ${shown(before[at])}`] : [])];
  const choose = (event) => {
    const index = Number(event.target.value);
    setAt(index);
    drawn.current?.setCursor({ left: drawn.current.valToPos(index, "x"), top: 0 });
  };
  const enter = () => at !== null && open?.(at);
  return html`<figure class="chart"><figcaption class="unseen">${says}</figcaption>
    <div class=${`plot ${open ? "opens" : ""}`} ref=${box} onClick=${enter} style=${{ height: `${height}px` }}></div>
    <input type="range" min="0" max=${names.length - 1} step="1" aria-label=${title}
      value=${at ?? now.findLastIndex((one) => one !== null)} aria-valuetext=${told?.join(", ") ?? says}
      onInput=${choose} onKeyDown=${(event) => { if (event.key === "Enter") enter(); }} />
    <div class="told small soft"><p aria-hidden="true">
      ${told ? html`<strong>${told[0]}</strong> ${told.slice(1).join(" · ")}` : rest}</p>${children}</div>
  </figure>`;
}

/** Draw a chart into `box`, again if its figures or the page's colours change. `tell`: gets the bucket pointed at. */
function usePlot({ names, ticks, now, before, top, height, asTable }, tell, fail) {
  const box = useRef();
  const drawn = useRef(null);
  const media = ["(prefers-color-scheme: dark)", "(forced-colors: active)"].map(useMedia);
  const colours = [useValue(theme), ...media].join();
  useEffect(() => {
    if (asTable) return;
    let plot, gone = false;
    const draw = (Plot) => {
      if (gone || !box.current) return; // the page was left while the library came
      const pointed = ({ cursor }) => cursor.idx !== undefined && tell(cursor.idx);
      const figures = [names.map((_, index) => index), before || now.map(() => null), now];
      const how = options(Plot, box.current, { ticks, top, height, tell: pointed });
      drawn.current = plot = new Plot(how, figures, box.current);
    };
    loaded().then(draw, fail);
    const watcher = new ResizeObserver(([{ contentRect }]) => plot?.setSize({ width: contentRect.width, height }));
    watcher.observe(box.current);
    return () => { gone = true; watcher.disconnect(); plot?.destroy(); drawn.current = null; };
  }, [names.join(), now.join(), before && before.join(), top, asTable, colours]);
  return { box, drawn };
}

const shown = (amount) => (amount === null || amount === undefined ? t("chart.none") : number(amount));

/** Say whether a media query holds, also when that changes. */
export function useMedia(query) {
  const [, again] = useReducer((before) => before + 1, 0);
  const watched = matchMedia(query);
  useEffect(() => {
    watched.addEventListener("change", again);
    return () => watched.removeEventListener("change", again);
  }, [query]);
  return watched.matches;
}

function options(Plot, box, { ticks, top, height, tell }) {
  const style = getComputedStyle(box);
  const [accent, pale, edge, soft, line] = ["accent", "pale", "edge", "soft", "line"]
    .map((name) => style.getPropertyValue(`--${name}`).trim());
  const width = box.clientWidth;
  const isBars = ticks.length * BAR_PX < width - 48;
  box.parentNode.toggleAttribute("data-lines", !isBars);
  const marked = ticks.flatMap((text, index) => (text ? [index] : []));
  const nth = (plot) => Math.ceil((marked.length * TICK_PX) / Math.max(plot.width - 48, 1));
  const sparse = (plot) => marked.filter((_, place) => place % nth(plot) === 0);
  const wide = (_, texts) => 14 + 7 * Math.max(3, ...(texts ?? []).map((one) => one.length));
  const axis = { stroke: soft, font: `12px ${style.fontFamily}`, gap: 6, ticks: { show: false } };
  const points = { show: false };
  const bars = (...size) => Plot.paths.bars({ size, radius: 0.06 });
  return {
    width, height, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: {
      y: false, drag: { x: false, y: false, setScale: false }, points: { size: 7, stroke: accent, fill: accent },
    },
    scales: { x: { time: false, range: [-0.5, ticks.length - 0.5] }, y: { range: [0, Math.max(top, 4) * 1.04] } },
    axes: [
      { ...axis, size: 26, grid: { show: false }, splits: sparse,
        values: (_, indices) => indices.map((index) => ticks[index]) },
      { ...axis, size: wide, grid: { stroke: line, width: 1 }, incrs: WHOLE, space: 32,
        values: (_, amounts) => amounts.map((one) => number(one)) },
    ],
    series: isBars ? [
      {}, { stroke: edge, fill: pale, width: 1, points, paths: bars(0.84, 56) },
      { fill: accent, width: 0, points, paths: bars(0.48, 32) },
    ] : [{}, { stroke: edge, width: 1.5, dash: [4, 3], points }, { stroke: accent, width: 2, fill: pale, points }],
    hooks: { setCursor: [tell] },
  };
}

function Figures({ title, names, now, before, called }) {
  const heads = before ? called : [called[0]];
  return html`<div class="scrolls" tabindex="0" role="region" aria-label=${title}>
    <table class="numbers"><caption class="unseen">${title}</caption>
    <thead><tr>${[t("chart.time"), ...heads].map((one) => html`<th scope="col">${one}</th>`)}</tr></thead>
    <tbody>${names.map((name, index) => html`<tr key=${name}><th scope="row">${name}</th><td>${shown(now[index])}</td>
      ${before && html`<td>${shown(before[index])}</td>`}</tr>`)}</tbody></table></div>`;
}
