// Hooks: programs that are told of events. Their health, filters, a test, and what could not be delivered.
import { useEffect, useReducer, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { Said, whyNot } from "./said.js";
import { Secret } from "./secret.js";
import { told, written } from "../shared/fields.js";
import { changer, Settings } from "../shared/settings.js";
import { useShared } from "../shared/known.js";
import { Field, Form } from "../shared/form.js";
import { Dialog, Empty, Ending, groupName, Loading, Segments, Trouble, useLoaded } from "../shared/parts.js";
import { go, to } from "../router.js";
import { EVENTS, may } from "../store.js";
import { complain, later, say } from "../undo.js";
import { ago, dayAndClock, joined, t, tOr } from "../words.js";

const EXAMPLE = "https://shop.example/regulars";
const LOOKS = 20;
const LOOK_MS = 700;
const AT_ONCE = 50;

export default function Hooks({ place }) {
  const id = place.rest[0];
  return id ? html`<${Hook} key=${id} id=${id} />` : html`<${All} />`;
}

const called = (hook) => hook.name ?? hook.url ?? (hook.way ? `${t(`way.${hook.way}`)} ${hook.address}`.trim()
  : t("hook.mailbox"));
export const State = ({ of }) => html`<span class=${`state ${of.health.state}`}>${t(`hook.${of.health.state}`)}</span>`;

const fails = (one) => Number(one.health.state === "failing");

function All() {
  const loaded = useLoaded((signal) => get("hooks", {}, { signal }).then((page) =>
    page.hooks.filter((hook) => !hook.way)), []);
  const [making, setMaking] = useState(false);
  const all = loaded.value;
  const make = html`<button class="strong" onClick=${() => setMaking(true)}>
    <${Icon} name="add" size=${18} />${t("hooks.new")}</button>`;
  return html`<div class="page desk">
    <header class="top"><div><h1>${t("page.hooks")}</h1><p class="soft">${t("hooks.says")}</p></div>
      ${all?.length > 0 && make}</header>
    <${Loading} of=${loaded} count=${3} />
    ${all?.length === 0 && html`<${Empty} icon="hooks" title=${t("hooks.empty")}>
      <p>${t("hooks.empty.says")}</p>${make}<//>`}
    <ul class="rows">${all?.toSorted((one, other) => fails(other) - fails(one)).map((one) => html`<li key=${one.id}>
      <a class="hook" href=${to(["hooks", one.id])}><strong class="ellipsis">${called(one)}</strong>
        <small class="soft">${joined(one.events?.map((kind) => t(`set.events.${kind}`)).join(", ")
          ?? t("set.events.all"), one.groups?.map(groupName).join(", "), one.cameras?.join(", "))}</small></a>
      <${State} of=${one} /></li>`)}</ul>
    ${making && html`<${New} close=${() => setMaking(false)} />`}
  </div>`;
}

function Hook({ id }) {
  const path = `hooks/${id}`;
  const [version, again] = useReducer((count) => count + 1, 0);
  const loaded = useLoaded((signal) => get(path, {}, { signal }), [id]);
  const changed = () => { loaded.again(); again(); };
  const groups = useShared("groups");
  const cameras = useShared("cameras");
  const [secret, setSecret] = useState(null);
  const [gone, setGone] = useState(false);
  const one = loaded.value;
  const back = html`<a class="back" href=${to("hooks")}><${Icon} name="back" size=${18} />${t("page.hooks")}</a>`;
  if (gone) return null;
  const trouble = loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`;
  if (!one) return html`<div class="page">${back}${trouble}</div>`;
  const isMailbox = one.url === null && !one.way;
  const renew = () => send("POST", `${path}/secret`).then((answer) => setSecret(answer.secret), complain);
  const set = changer(path, loaded);
  const change = ({ template, ...changes }, isBeside) =>
    set({ ...changes, ...(template && { template: written(template) }) }, isBeside);
  const value = { ...one, template: told(one.template) };
  const remove = () => later(t("hook.deleted"), {
    take: () => { setGone(true); go("hooks"); },
    back: () => go(["hooks", id]),
    act: (options) => send("DELETE", path, undefined, options),
  });
  const fields = {
    ...(one.url !== null && { url: { kind: "url", max: 2048 } }),
    ...(one.way && { template: { kind: "text", max: 500 }, picture: { kind: "switch" } }),
    enabled: { kind: "switch", words: "hook_on" },
    events: { kind: "some", options: EVENTS },
    groups: {
      kind: "many", words: "hook_groups", all: "set.hook_groups.all",
      pairs: groups.value?.map(({ name }) => [name, groupName(name)]) ?? [],
    },
    cameras: {
      kind: "many", all: "set.cameras.all", pairs: cameras.value?.map((camera) => [camera.id, camera.name]) ?? [],
    },
  };
  const { failures, paused_until: paused } = one.health;
  return html`<div class="page desk">${back}
    <header class="top"><div><h1 class="ellipsis">${called(one)}</h1><p class="row"><${State} of=${one} />
      <span class="soft">${failures > 0 && t("hook.failures", { count: failures })}${" "}
        ${paused && t("hook.paused", { when: dayAndClock(paused) })}</span></p></div>
      <${Test} path=${path} tested=${changed} /></header>
    ${isMailbox && html`<p class="soft">${t("hook.mailbox.says")}${" "}
      <code>GET /v1/hooks/${id}/deliveries?state=pending</code>, <code>POST /v1/hooks/${id}/ack</code></p>`}
    ${!isMailbox && html`<${Deliveries} path=${path} state="parked" version=${version} changed=${changed} />`}
    <${Deliveries} path=${path} state="pending" version=${version} isMailbox=${isMailbox} changed=${changed} />
    <section><h2>${t("hook.settings")}</h2><${Settings} fields=${fields} value=${value} change=${change}
      may=${may("admin")} /></section>
    <section>${one.url !== null && html`<div class="setting"><p class="soft small">${t("hook.renew.says")}</p>
      <button onClick=${renew}>${t("hook.renew")}</button></div>`}
      <div class="setting"><p class="soft small">${t("hook.delete.says")}</p>
        <button class="danger" onClick=${remove}>${t("hook.delete")}</button></div></section>
    ${secret && html`<${Secret} title=${t("hook.secret")} secret=${secret} close=${() => setSecret(null)} />`}
  </div>`;
}

/** Find a delivery among those of a state; undefined if it is not there. */
async function found(path, state, id) {
  let token;
  do {
    const page = await get(`${path}/deliveries`, { state, limit: 100, token });
    const one = page.deliveries.find((delivery) => delivery.event.id === id);
    if (one) return one;
    token = page.next_token;
  } while (token);
}

/** Sends an event of kind `test` and looks whether it arrived: what was delivered is among the deliveries no more. */
export function Test({ path, tested = () => {} }) {
  const [said, setSaid] = useState("");
  const test = async () => {
    setSaid(t("hook.testing"));
    try {
      const { event } = await send("POST", `${path}/test`);
      for (let look = 0; look < LOOKS; look++) {
        await new Promise((done) => setTimeout(done, LOOK_MS));
        const one = (await found(path, "pending", event.id)) ?? (await found(path, "parked", event.id));
        const said = one ? t(one.next_at ? "hook.testing" : "hook.waits") : t("hook.arrived");
        setSaid(one?.last_error ? whyNot(one) : said);
        if (!one || one.attempts || !one.next_at) break;
      }
      tested();
    } catch (problem) {
      setSaid("");
      complain(problem);
    }
  };
  return html`<p class="row"><span role="status">${said}</span><button onClick=${test}>${t("hook.test")}</button></p>`;
}

function Deliveries({ path, state, version, isMailbox = false, changed }) {
  const [pages, setPages] = useState(1);
  const loaded = useLoaded(async (signal) => {
    const all = [];
    let token;
    for (let page = 0; page < pages; page++) {
      const answer = await get(`${path}/deliveries`, { state, limit: AT_ONCE, token }, { signal });
      all.push(...answer.deliveries);
      token = answer.next_token;
      if (!token) break;
    }
    return { all, token };
  }, [path, state, pages]);
  useEffect(() => { if (version) loaded.again(); }, [version]);
  const rows = loaded.value?.all ?? [];
  const again = async () => {
    try {
      let count = 0;
      for (let sent = 1; sent; count += sent) sent = (await send("POST", `${path}/redeliver`)).redelivered;
      say(t("hook.resent", { count }));
    } catch (problem) {
      complain(problem);
    }
    changed();
  };
  const acknowledge = () => send("POST", `${path}/ack`, { ids: rows.slice(0, 100).map((one) => one.event.id) })
    .then(changed, complain);
  if (!rows.length && !loaded.problem) return null;
  return html`<section><header><h2>${t(`hook.${isMailbox ? "mail" : state}`, { count: rows.length })}</h2>
      <span class="apart"></span>
      ${state === "parked" && html`<button onClick=${again}>${t("hook.again")}</button>`}
      ${isMailbox && html`<button onClick=${acknowledge}>${t("hook.ack")}</button>`}</header>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <ul class="rows">${rows.map((row) => html`<li key=${row.event.id}>
      <div><strong>${tOr(`set.events.${row.event.type}`, row.event.type)}</strong>${" "}
        <small class="soft">${joined(row.event.data.name, row.event.camera, dayAndClock(row.event.at))}</small>
        ${row.last_error && html`<div class="danger small">
          <${Said} words=${whyNot(row)} detail=${row.last_error} /></div>`}</div>
      <small class="soft">${joined(
        row.attempts > 0 && t("hook.attempts", { count: row.attempts }),
        row.next_at && t("hook.next", { when: dayAndClock(row.next_at) }),
        row.parked_at && t("hook.given_up", { when: ago(row.parked_at) }),
      )}</small></li>`)}</ul>
    ${loaded.value?.token && html`<button onClick=${() => setPages(pages + 1)}>${t("more")}</button>`}
  </section>`;
}

function New({ close }) {
  const [kind, setKind] = useState("url");
  const [made, setMade] = useState(null);
  const seen = (hook) => { close(); go(["hooks", hook.id]); };
  const make = ({ url = null }) => send("POST", "hooks", { url: url && url.trim() });
  if (made) {
    return html`<${Secret} key="made" title=${t("hook.secret")} secret=${made.secret} close=${() => seen(made)}>
      <p class="soft small">${t("hook.secret.says")}</p><${Test} path=${`hooks/${made.id}`} /><//>`;
  }
  return html`<${Dialog} title=${t("hooks.new")} close=${close}><${Form} send=${make}
      done=${(hook) => (hook.secret ? setMade(hook) : seen(hook))}>
    <${Segments} label=${t("hooks.new")} value=${kind} set=${setKind}
      options=${["url", "mailbox"].map((one) => [one, t(`hooks.kind.${one}`)])} />
    <p class="soft small">${t(`hooks.kind.${kind}.says`)}</p>
    ${kind === "url" && html`<${Field} label=${t("set.url")} name="url" autofocus type="url" required maxlength="2048"
      placeholder=${EXAMPLE} />`}
    <${Ending} close=${close}>${t("hooks.make")}<//>
  <//><//>`;
}
