// Who came when: a period beside the one before it, split by camera, age and more, and the week by the hour.
import { useRef, useState } from "preact/hooks";
import { address, get } from "../api.js";
import { Chart, useMedia } from "./chart.js";
import { addDays, begin, isDay } from "../shared/days.js";
import {
  before as earlier, bucketName, buckets, period, periodName, SPANS, tick, weekdayName, weekdayOf,
} from "./periods.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { useKeys } from "../keys.js";
import { cameraName, useShared } from "../shared/known.js";
import { Empty, groupName, nameOf, Portrait, Shapes, Trouble, useLoaded, useSlow } from "../shared/parts.js";
import { go, replace, to } from "../router.js";
import { beganWithin, behind, growth } from "./compare.js";
import { ago, isoDay, number, t, tOr } from "../words.js";

const MEASURES = ["arrivals", "persons", "observations"];
const BUCKETS = { day: ["hour"], week: ["day", "hour"], month: ["day", "week"], year: ["week", "day", "month"] };
const SPLITS = ["visit", "camera", "group", "age", "gender", "labels.a", "labels.b", "labels.c", "labels.d", "none"];
const SHOWN = 8;
const AWAY = 8;
const LEAST_HOURS = 12;
const OLDEST = "2000-01-01";

const among = (options, wanted) => (options.includes(wanted) ? wanted : options[0]);
const total = (found) => found.reduce((sum, one) => sum + Object.values(one.amounts).reduce((all, amount) => all + amount, 0), 0);

/** Read the page's place: what is counted, of which time, and how it is shown. */
function wish(query) {
  const today = isoDay(Date.now());
  const span = among(["week", ...SPANS], query.span);
  const measure = among(MEASURES, query.measure);
  const splits = SPLITS.filter((one) => one !== "visit" || measure === "arrivals");
  const day = isDay(query.at) && query.at >= OLDEST && query.at <= today ? query.at : today;
  return { measure, span, day, today, by: among(BUCKETS[span], query.by), splits, split: among(splits, query.split), beside: query.beside !== "no", staff: query.staff === "no" ? "no" : "",
    now: period(span, day), before: earlier(span, day) };
}

/** Say what to ask of the statistics: of a period, or of its part until an instant. */
const question = ({ measure, staff }, { first, end }, more, until = begin(end)) => ({ measure, staff: staff ? false : undefined,
  from: new Date(begin(first)).toISOString(), to: until < Date.now() ? new Date(until).toISOString() : "", ...more });

const asking = (asked, of, more, signal, until) => get("statistics", question(asked, of, more, until), { signal });
const counted = (...asked) => asking(...asked).then((page) => page.buckets);

/**
 * Read what the page shows: the buckets of the period and of the one before, and the amounts of both as a whole. To compare
 * like with like, a period that is not over is compared with the same part. Persons are counted anew for a whole period,
 * since days of persons cannot be added.
 */
async function figures(asked, signal) {
  const { measure, span, by, split, now, before, beside } = asked;
  const isPersons = measure === "persons";
  const whole = { by: span === "year" ? "month" : span };
  const isOver = begin(now.end) <= Date.now();
  const same = isOver ? begin(before.end) : Math.min(begin(before.end), begin(before.first) + Date.now() - begin(now.first));
  const read = async (more) => {
    const [{ buckets: series, begun }, earlier, sum, sumBefore] = await Promise.all([asking(asked, now, { by, ...more }, signal), beside && counted(asked, before, { by, ...more }, signal),
      isPersons && counted(asked, now, { ...whole, ...more }, signal), beside && counted(asked, before, { ...whole, ...more }, signal, same)]);
    return { series, earlier, sum: sum || series, sumBefore, begun };
  };
  const parts = await read({ split: split === "none" ? "" : split });
  // Twelve months of persons are not the persons of a year.
  return { asked, isOver, hasSum: !(isPersons && span === "year"), parts, all: isPersons ? await read({}) : parts };
}

