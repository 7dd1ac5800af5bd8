// Who came when: a period beside the one before it, split by camera, age and more, and the week by the hour.
import { useRef } from "preact/hooks";
import { get } from "../api.js";
import { Chart } from "./chart.js";
import { Since } from "./closed.js";
import { beganWithin, behind, growth } from "./compare.js";
import { BUCKETS, conversion, drawn, figures, MEASURES, sums, total, wish } from "./figures.js";
import { saved } from "./file.js";
import { buckets, period, periodName, SPANS } from "./periods.js";
import { Away, First, Week } from "./week.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { useKept } from "../kept.js";
import { useKeys } from "../keys.js";
import { useShared } from "../shared/known.js";
import { Save, Segments, Select, Shapes, Trouble, useLoaded, useSlow } from "../shared/parts.js";
import { go, replace, to } from "../router.js";
import { mayLoad, session } from "../store.js";
import { complain } from "../undo.js";
import { joined, number, signed, t } from "../words.js";
import { nameOfSplit, nameOfValue } from "./values.js";

const SHOWN = 8;

export default function Traffic({ place }) {
  const asked = wish(place.query);
  const { measure, span, by, split, beside, staff, now } = asked;
  const [asTable, setAsTable] = useKept("table", false);
  const load = (signal) => figures(asked, signal);
  const cameras = useShared("cameras").value;
  const file = (format) => saved(asked, cameras, format).catch(complain);
  const loaded = useLoaded(load, [measure, span, now.first, by, split, beside, staff]);
  const set = (changes) => replace("traffic", { ...place.query, ...changes });
  useKeys({ t: ["traffic.table", () => setAsTable(!asTable)] }, [asTable]);
  const last = useRef(null);
  const found = loaded.value ?? last.current; // it stays while the next is read
  last.current = found;
  const slow = useSlow(loaded.waits && !found);
  const isEmpty = found && !total(found.all.sum) && !found.all.earlier;
  const away = !session.now.screen && html`<${Away} />`;
  return html`<div class="page traffic" aria-busy=${loaded.waits}>
    <header class="top"><h1>${t("page.traffic")}</h1><div class="tools">
      <${Choices} name="measure" options=${MEASURES} chosen=${measure} set=${set} />
      ${span === "week" && html`<a class="button" href=${to("report", { at: now.first })}>${t("page.report")}</a>`}
      <${Save} save=${file} /></div></header>
    <${Tools} asked=${asked} set=${set} asTable=${asTable} setAsTable=${setAsTable} />
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${slow && html`<${Shapes} count=${3} />`}
    ${isEmpty ? html`<${First} asked=${asked} show=${(at) => set({ at })} />${away}` : found && html`
      <${Whole} found=${found} asTable=${asTable} set=${set} />
      <${Parts} found=${found} asTable=${asTable} choose=${(one) => set({ split: one })} />
      ${span === "day" ? away : html`<${Week} asked=${asked}>${away}<//>`}`}
  </div>`;
}

function Choices({ name, options, chosen, set }) {
  return html`<${Segments} label=${t(`traffic.${name}`)} value=${chosen} set=${(one) => set({ [name]: one })}
    options=${options.map((one) => [one, t(`traffic.${name}.${one}`)])} />`;
}

/** The period, and how it is shown. */
function Tools({ asked, set, asTable, setAsTable }) {
  const { span, day, by, beside, now, today } = asked;
  const turn = (later) => set({ at: period(span, day, later).first });
  return html`<div class="row periods">
    <${Choices} name="span" options=${SPANS} chosen=${span} set=${set} />
    <span class="turn"><button class="square" aria-label=${t("traffic.earlier")} onClick=${() => turn(-1)}>
        <${Icon} name="back" /></button>
      <strong>${periodName(span, now)}</strong>
      <button class="square" aria-label=${t("traffic.later")} disabled=${now.end > today} onClick=${() => turn(1)}>
        <${Icon} name="forward" /></button></span>
    <span class="apart"></span>
    ${BUCKETS[span].length > 1 && html`<${Select} label=${t("traffic.by")} value=${by}
      set=${(next) => set({ by: next })} options=${BUCKETS[span].map((one) => [one, t(`traffic.by.${one}`)])} />`}
    <button aria-pressed=${beside} onClick=${() => set({ beside: beside ? "no" : "" })}>${t("traffic.beside")}</button>
    <button aria-pressed=${asTable} onClick=${() => setAsTable(!asTable)}>${t("traffic.table")}</button>
  </div>`;
}

/** An amount of the period, and beside it that of the one before. */
function Amount({ found, now, before, large = false }) {
  const { asked, hasSum } = found;
  if (!hasSum) return large && html`<p class="soft">${t("traffic.persons.year")}</p>`;
  const change = before ? growth(now, before, asked.before, found.all.begun) : null;
  const text = large ? t(`traffic.count.${asked.measure}`, { count: now }) : number(now);
  const { share } = found.all;
  return html`<p class=${`amount ${large ? "sum" : ""}`}><strong>${text}</strong>
    ${share && html`<span>${share}</span>`}
    ${found.all.earlier && html`<span class="soft">${change !== null && html`<span class="change">
      ${signed(change / 100, "percent")}</span> · `}${joined(was(found, before, large), found.all.shareBefore)}
    </span>`}</p>`;
}

