// Everybody who is enrolled or was seen: groups, a grid or table of any length, and changes of many at once.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../api.js";
import { useShared } from "../shared/known.js";
import { Grid } from "../shared/grid.js";
import { GroupDialog } from "./group.js";
import { AT_ONCE, changeMany, download, gone, readFaces, removeLater } from "./many.js";
import { Merging, MOST_MERGED } from "../shared/merging.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { useKeys } from "../keys.js";
import { Dialog, Empty, groupName, nameOf, Portrait, Shapes, Trouble, useLoaded, useSlow } from "../shared/parts.js";
import { go, replace, to } from "../router.js";
import { may, preference, useValue } from "../store.js";
import { complain, say } from "../undo.js";
import { ago, day, number, shortDay, t } from "../words.js";

/** A choice beside the groups. */
const KNOWN = "", ALL = "*", STRANGERS = "stranger";
const ORDERS = { lately: ["arrived", true], newest: ["enrolled", true], away: ["arrived", false], oldest: ["enrolled", false] };
const COLUMNS = { "person.name": [], group: [], "person.visits": [], "person.last": ["lately", "away"], "person.enrolled": ["newest", "oldest"] };
const LABELS = ["a", "b", "c", "d"];
const TYPED_FROM = 100;
const SETTLED_MS = 60;
const TYPING_MS = 250;

const shape = preference("people", ["cards", "rows"]);