export default function Traffic({ place }) {
  const asked = wish(place.query);
  const { measure, span, day, by, split, beside, staff, now, today } = asked;
  const hasStaff = useShared("groups").value?.some((one) => one.staff);
  const [asTable, setAsTable] = useState(false);
  const loaded = useLoaded((signal) => figures(asked, signal), [measure, span, now.first, by, split, beside, staff]);
  const set = (changes) => replace("traffic", { ...place.query, ...changes });
  const turn = (later) => set({ at: period(span, day, later).first });
  useKeys({ t: ["traffic.table", () => setAsTable((shown) => !shown)] });
  const last = useRef(null);
  const found = loaded.value ?? last.current; // it stays while the next is read
  last.current = found;
  const slow = useSlow(loaded.waits && !found);
  const isEmpty = found && !total(found.all.sum) && !total(found.all.earlier || []);
  return html`<div class="page traffic" aria-busy=${loaded.waits}>
    <header class="top"><h1>${t("page.traffic")}</h1>
      <${Choices} label=${t("traffic.measure")} text=${(one) => t(`traffic.measure.${one}`)} options=${MEASURES} chosen=${measure} choose=${(one) => set({ measure: one })} /></header>
    <div class="row periods">
      <${Choices} label=${t("traffic.span")} text=${(one) => t(`traffic.span.${one}`)} options=${SPANS} chosen=${span} choose=${(one) => set({ span: one })} />
      <span class="turn"><button class="square" aria-label=${t("traffic.earlier")} onClick=${() => turn(-1)}><${Icon} name="back" /></button>
        <strong>${periodName(span, now)}</strong>
        <button class="square" aria-label=${t("traffic.later")} disabled=${now.end > today} onClick=${() => turn(1)}><${Icon} name="forward" /></button></span>
      <span class="apart"></span>
      ${BUCKETS[span].length > 1 && html`<select aria-label=${t("traffic.by")} value=${by} onChange=${(event) => set({ by: event.target.value })}>
        ${BUCKETS[span].map((one) => html`<option key=${one} value=${one}>${t(`traffic.by.${one}`)}</option>`)}</select>`}
      ${(hasStaff || staff) && html`<button aria-pressed=${staff === "no"} onClick=${() => set({ staff: staff ? "" : "no" })}>${t("visits.without.staff")}</button>`}
      <button aria-pressed=${beside} onClick=${() => set({ beside: beside ? "no" : "" })}>${t("traffic.beside")}</button>
      <button aria-pressed=${asTable} onClick=${() => setAsTable(!asTable)}>${t("traffic.table")}</button>
      <a class="button" href=${address("statistics", question(asked, now, { by, split: split === "none" ? "" : split, format: "csv" }))} download=${`${measure}-${now.first}.csv`}>CSV</a>
    </div>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${slow && html`<${Shapes} count=${3} />`}
    ${isEmpty ? html`<${First} asked=${asked} show=${(at) => set({ at })} />` : found && html`
      <${Whole} found=${found} asTable=${asTable} />
      <${Parts} found=${found} asTable=${asTable} choose=${(one) => set({ split: one })} />
      ${span !== "day" && html`<${Week} asked=${asked} />`}`}
    <${Away} />
  </div>`;
}

function Choices({ label, text, options, chosen, choose }) {
  return html`<div class="segments" role="group" aria-label=${label}>${options.map((one) => html`
    <button key=${one} aria-pressed=${one === chosen} onClick=${() => choose(one)}>${text(one)}</button>`)}</div>`;
}

/** What a chart takes: names, ticks and amounts of all buckets, of one value of the split or of all together. */
function drawn({ by, span, now, before }, { series, earlier }, value) {
  const names = buckets(by, now);
  const amounts = (found, keys) => {
    const known = new Map(found.map((one) => [one.time, value === undefined ? total([one]) : Object.hasOwn(one.amounts, value) ? one.amounts[value] : 0]));
    return names.map((_, index) => known.get(keys[index]) ?? null);
  };
  const chart = { names: names.map((one) => bucketName(by, one)), ticks: names.map((one) => tick(by, span, one)), now: amounts(series, names),
    before: earlier && amounts(earlier, buckets(by, before)), called: [periodName(span, now), periodName(span, before)] };
  const count = Math.max(...chart.now);
  return { ...chart, rest: count > 0 ? t("traffic.most", { time: chart.names[chart.now.indexOf(count)], count }) : "", top: Math.max(count, ...(chart.before || [])) };
}

/** An amount of the period, and beside it that of the one before. */
function Amount({ found, now, before, large = false }) {
  const { asked, isOver, hasSum } = found;
  if (!hasSum) return large && html`<p class="soft">${t("traffic.persons.year")}</p>`;
  const { begun } = found.all;
  const change = growth(now, before, asked.before, begun);
  const isYoung = beganWithin(asked.before, begun);
  return html`<p class=${`amount ${large ? "sum" : ""}`}><strong>${large ? t(`traffic.count.${asked.measure}`, { count: now }) : number(now)}</strong>
    ${asked.beside && html`<span class="soft">${change !== null && html`<span class="change">${change > 0 ? "+" : ""}${number(change)} %</span> · `}${
      large && isYoung ? t(isOver ? "traffic.was.young" : "traffic.was.young.then", { count: before, period: periodName("week", { first: begun, end: asked.before.end }), day: periodName("day", period("day", begun)) }) : large ? t(isOver ? "traffic.was" : "traffic.was.then", { count: before, period: periodName(asked.span, asked.before) }) : t("traffic.was.short", { count: before })}</span>`}</p>`;
}

