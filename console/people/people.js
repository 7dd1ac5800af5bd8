// Everybody who is enrolled or was seen: groups, a grid or table of any length, and changes of many at once.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api.js";
import { useShared } from "../shared/known.js";
import { Grid } from "../shared/grid.js";
import { GroupDialog } from "./group.js";
import { Selection } from "./chosen.js";
import { ALL, HIDDEN, KNOWN, ORDERS, useChosen, useDetails, useListed } from "./list.js";
import { download } from "./many.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { Empty, groupName, Loading, nameOf, Portrait, Save, Segments, Select, useLoaded } from "../shared/parts.js";
import { go, replace, to } from "../router.js";
import { may, preference, useValue } from "../store.js";
import { complain } from "../undo.js";
import { ago, dated, day, isoDay, joined, number, t } from "../words.js";

const STRANGERS = "stranger";
/** By head, what it can be sorted by, and in which direction; the first is the one that is pressed first. */
const COLUMNS = {
  "person.name": { name: "ascending" }, group: {}, "person.visits": { most: "descending" },
  "person.last": { lately: "descending", away: "ascending" },
  "person.enrolled": { newest: "descending", oldest: "ascending" },
};
const TYPING_MS = 250;
const DATE = { day: "numeric", month: "short" };

const shape = preference("people", ["cards", "rows"]);
const order = preference("people.sort", Object.keys(ORDERS));

export default function People({ place: { query } }) {
  const { group = KNOWN, name = "" } = query;
  const sort = ORDERS[query.sort] ? query.sort : order.now;
  const groups = useShared("groups");
  const twins = useLoaded((signal) => get("duplicates", { limit: 1 }, { signal })
    .then((page) => page.duplicates.length), []);
  const listed = useListed(group, name, sort);
  const { ids } = listed;
  const { details, inSight, forget } = useDetails(ids);
  const { chosen, setChosen, choose, from } = useChosen(ids, [group, name, sort]);
  const isTable = useValue(shape) === "rows";
  const operator = may("operator");
  const refresh = () => { forget(); [listed, groups, twins].forEach((one) => one.again()); };
  const at = (more) => replace("people", { group, sort: query.sort, name, ...more });
  const file = (format) => download(chosen.size ? [...chosen] : ids, format).catch(complain);
  const exported = may("admin") && html`<${Save} save=${file} class="export" />`;
  const onKey = (event, index, before) => {
    const isOfOne = event.target.closest("[data-index]") && event.target.tagName !== "INPUT";
    if (event.key === " " && operator) { event.preventDefault(); choose(index, false); }
    if (event.key === "Enter" && ids[index] && isOfOne) go(["person", ids[index]]);
    if (!event.shiftKey || !event.key.startsWith("Arrow") || !operator) return;
    if (!chosen.size) from(before);
    choose(index, true);
  };
  const cell = (index, more) => html`<${isTable ? Entry : Card} key=${ids[index]} id=${ids[index]} more=${more}
    face=${details.get(ids[index])} sort=${sort} chosen=${chosen.has(ids[index])}
    choose=${operator ? (event) => choose(index, event.shiftKey) : null} />`;
  const sorted = (next) => { order.set(next); at({ sort: next }); };
  return html`<div class="page people">
    <header class="top"><div><h1>${t("page.people")}</h1>
        <p class="soft">${ids ? t("people.count", { count: ids.length }) : " "}</p></div>
      <${Tools} name=${name} sort=${sort} sorted=${sorted} at=${at}
        exported=${ids?.length > 0 && !chosen.size && exported} /></header>
    <${Groups} all=${groups} group=${group} at=${at} twins=${twins.value} />
    <${Loading} of=${{ ...listed, problem: listed.problem ?? groups.problem, again: refresh }}
      count=${24} kind="cards" />
    ${ids?.length === 0 && html`<${Nobody} name=${name} groups=${groups.value} />`}
    ${ids?.length > 0 && html`<${Grid} key=${isTable} count=${ids.length} least=${140} extra=${78} tall=${56}
      label=${t("page.people")} inSight=${inSight} onKey=${onKey} cell=${cell}
      head=${isTable && html`<${Heads} sort=${sort} set=${!name && sorted} />`} />`}
    ${operator && html`<${Selection} ids=${ids} chosen=${chosen} choose=${setChosen} groups=${groups.value}
      hides=${group !== HIDDEN} refresh=${refresh} exported=${exported} />`}
  </div>`;
}