export default function People({ place }) {
  const { group = "", name = "" } = place.query;
  const sort = ORDERS[place.query.sort] ? place.query.sort : "lately";
  const [order, desc] = ORDERS[sort];
  const groups = useShared("groups");
  const twins = useLoaded((signal) => get("duplicates", { limit: 1 }, { signal }).then((page) => page.duplicates.length), []);
  const listed = useLoaded((signal) => (name ? named(name, group, signal) : get("face-ids", { ...listedBy(group), order, desc }, { signal }).then((page) => page.ids)), [group, sort, name]);
  const hidden = useValue(gone);
  const shown = useValue(shape);
  const ids = useMemo(() => listed.value?.filter((id) => !hidden.has(id)), [listed.value, hidden]);
  const [details, setDetails] = useState(new Map());
  const [chosen, setChosen] = useState(new Set());
  const [dialog, setDialog] = useState(null);
  const anchor = useRef(0);
  const slow = useSlow(listed.waits && !listed.value);
  const sight = useRef([0, 0]);
  const timer = useRef();
  const asked = useRef(new Set());

  const fetchSeen = useCallback(async () => {
    const [first, last] = sight.current;
    const missing = ids?.slice(first, last).filter((id) => !details.has(id) && !asked.current.has(id)).slice(0, AT_ONCE) ?? [];
    if (!missing.length) return;
    missing.forEach((id) => asked.current.add(id));
    try {
      const page = await get("faces", { ids: missing, limit: AT_ONCE });
      setDetails((before) => new Map([...before, ...page.faces.map((face) => /** @type {const} */ ([face.id, face]))]));
    } catch (problem) {
      missing.forEach((id) => asked.current.delete(id));
      complain(problem);
    }
  }, [ids, details]);
  const inSight = useCallback((first, last) => {
    sight.current = [first, last];
    clearTimeout(timer.current);
    timer.current = setTimeout(fetchSeen, details.size ? SETTLED_MS : 0);
  }, [fetchSeen]);
  useEffect(() => setChosen(new Set()), [group, sort, name]);

  const choose = (index, range) => setChosen((before) => {
    const next = new Set(before);
    if (range) {
      const [low, high] = [Math.min(anchor.current, index), Math.max(anchor.current, index)];
      ids.slice(low, high + 1).forEach((id) => next.add(id));
    } else {
      if (!next.delete(ids[index])) next.add(ids[index]);
      anchor.current = index;
    }
    return next;
  });
  const operator = may("operator");
  useKeys(operator ? {
    "Ctrl+a": ["keys.all", () => ids?.length ? setChosen(new Set(ids)) : false],
    Escape: ["keys.none", () => chosen.size ? setChosen(new Set()) : false],
    Delete: ["keys.delete", () => chosen.size ? setDialog("delete") : false],
  } : {}, [ids, chosen, operator]);
  const onKey = (event, index, before) => {
    if (event.key === " " && operator) { event.preventDefault(); choose(index, false); }
    else if (event.key === "Enter" && ids[index] && event.target.closest("[data-index]") && event.target.tagName !== "INPUT") go(["person", ids[index]]);
    else if (event.shiftKey && event.key.startsWith("Arrow") && operator) { if (!chosen.size) anchor.current = before; choose(index, true); }
  };

  const close = () => setDialog(null);
  const clear = () => setChosen(new Set());
  const refresh = () => {
    asked.current = new Set();
    setDetails(new Map());
    listed.again();
    groups.again();
    twins.again();
  };
  const remove = () => {
    close();
    removeLater([...chosen], t("people.deleted", { count: chosen.size }), { done: refresh });
    clear();
  };
  /** Change the chosen; `inverse`: of a face as it was, what makes it so again. */
  const change = async (body, inverse, said) => {
    close();
    const before = new Map();
    const look = (faces) => faces.forEach((face) => before.set(face.id, JSON.stringify(inverse(face))));
    const done = await changeMany([...chosen], body, { look });
    refresh();
    if (!done.length) return;
    clear();
    say(said(done.length), { action: [t("undo"), async () => {
      const changed = done.filter((id) => before.get(id) !== JSON.stringify(body));
      for (const [was, some] of Map.groupBy(changed, (id) => before.get(id))) await changeMany(some, JSON.parse(was));
      refresh();
    }] });
  };
  const move = (target) => change({ group: target }, (face) => ({ group: face.group }), (count) => t("people.moved", { count, group: groupName(target) }));
  const label = (labels) => change({ labels }, (face) => ({ labels: Object.fromEntries(Object.keys(labels).map((one) => [one, face.labels[one]])) }), (count) => t("people.labelled", { count }));
  const merge = () => readFaces([...chosen]).then((faces) => setDialog(faces.sort((one, other) => other.arrive_count - one.arrive_count)), complain);
  const at = (more) => replace("people", { group, sort: place.query.sort, name, ...more });

  const total = groups.value?.reduce((sum, one) => sum + one.count, 0);
  const strangers = groups.value?.find((one) => one.name === STRANGERS)?.count ?? 0;
  const chips = [[KNOWN, t("people.known"), total - strangers], [STRANGERS, groupName(STRANGERS), strangers],
    ...(groups.value ?? []).filter((one) => one.name !== STRANGERS).map((one) => [one.name, groupName(one.name), one.count]),
    [ALL, t("people.all"), total]];
  const here = groups.value?.find((one) => one.name === group);
  const exported = may("admin") && html`<button class="export" onClick=${() => download(chosen.size ? [...chosen] : ids).catch(complain)}>${t("people.export")}</button>`;
  const tools = html`<div class="tools">
      <${Filter} key=${name === "" ? "" : "named"} name=${name} set=${(next) => at({ name: next })} />
      ${!name && html`<select aria-label=${t("people.sort")} value=${sort} onChange=${(event) => at({ sort: event.target.value })}>
        ${Object.keys(ORDERS).map((one) => html`<option key=${one} value=${one}>${t(`people.sort.${one}`)}</option>`)}</select>`}
      <div class="segments" role="group" aria-label=${t("people.shape")}>${["cards", "rows"].map((one) => html`
        <button key=${one} aria-pressed=${shown === one} aria-label=${t(`people.${one}`)} title=${t(`people.${one}`)} onClick=${() => shape.set(one)}><${Icon} name=${one} size=${18} /></button>`)}</div>
      ${ids?.length > 0 && !chosen.size && exported}
      ${operator && html`<a class="button" href=${to("search")}><${Icon} name="search" size=${18} />${t("page.search")}</a>
        <a class="button strong" href=${to("add")}><${Icon} name="add" size=${18} />${t("people.add")}</a>`}
    </div>`;
  return html`<div class="page people">
    <header class="top"><div><h1>${t("page.people")}</h1><p class="soft">${ids ? t("people.count", { count: ids.length }) : " "}</p></div>${tools}</header>
    ${groups.value?.length > 0 && html`<div class="groups" role="group" aria-label=${t("groups")}>
      ${chips.map(([value, label, count]) => html`<button key=${value} aria-pressed=${group === value}
        onClick=${() => at({ group: value })}>${label}<span>${number(count)}</span></button>`)}
      ${operator && html`<button class="quiet" onClick=${() => setDialog("group")}><${Icon} name="add" size=${16} />${t("people.group")}</button>`}
    </div>`}
    ${(here || twins.value > 0) && html`<p class="row small soft">
      ${here && html`${here.capacity != null && html`<span>${t("people.room", { left: Math.max(0, here.capacity - here.count) })}</span>`}${operator && html`<button class="plain small" onClick=${() => setDialog("edit")}>${t("group.edit")}</button>`}`}
      ${twins.value > 0 && html`<a class="link" href=${to("review", { queue: "pair" })}>${t("people.twins")}</a>`}</p>`}
    ${(listed.problem ?? groups.problem) && html`<${Trouble} problem=${listed.problem ?? groups.problem} again=${refresh} />`}
    ${slow && html`<${Shapes} count=${24} kind="cards" />`}
    ${ids?.length === 0 && (name ? html`<${Empty} icon="find" title=${t("find.nobody")} />` : html`<${Empty} icon="people" title=${t(total ? "people.empty.group" : "people.empty")}>
      <p>${t("people.empty.says")}</p>${operator && html`<p><a class="button strong" href=${to("add")}>${t("people.add")}</a></p>`}<//>`)}
    ${ids?.length > 0 && html`<${Grid} key=${shown} count=${ids.length} least=${140} extra=${56} label=${t("page.people")} inSight=${inSight} onKey=${onKey}
      tall=${56} head=${shown === "rows" && html`<${Heads} sort=${sort} set=${!name && ((next) => at({ sort: next }))} />`}
      cell=${(index, more) => html`<${shown === "rows" ? Entry : Card} key=${ids[index]} id=${ids[index]} face=${details.get(ids[index])} more=${more}
        chosen=${chosen.has(ids[index])} choose=${operator ? (event) => choose(index, event.shiftKey) : null} />`} />`}
    ${chosen.size > 0 && html`<div class="selection" role="region" aria-label=${t("people.selection")}>
      <strong>${t("people.chosen", { count: chosen.size })}</strong>
      <button class="plain" onClick=${clear}>${t("people.clear")}</button>
      <select aria-label=${t("people.move")} value="" onChange=${(event) => { move(event.target.value); event.target.value = ""; }}>
        <option value="" disabled>${t("people.move")}</option>${groups.value?.map((one) => html`<option key=${one.id} value=${one.name}>${groupName(one.name)}</option>`)}</select>
      <button onClick=${() => setDialog("labels")}>${t("people.label")}</button>
      ${chosen.size > 1 && chosen.size <= MOST_MERGED && html`<button onClick=${merge}>${t("person.merge")}</button>`}
      ${exported}
      <span class="apart"></span>
      <button class="danger" onClick=${() => (chosen.size > 1 ? setDialog("delete") : remove())}>${t("delete")}</button>
    </div>`}
    ${dialog === "delete" && html`<${Deleting} count=${chosen.size} act=${remove} close=${close} />`}
    ${dialog === "labels" && html`<${Labelling} count=${chosen.size} act=${label} close=${close} />`}
    ${Array.isArray(dialog) && html`<${Merging} faces=${dialog} close=${close} done=${() => { clear(); refresh(); }} />`}
    ${(dialog === "group" || dialog === "edit") && html`<${GroupDialog} group=${dialog === "edit" ? here : null} close=${close}
      done=${(made) => { close(); groups.again(); at({ group: made }); }} />`}
  </div>`;
}

/** The heads of the table; those of an order are pressed to have it, and once more to turn it. */
function Heads({ sort, set }) {
  const head = ([name, orders]) => {
    const place = orders.indexOf(sort);
    const sorted = place < 0 ? null : ["descending", "ascending"][place];
    const pressed = () => set(orders[place === 0 ? 1 : 0]);
    return html`<span key=${name} role="columnheader" aria-sort=${set && sorted}>${set && orders.length
      ? html`<button class="plain small" onClick=${pressed}>${t(name)}${sorted && html`<span aria-hidden="true">
        ${place ? " ↑" : " ↓"}</span>`}</button>` : t(name)}</span>`;
  };
  return html`<div role="row" aria-rowindex="1" class="entry head">${Object.entries(COLUMNS).map(head)}</div>`;
}

/** What the ids are asked for by, of a chip. */
const listedBy = (group) => (group === KNOWN ? { known: true } : { group: group === ALL ? "" : group });

/** All of this name, in one list, so that "select all" is all. */
async function named(name, group, signal) {
  const found = [];
  for (let token; token !== null;) {
    const page = await get("faces", { name, limit: AT_ONCE, token }, { signal });
    found.push(...page.faces.filter((face) => [KNOWN, ALL].includes(group) || face.group === group).map((face) => face.id));
    token = page.next_token;
  }
  return found;
}

function Filter({ name, set }) {
  const [text, setText] = useState(name);
  useEffect(() => {
    if (text.trim() === name) return;
    const timer = setTimeout(() => set(text.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<input type="search" class="filter" aria-label=${t("people.filter")} placeholder=${t("people.filter")} maxlength="100" value=${text} onInput=${(event) => setText(event.target.value)} />`;
}