/** Return what a chart calls with the place of a bar: it leads to the visits of that day. */
const opens = ({ by, now, split, staff }, value) => (index) => go(...behind(by, buckets(by, now)[index], value === undefined ? "" : split, value, staff));

/** Say in words what a chart shows. */
const says = ({ asked, hasSum }, { called, rest, before }, count) =>
  [hasSum && t(`traffic.count.${asked.measure}`, { count }), called[0], rest, before && t("traffic.line", { period: called[1] })].filter(Boolean).join(", ");

function Whole({ found, asTable }) {
  const { asked, all } = found;
  const chart = drawn(asked, all);
  const now = total(all.sum);
  return html`<section class="panel"><h2 class="unseen">${t(`traffic.measure.${asked.measure}`)}</h2>
    <${Amount} found=${found} now=${now} before=${total(all.sumBefore || [])} large=${true} />
    <${Chart} ...${chart} title=${`${t(`traffic.measure.${asked.measure}`)}, ${t(`traffic.by.${asked.by}`)}`} says=${says(found, chart, now)} open=${opens(asked)} height=${260} asTable=${asTable}>
      ${chart.before && html`<p class="legend" aria-hidden="true"><span></span>${chart.called[0]}<span class="before"></span>${chart.called[1]}</p>`}<//>
  </section>`;
}

const decade = (value) => (value === "unknown" ? 999 : Number(value));
const ORDER = { age: (one, other) => decade(one) - decade(other), gender: () => 0 };

/** The same for each value of a split, on one scale. */
function Parts({ found, asTable, choose }) {
  const { asked, parts: { sum, sumBefore, ...series } } = found;
  const { split, splits, measure } = asked;
  const [most, setMost] = useState(SHOWN);
  const cameras = useShared("cameras");
  const off = useLoaded((signal) => get("settings", {}, { signal }).then((known) => known.attributes_off), []);
  const sums = (buckets) => {
    const found = new Map();
    for (const { amounts } of buckets || []) for (const [value, amount] of Object.entries(amounts)) found.set(value, (found.get(value) ?? 0) + amount);
    return (value) => found.get(value) ?? 0;
  };
  const [now, before] = [sums(sum), sums(sumBefore)];
  const values = [...new Set([...sum, ...(sumBefore || [])].flatMap((one) => Object.keys(one.amounts)))].sort(ORDER[split] ?? ((one, other) => now(other) - now(one)));
  const nameOfValue = (value) => {
    if (value === "" || value === "unknown") return t("traffic.unknown");
    if (split === "age") return t("traffic.age", { first: value, last: Number(value) + 9 });
    if (split === "camera") return cameraName(cameras.value, value);
    if (split === "group") return groupName(value);
    if (split === "visit") return t(`traffic.visit.${value}`);
    return split === "gender" ? tOr(`gender.${value}`, value) : value;
  };
  const charts = values.slice(0, most).map((value) => ({ value, chart: drawn(asked, series, value) }));
  const top = Math.max(...charts.map((one) => one.chart.top));
  return html`<section><header><h2>${t("traffic.parts")}</h2>
      <select aria-label=${t("traffic.split")} value=${split} onChange=${(event) => choose(event.target.value)}>
        ${splits.filter((one) => !off.value?.includes(one)).map((one) => html`<option key=${one} value=${one}>${one.startsWith("labels.") ? t("label", { name: one.slice(7).toUpperCase() }) : t(`traffic.split.${one}`)}</option>`)}</select>
      ${["age", "gender"].includes(split) && html`<p class="soft">${t(`traffic.estimated.${split}`)}</p>`}
      ${measure === "persons" && html`<p class="soft">${t("traffic.persons.parts")}</p>`}</header>
    ${split !== "none" && html`<ul class="parts">${charts.map(({ value, chart }) => html`<li key=${value} class="panel"><h3>${nameOfValue(value)}</h3>
      <${Amount} found=${found} now=${now(value)} before=${before(value)} />
      <${Chart} ...${chart} top=${top} title=${nameOfValue(value)} says=${says(found, chart, now(value))} open=${opens(asked, value)} height=${120} asTable=${asTable} /></li>`)}</ul>`}
    ${values.length > most && html`<p><button onClick=${() => setMost(most + SHOWN)}>${t("more")}</button></p>`}
  </section>`;
}