/** Say what was counted in the period before, or in its part since the book began. */
function was({ asked, isOver, all: { begun } }, count, large) {
  const then = isOver ? "" : ".then";
  if (!large) return t("traffic.was.short", { count });
  if (!beganWithin(asked.before, begun)) {
    return t(`traffic.was${then}`, { count, period: periodName(asked.span, asked.before) });
  }
  const part = periodName("week", { first: begun, end: asked.before.end });
  return t(`traffic.was.young${then}`, { count, period: part, day: periodName("day", period("day", begun)) });
}

/** Return what a chart calls with the place of a bar: it leads to the visits of that day. */
const opens = ({ by, now, split, staff }, value) => (index) =>
  go(...behind(by, buckets(by, now)[index], value === undefined ? "" : split, value, staff));

/** Say in words what a chart shows. */
function says({ asked, hasSum, all }, { called, rest, before }, count) {
  const beside = before && t("traffic.line", { period: called[1] });
  const sum = hasSum && joined(t(`traffic.count.${asked.measure}`, { count }), all.share);
  return [sum, called[0], rest, beside].filter(Boolean).join(", ");
}

function Whole({ found, asTable, set }) {
  const { asked, all } = found;
  const isAsked = asked.staff === "yes";
  const chart = drawn(asked, all);
  const now = total(all.sum);
  const gaps = chart.gaps.filter(Boolean).length;
  const name = t(`traffic.measure.${asked.measure}`);
  return html`<section class="panel"><h2 class="unseen">${name}</h2>
    <${Amount} found=${found} now=${now} before=${total(all.sumBefore || [])} large=${true} />
    ${(isAsked || all.staff > 0) && html`<p><button class="line" onClick=${() => set({ staff: isAsked ? "" : "yes" })}>
      ${t(isAsked ? "traffic.with.staff" : "traffic.without.staff", { count: all.staff })}</button></p>`}
    <${Since} of="traffic.since" told=${all.since} />
    ${all.recounted > 0 && html`<p class="soft">${t("traffic.recounted", { count: all.recounted })}</p>`}
    ${asked.measure === "entries" && html`<p>${conversion(all.sum)}
      ${session.now?.page && ` ${t("traffic.entries.all")}`}
      ${gaps > 0 && html` <span class="soft">${t("traffic.gaps", { count: gaps, of: chart.gaps.length })}</span>`}</p>`}
    <${Chart} ...${chart} title=${`${name}, ${t(`traffic.by.${asked.by}`)}`} says=${says(found, chart, now)}
      open=${opens(asked)} height=${260} asTable=${asTable}>
      ${chart.before && html`<p class="legend" aria-hidden="true"><span></span>${chart.called[0]}
        <span class="before"></span>${chart.called[1]}</p>`}<//>
  </section>`;
}

const least = (value) => (value === "unknown" ? 999 : Number(value));
const rising = (one, other) => least(one) - least(other);
const ORDER = { age: rising, stay: rising, gender: () => 0, entry: () => 0 };

/** The same for each value of a split, on one scale. */
function Parts({ found, asTable, choose }) {
  const { asked, parts: { sum, sumBefore, ...series } } = found;
  const { split, measure } = asked;
  const [most, setMost] = useKept("most", SHOWN);
  const cameras = useShared("cameras").value;
  const [now, before] = [sums(sum), sums(sumBefore)];
  const order = ORDER[split] ?? ((one, other) => now(other) - now(one));
  const values = [...new Set([...sum, ...(sumBefore || [])].flatMap((one) => Object.keys(one.amounts)))].sort(order);
  const charts = values.slice(0, most)
    .map((value) => ({ value, name: nameOfValue(split, value, cameras), chart: drawn(asked, series, value) }));
  const top = Math.max(...charts.map((chart) => chart.chart.top));
  return html`<section><header><h2>${t(split === "entry" ? "traffic.split.entry" : "traffic.parts")}</h2>
      ${asked.splits.length > 1 && html`<${Split} asked=${asked} choose=${choose} />`}
      ${split === "again" && html`<p class="soft">${t("traffic.again.says")}</p>`}
      ${["age", "gender"].includes(split) && html`<p class="soft">${t(`traffic.estimated.${split}`)}</p>`}
      ${measure === "persons" && html`<p class="soft">${t("traffic.persons.parts")}</p>`}</header>
    ${split !== "none" && html`<ul class="parts">${charts.map(({ value, name, chart }) => html`
      <li key=${value} class="panel"><h3>${name}</h3>
        <${Amount} found=${found} now=${now(value)} before=${before(value)} />
        <${Chart} ...${chart} top=${top} title=${name} says=${says(found, chart, now(value))}
          open=${opens(asked, value)} height=${120} asTable=${asTable} /></li>`)}</ul>`}
    ${values.length > most && html`<p><button onClick=${() => setMost(most + SHOWN)}>${t("more")}</button></p>`}
  </section>`;
}

function Split({ asked: { split, splits }, choose }) {
  const read = async (signal) => mayLoad("settings") && (await get("settings", {}, { signal })).attributes_off;
  const off = useLoaded(read, []).value;
  return html`<${Select} label=${t("traffic.split")} value=${split} set=${choose}
    options=${splits.filter((one) => !(off || []).includes(one)).map((one) => [one, nameOfSplit(one)])} />`;
}