const seen = (face) => (face.arrive_time ? ago(face.arrive_time, "narrow") : t("face.never"));
/** When a nameless face came: the first and the last day. */
const days = (face) => [...new Set([face.enrolled_at, face.arrive_time].map(shortDay))].join(" – ");
const opens = (id, choose) => (event) => (event.shiftKey && choose ? choose(event) : event.target.tagName !== "INPUT" && go(["person", id]));

function Picture({ face }) {
  return face?.portrait.thumb_url ? html`<img class="portrait face" src=${face.portrait.thumb_url} alt="" decoding="async" />` : html`<${Portrait} name=${face?.name} />`;
}

function Box({ name, chosen, choose }) {
  return choose && html`<input type="checkbox" tabindex="-1" aria-label=${t("people.choose", { name })} checked=${chosen} onClick=${(event) => { event.stopPropagation(); choose(event); }} />`;
}

function Card({ id, face, more, chosen, choose }) {
  const name = face ? nameOf(face) : " ";
  const came = face && (face.arrive_time ? `${t("visits", { count: face.arrive_count })} · ${seen(face)}` : seen(face));
  return html`<div ...${more} class=${`card ${chosen ? "chosen" : ""} ${face?.name === "" ? "nameless" : ""}`} aria-selected=${chosen}
    aria-label=${came ? `${name}, ${came}` : name} onClick=${opens(id, choose)}>
    <${Picture} face=${face} /><${Box} name=${name} chosen=${chosen} choose=${choose} />
    <strong class="name">${name}</strong>
    <small class="soft">${face?.name === "" && face.arrive_time ? days(face) : came}</small>
  </div>`;
}