/** Who is looked for, in which order and shape, and what leads to others. */
function Tools({ name, sort, sorted, at, exported }) {
  const shapes = ["cards", "rows"].map((one) => [one, html`<${Icon} name=${one} size=${18} />`, t(`people.${one}`)]);
  return html`<div class="tools">
    <${Filter} key=${name === "" ? "" : "named"} name=${name} set=${(next) => at({ name: next })} />
    ${!name && html`<${Select} label=${t("people.sort")} value=${sort} set=${sorted}
      options=${Object.keys(ORDERS).map((one) => [one, t(`people.sort.${one}`)])} />`}
    <${Segments} label=${t("people.shape")} value=${shape.now} set=${(one) => shape.set(one)} options=${shapes} />
    ${exported}
    ${may("operator") && html`<span class="row doors">
      <a class="button" href=${to("search")}><${Icon} name="search" size=${18} />${t("page.search")}</a>
      <a class="button strong" href=${to("add")}><${Icon} name="add" size=${18} />${t("people.add")}</a></span>`}
  </div>`;
}

/** The groups, how much room the chosen one has, and whether some may be one person twice. */
function Groups({ all, group, at, twins }) {
  const [dialog, setDialog] = useState(null);
  const operator = may("operator");
  const groups = all.value ?? [];
  const here = groups.find((one) => one.name === group);
  const listed = (some) => some.reduce((sum, one) => sum + one.count - one.hidden, 0);
  const chip = (one) => [one.name, groupName(one.name), listed([one])];
  const [strangers, others] = [true, false].map((are) => groups.filter(({ name }) => (name === STRANGERS) === are));
  const hidden = groups.reduce((sum, one) => sum + one.hidden, 0);
  const isHidden = hidden > 0 || group === HIDDEN;
  const chips = [[KNOWN, t("people.known"), listed(others)], ...[...strangers, ...others].map(chip),
    [ALL, t("people.all"), listed(groups)], ...(isHidden ? [[HIDDEN, t("people.hidden"), hidden]] : [])];
  const done = (made) => { setDialog(null); all.again(); at({ group: made }); };
  return html`${groups.length > 0 && html`<div class="groups" role="group" aria-label=${t("groups")}>
      ${chips.map(([value, text, count]) => html`<button key=${value} aria-pressed=${group === value}
        onClick=${() => at({ group: value })}>
        <strong class="ellipsis">${text}</strong><span>${number(count)}</span></button>`)}
      ${may("operator") && html`<button class="quiet" onClick=${() => setDialog("group")}>
        <${Icon} name="add" size=${16} />${t("people.group")}</button>`}
    </div>`}
    ${(here || twins > 0) && html`<p class="row small soft">
      ${here && here.capacity != null && html`<span>
        ${t("people.room", { left: Math.max(0, here.capacity - here.count) })}</span>`}
      ${here && operator && html`<button class="plain small" onClick=${() => setDialog("edit")}>
        ${t("group.edit")}</button>`}
      ${twins > 0 && html`<a class="link" href=${to("review", { queue: "pair" })}>${t("people.twins")}</a>`}</p>`}
    ${dialog && html`<${GroupDialog} group=${dialog === "edit" ? here : null} close=${() => setDialog(null)}
      done=${done} />`}`;
}