/** Hours and weekdays as a table in eight steps of one colour: the week's, or an average week's of a longer time. */
function Week({ asked }) {
  const { measure, span, now, staff } = asked;
  const narrow = useMedia("(max-width: 760px)");
  const loaded = useLoaded((signal) => counted(asked, now, { by: "hour" }, signal), [measure, span, now.first, staff]);
  if (loaded.problem) return html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`;
  if (!loaded.value || !total(loaded.value)) return null;
  const begun = loaded.value.find((one) => total([one])).time.slice(0, 10); // a young book has no weeks of nothing before it
  const known = new Map();
  for (const one of loaded.value.filter((each) => each.time >= begun)) {
    const key = `${weekdayOf(one.time.slice(0, 10))} ${Number(one.time.slice(11, 13))}`;
    const [sum, count] = known.get(key) ?? [0, 0];
    known.set(key, [sum + total([one]), count + 1]);
  }
  const amount = (weekday, hour) => {
    const [sum, count] = known.get(`${weekday} ${hour}`) ?? [0, 0];
    return count ? sum / count : null;
  };
  const weekdays = [0, 1, 2, 3, 4, 5, 6];
  const open = [...Array(24).keys()].filter((hour) => weekdays.some((weekday) => amount(weekday, hour)));
  const length = Math.max(open.at(-1) - open[0] + 1, LEAST_HOURS); // fewer look as if something were missing
  const first = Math.min(open[0], 24 - length);
  const hours = Array.from({ length }, (_, place) => first + place);
  const most = Math.max(...weekdays.flatMap((weekday) => hours.map((hour) => amount(weekday, hour) ?? 0)));
  const linked = (weekday, text) => (span === "week" ? html`<a href=${to("visits", { day: addDays(now.first, weekday), staff })}>${text}</a>` : text);
  const cell = (weekday, hour) => {
    const found = amount(weekday, hour);
    return html`<td class=${found === null ? "" : `step${Math.min(7, Math.ceil((7 * found) / most))}`}>${found === null ? "" : found ? linked(weekday, number(found, span === "week" || found >= 10 ? 0 : 1)) : "·"}</td>`;
  };
  const byDay = (weekday) => html`<th scope=${narrow ? "col" : "row"}>${weekdayName(weekday, "short")}</th>`;
  const byHour = (hour) => html`<th scope=${narrow ? "row" : "col"}>${String(hour).padStart(2, "0")}</th>`;
  const [across, down, head, side] = narrow ? [weekdays, hours, byDay, byHour] : [hours, weekdays, byHour, byDay];
  return html`<section><header><h2>${t("traffic.week")}</h2>${span !== "week" && html`<p class="soft">${t("traffic.week.average", { period: periodName(span, now) })}</p>`}</header>
    <table class="heat"><caption class="unseen">${t(`traffic.measure.${measure}`)}, ${t("traffic.week")}</caption>
      <thead><tr><td></td>${across.map(head)}</tr></thead>
      <tbody>${down.map((one) => html`<tr key=${one}>${side(one)}${across.map((other) => (narrow ? cell(other, one) : cell(one, other)))}</tr>`)}</tbody></table></section>`;
}

/** Who has stayed away longest. */
function Away() {
  const [group, setGroup] = useState("regular");
  const groups = useShared("groups");
  const loaded = useLoaded((signal) => get("faces", { group, order: "arrived", desc: false, limit: AWAY }, { signal }).then((page) => page.faces), [group]);
  if (loaded.problem) return html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`;
  return html`<section><header><h2>${t("traffic.away")}</h2>
      <select aria-label=${t("group")} value=${group} onChange=${(event) => setGroup(event.target.value)}>
        ${(groups.value ?? [{ id: group, name: group }]).map((one) => html`<option key=${one.id} value=${one.name}>${groupName(one.name)}</option>`)}</select>
      <a class="button plain" href=${to("people", { group, sort: "away" })}>${t("traffic.away.all")}</a></header>
    ${loaded.value?.length === 0 && html`<p class="soft">${t("people.empty.group")}</p>`}
    <ol class="away">${loaded.value?.map((face) => html`<li key=${face.id}><a href=${to(["person", face.id])}><${Portrait} url=${face.portrait.thumb_url} name=${face.name} />
      <span><strong class="name">${nameOf(face)}</strong><small class="soft">${face.arrive_time ? ago(face.arrive_time) : t("face.never")}</small></span></a></li>`)}</ol></section>`;
}

/** Nothing in this time: say which day is the first that has anything, and lead there. */
function First({ asked, show }) {
  const loaded = useLoaded(async (signal) => {
    const until = { first: OLDEST, end: period("day", asked.today, 1).first };
    const some = (found) => found.find((one) => total([one]))?.time;
    const month = some(await counted(asked, until, { by: "month" }, signal));
    return month ? some(await counted(asked, period("month", `${month}-01`), { by: "day" }, signal)) : null;
  }, [asked.measure]);
  if (loaded.value === undefined && !loaded.problem) return null;
  const day = loaded.value;
  return html`<${Empty} icon="traffic" title=${t(day ? "traffic.empty" : "traffic.never")}>
    ${day ? html`<p>${t("traffic.first", { day: periodName("day", period("day", day)) })}</p><p><button class="strong" onClick=${() => show(day)}>${t("traffic.first.show")}</button></p>`
      : html`<p>${t("traffic.never.says")}</p>`}<//>`;
}