function Entry({ id, face, more, chosen, choose }) {
  const name = face ? nameOf(face) : " ";
  const cells = face ? [groupName(face.group), number(face.arrive_count), seen(face), day(face.enrolled_at)] : ["", "", "", ""];
  return html`<div ...${more} class=${`entry ${chosen ? "chosen" : ""} ${face?.name === "" ? "nameless" : ""}`} aria-selected=${chosen} onClick=${opens(id, choose)}>
    <span role="gridcell"><${Box} name=${name} chosen=${chosen} choose=${choose} /><${Picture} face=${face} /><strong class="name">${name}</strong></span>
    ${cells.map((text, n) => html`<span key=${n} role="gridcell">${text}</span>`)}
  </div>`;
}

function Deleting({ count, act, close }) {
  const [typed, setTyped] = useState("");
  const isSure = count < TYPED_FROM || typed.trim() === String(count);
  return html`<${Dialog} title=${t("people.delete", { count })} close=${close}>
    <p>${t("people.delete.says")}</p>
    ${count >= TYPED_FROM && html`<label>${t("people.delete.type", { count })}<input value=${typed} inputmode="numeric" onInput=${(event) => setTyped(event.target.value)} /></label>`}
    <p class="row end"><button onClick=${close}>${t("cancel")}</button><button class="danger" disabled=${!isSure} onClick=${act}>${t("people.delete.do", { count })}</button></p>
  <//>`;
}

function Labelling({ count, act, close }) {
  const [labels, setLabels] = useState({});
  const set = (name, value) => setLabels((before) => Object.fromEntries(Object.entries({ ...before, [name]: value }).filter(([, one]) => one !== null)));
  return html`<${Dialog} title=${t("people.label.title", { count })} close=${close}><form onSubmit=${(event) => { event.preventDefault(); act(labels); }}>
    <p class="soft">${t("people.label.says")}</p>
    ${LABELS.map((name) => html`<div key=${name} class="labelled">
      <label class="inline"><input type="checkbox" checked=${name in labels} onChange=${(event) => set(name, event.target.checked ? "" : null)} />${t("label", { name: name.toUpperCase() })}</label>
      <input aria-label=${t("label", { name: name.toUpperCase() })} maxlength="100" value=${labels[name] ?? ""} onInput=${(event) => set(name, event.target.value)} /></div>`)}
    <p class="row end"><button type="button" onClick=${close}>${t("cancel")}</button><button class="strong" disabled=${!Object.keys(labels).length}>${t("save")}</button></p>
  </form><//>`;
}
