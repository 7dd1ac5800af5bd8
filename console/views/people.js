// Everybody who is enrolled or was seen: groups, a grid of any length, and changes of many at once.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { Grid } from "../later/grid.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { useKeys } from "../keys.js";
import { Dialog, Empty, groupName, nameOf, Shapes, Trouble, useLoaded, useSlow } from "../parts.js";
import { go, replace, to } from "../router.js";
import { may } from "../store.js";
import { complain, later, say } from "../undo.js";
import { ago, number, t } from "../words.js";

const AT_ONCE = 100;
const ORDERS = { newest: ["enrolled", true], lately: ["arrived", true], away: ["arrived", false], oldest: ["enrolled", false] };
const TYPED_FROM = 100;
const SETTLED_MS = 60;

export default function People({ place }) {
  const group = place.query.group ?? "";
  const sort = ORDERS[place.query.sort] ? place.query.sort : "newest";
  const [order, desc] = ORDERS[sort];
  const groups = useLoaded((signal) => get("groups", {}, { signal }).then((page) => page.groups), []);
  const listed = useLoaded((signal) => get("face-ids", { group, order, desc }, { signal }).then((page) => page.ids), [group, sort]);
  const [gone, setGone] = useState(new Set());
  const ids = useMemo(() => listed.value?.filter((id) => !gone.has(id)), [listed.value, gone]);
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
  useEffect(() => setChosen(new Set()), [group, sort]);

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

  const batches = async (all, body, options) => {
    const failed = [];
    const parts = Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, n) => all.slice(n * AT_ONCE, (n + 1) * AT_ONCE));
    const sent = async (ids) => failed.push(...(await send("POST", "face-changes", { ids, ...body }, options)).failed);
    if (options?.keepalive) await Promise.all(parts.map(sent)); // the page goes: nothing is awaited any more
    else for (const part of parts) await sent(part);
    if (failed.length) complain({ detail: t("people.failed", { count: failed.length, why: failed[0].message }) });
    return failed;
  };
  const remove = () => {
    const all = [...chosen];
    setDialog(null);
    later(t("people.deleted", { count: all.length }), {
      take: () => { setGone((before) => new Set([...before, ...all])); setChosen(new Set()); },
      back: () => setGone((before) => new Set([...before].filter((id) => !all.includes(id)))),
      act: (options) => batches(all, { delete: true }, options).then(groups.again),
    });
  };
  const move = async (target) => {
    const all = [...chosen];
    const before = new Map();
    try {
      for (let first = 0; first < all.length; first += AT_ONCE) {
        const page = await get("faces", { ids: all.slice(first, first + AT_ONCE), limit: AT_ONCE });
        page.faces.forEach((face) => before.set(face.group, [...(before.get(face.group) ?? []), face.id]));
      }
      await batches(all, { group: target });
    } catch (problem) {
      return complain(problem);
    } finally {
      refresh();
    }
    setChosen(new Set());
    say(t("people.moved", { count: all.length, group: groupName(target) }), { action: [t("undo"), async () => {
      for (const [was, members] of before) if (was !== target) await batches(members, { group: was }).catch(complain);
      refresh();
    }] });
  };
  const refresh = () => {
    asked.current = new Set();
    setDetails(new Map());
    listed.again();
    groups.again();
  };
  const selectGroup = (name) => replace("people", { group: name, sort: place.query.sort });

  const total = groups.value?.reduce((sum, one) => sum + one.count, 0);
  const tools = html`<div class="tools">
      <select aria-label=${t("people.sort")} value=${sort} onChange=${(event) => replace("people", { group, sort: event.target.value })}>
        ${Object.keys(ORDERS).map((one) => html`<option key=${one} value=${one}>${t(`people.sort.${one}`)}</option>`)}</select>
      ${operator && html`<a class="button strong" href=${to("add")}><${Icon} name="add" size=${18} />${t("people.add")}</a>`}
    </div>`;
  return html`<div class="page people">
    <header class="top"><div><h1>${t("page.people")}</h1><p class="soft">${ids ? t("people.count", { count: ids.length }) : " "}</p></div>${tools}</header>
    ${groups.value?.length > 0 && html`<div class="groups" role="group" aria-label=${t("groups")}>
      <button aria-pressed=${!group} onClick=${() => selectGroup("")}>${t("people.all")}<span>${number(total)}</span></button>
      ${groups.value.map((one) => html`<button key=${one.id} aria-pressed=${group === one.name} title=${one.capacity ? t("people.room", { left: one.capacity - one.count }) : null}
        onClick=${() => selectGroup(one.name)}>${groupName(one.name)}<span>${number(one.count)}</span></button>`)}
      ${operator && html`<button class="quiet" onClick=${() => setDialog("group")}><${Icon} name="add" size=${16} />${t("people.group")}</button>`}
    </div>`}
    ${(listed.problem ?? groups.problem) && html`<${Trouble} problem=${listed.problem ?? groups.problem} again=${refresh} />`}
    ${slow && html`<${Shapes} count=${24} kind="cards" />`}
    ${ids?.length === 0 && html`<${Empty} icon="people" title=${t(group ? "people.empty.group" : "people.empty")}>
      <p>${t("people.empty.says")}</p>${operator && html`<p><a class="button strong" href=${to("add")}>${t("people.add")}</a></p>`}<p class="soft small"><code>regulars import people/ --group VIP</code></p><//>`}
    ${ids?.length > 0 && html`<${Grid} count=${ids.length} least=${140} extra=${56} label=${t("page.people")} inSight=${inSight} onKey=${onKey}
      cell=${(index, more) => html`<${Card} key=${ids[index]} id=${ids[index]} face=${details.get(ids[index])} more=${more}
        chosen=${chosen.has(ids[index])} choose=${operator ? (event) => choose(index, event.shiftKey) : null} />`} />`}
    ${chosen.size > 0 && html`<div class="selection" role="region" aria-label=${t("people.selection")}>
      <strong>${t("people.chosen", { count: chosen.size })}</strong>
      <select aria-label=${t("people.move")} value="" onChange=${(event) => { move(event.target.value); event.target.value = ""; }}>
        <option value="" disabled>${t("people.move")}</option>${groups.value?.map((one) => html`<option key=${one.id} value=${one.name}>${groupName(one.name)}</option>`)}</select>
      <button class="plain" onClick=${() => setChosen(new Set())}>${t("people.clear")}</button>
      <span class="apart"></span>
      <button class="danger" onClick=${() => (chosen.size > 1 ? setDialog("delete") : remove())}>${t("delete")}</button>
    </div>`}
    ${dialog === "delete" && html`<${Deleting} count=${chosen.size} act=${remove} close=${() => setDialog(null)} />`}
    ${dialog === "group" && html`<${NewGroup} close=${() => setDialog(null)} made=${(name) => { setDialog(null); groups.again(); selectGroup(name); }} />`}
  </div>`;
}

function Card({ id, face, more, chosen, choose }) {
  const name = face ? nameOf(face) : " ";
  const note = face && (face.arrive_time ? `${t("visits", { count: face.arrive_count })} · ${ago(face.arrive_time, "narrow")}` : t("face.never"));
  return html`<div ...${more} role="gridcell" class=${`card ${chosen ? "chosen" : ""} ${face?.name === "" ? "nameless" : ""}`} aria-selected=${chosen} aria-label=${name}
      onClick=${(event) => (event.shiftKey && choose ? choose(event) : event.target.tagName !== "INPUT" && go(["person", id]))}>
    ${face?.portrait.thumb_url ? html`<img class="portrait face" src=${face.portrait.thumb_url} alt="" decoding="async" />` : html`<span class="portrait none"></span>`}
    ${choose && html`<input type="checkbox" tabindex="-1" aria-label=${t("people.choose", { name })} checked=${chosen} onClick=${(event) => { event.stopPropagation(); choose(event); }} />`}
    <strong class="name">${name}</strong>
    <small class="soft">${note}</small>
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

export function NewGroup({ close, made }) {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    try {
      const limits = await get("usage");
      await send("POST", "groups", { name: name.trim(), capacity: Math.min(1000, Math.max(1, limits.capacity_left)) });
      made(name.trim());
    } catch (failed) {
      setProblem(failed);
    }
  };
  return html`<${Dialog} title=${t("people.group")} close=${close}><form onSubmit=${submit}>
    ${problem && html`<${Trouble} problem=${problem} />`}
    <label>${t("group.name")}<input required maxlength="96" value=${name} onInput=${(event) => setName(event.target.value)} /></label>
    <p class="row end"><button type="button" onClick=${close}>${t("cancel")}</button><button class="strong">${t("people.group.make")}</button></p>
  </form><//>`;
}