/** The heads of the table; those of an order are pressed to have it, and once more to turn it. */
function Heads({ sort, set }) {
  const head = ([name, orders]) => {
    const names = Object.keys(orders);
    const sorted = orders[sort];
    const pressed = () => set(names[(names.indexOf(sort) + 1) % names.length]);
    return html`<span key=${name} role="columnheader" aria-sort=${set && sorted}>${set && names.length
      ? html`<button class="plain small" onClick=${pressed}>${t(name)}${sorted && html`<span aria-hidden="true">
        ${sorted === "ascending" ? " ↑" : " ↓"}</span>`}</button>` : t(name)}</span>`;
  };
  return html`<div role="row" aria-rowindex="1" class="entry head">${Object.entries(COLUMNS).map(head)}</div>`;
}

function Nobody({ name, groups }) {
  if (name) return html`<${Empty} icon="find" title=${t("find.nobody")} />`;
  const isOfGroup = groups?.some((group) => group.count);
  return html`<${Empty} icon="people" title=${t(isOfGroup ? "people.empty.group" : "people.empty")}>
    <p>${t("people.empty.says")}</p>
    ${may("operator") && html`<p><a class="button strong" href=${to("add")}>${t("people.add")}</a></p>`}<//>`;
}

function Filter({ name, set }) {
  const [text, setText] = useState(name);
  useEffect(() => {
    if (text.trim() === name) return;
    const timer = setTimeout(() => set(text.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<input type="search" class="filter" aria-label=${t("people.filter")} placeholder=${t("person.name")}
    maxlength="100" value=${text} onInput=${({ target }) => setText(target.value)} />`;
}

const seen = (face) => (face.arrive_time ? ago(face.arrive_time, "narrow") : t("face.never"));
/** When a nameless face came: the first and the last day. */
const came = (face) => (face.name === "" && face.arrive_time
  ? dated(DATE).formatRange(...[face.enrolled_at, face.arrive_time].sort().map((at) => new Date(isoDay(at))))
  : seen(face));
const visits = (face) => t("visits", { count: face.arrive_count });
const enrolled = (face) => day(face.enrolled_at);
/** What a card says in an order: that by which the list is sorted, whole. */
const SAID = { most: visits, lately: came, away: came, newest: enrolled, oldest: enrolled };

/** What a card and a row have alike: its root's attributes, the box that chooses it, picture, and name. */
function partsOf(kind, { id, face, more, chosen, choose }) {
  const name = face ? nameOf(face) : " ";
  const onClick = (event) => (event.shiftKey && choose ? choose(event)
    : event.target.tagName !== "INPUT" && go(["person", id]));
  const pressed = (event) => { event.stopPropagation(); choose(event); };
  return {
    name,
    root: { ...more, "aria-selected": chosen, onClick,
      class: `${kind} ${chosen ? "chosen" : ""} ${face?.name === "" ? "nameless" : ""}` },
    picture: html`<${Portrait} url=${face?.portrait.thumb_url} name=${face?.name} size="s" lazy=${false} />`,
    box: choose && html`<input type="checkbox" tabindex="-1" aria-label=${t("people.choose", { name })}
      checked=${chosen} onClick=${pressed} />`,
  };
}

function Card(props) {
  const { face, sort } = props;
  const { root, picture, box, name } = partsOf("card", props);
  const all = face && joined(face.arrive_time && visits(face), seen(face));
  const said = face && (SAID[sort] ?? (() => all))(face);
  return html`<div ...${root} aria-label=${all ? `${name}, ${joined(...new Set([said, all]))}` : name}>${picture}${box}
    <strong class="name two-lines">${name}</strong><small class="soft">${said}</small></div>`;
}

function Entry(props) {
  const { face } = props;
  const { root, picture, box, name } = partsOf("entry", props);
  const cells = face ? [groupName(face.group), number(face.arrive_count), seen(face), day(face.enrolled_at)]
    : ["", "", "", ""];
  return html`<div ...${root}>
    <span role="gridcell">${box}${picture}<strong class="name">${name}</strong></span>
    ${cells.map((text, n) => html`<span key=${n} role="gridcell">${text}</span>`)}</div>`;
}
