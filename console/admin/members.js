// Who may sign in: people, and screens on the wall. Each is invited by a link.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Line } from "../shared/line.js";
import { Field, Form } from "../shared/form.js";
import { Check, Dialog, Ending, Select, Trouble, useLoaded } from "../shared/parts.js";
import { changer, Copy } from "../shared/settings.js";
import { session, useValue } from "../store.js";
import { complain, later } from "../undo.js";
import { ago, dayAndClock, t } from "../words.js";
import { Made, readMade, Removal } from "./made.js";
import { Qr } from "./qr.js";
import { Rights } from "./rights.js";

const SCREENS = ["visits", "counter", "traffic", "report"];
const isOfFigures = (one) => ["traffic", "report"].includes(one.page);
const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

/** `page`: begin with an invitation to read this page. */
export function Members({ page }) {
  const loaded = useLoaded((signal) => get("members", {}, { signal }).then((page) => page.members), []);
  const [inviting, setInviting] = useState(Boolean(page));
  const [invited, setInvited] = useState(null);
  const [leaving, setLeaving] = useState(null);
  const [shown, setShown] = useState(null);
  const own = useValue(session).member;
  const remove = (one, ending = []) => later(t("members.removed", { name: one.name }), {
    take: () => loaded.set((before) => before.filter((each) => each.id !== one.id)),
    back: loaded.again,
    act: (options) => send("DELETE", removing(one, ending), undefined, options),
  });
  /** Remove somebody of whose making nothing stands, and ask about others. */
  const ask = (one) => readMade(one).then((made) => (
    made.some(({ kind }) => kind !== "session") ? setLeaving({ one, made }) : remove(one)), complain);
  const again = (one) => send("POST", `members/${one.id}/invitation`).then(setInvited, complain);
  const show = (made) => { setInviting(false); setInvited(made); loaded.again(); };
  return html`<section><header><h2>${t("members")}</h2><span class="apart"></span>
      <button onClick=${() => setInviting(true)}>${t("members.invite")}</button></header>
    <p class="soft small">${t("members.says")}</p>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <ul class="rows">${loaded.value?.map((one) => html`<${Member} key=${one.id} one=${one} isOwn=${one.id === own}
      remove=${ask} show=${setShown} invite=${again} reload=${loaded.again}
      set=${(next) => loaded.set((before) => before.map((each) => (each.id === next.id ? next : each)))} />`)}</ul>
    ${inviting && html`<${Invite} page=${page} close=${() => setInviting(false)} made=${show} />`}
    ${leaving && html`<${Removal} ...${leaving} close=${() => setLeaving(null)}
      remove=${(ending) => { setLeaving(null); remove(leaving.one, ending); }} />`}
    ${shown && html`<${Made} one=${shown} close=${() => setShown(null)} />`}
    ${invited && html`<${Link} invited=${invited} close=${() => { setInvited(null); loaded.again(); }} />`}
  </section>`;
}

/** Return the path by which somebody is removed. `ending`: the names of what ends besides. */
const removing = ({ id }, ending) =>
  `members/${id}${ending.length > 0 ? `?end=${encodeURIComponent(ending.join(","))}` : ""}`;

function Member({ one, isOwn, remove, show, invite, reload, set }) {
  const change = changer(`members/${one.id}`, { value: one, set });
  const quietly = (changes) => change(changes).then(() => lessened(changes), () => set({ ...one }));
  /** Show to somebody who gave a manager another role what that manager made as one. */
  const lessened = ({ role = "admin" }) => one.role === "admin" && role !== "admin"
    && readMade(one).then((made) => made.some(({ ends }) => ends === "asked") && show(one), complain);
  const drop = (passkey) => send("DELETE", `members/${one.id}/passkeys/${passkey}`).then(reload, complain);
  return html`<li>
    <div><${Line} value=${one.name} label=${t("members.name")} className="title"
        save=${(name) => change({ name }, true)} />
      <p class="soft small">${told(one).join(" · ")}</p></div>
    <${Rights} role=${one.role} pictures=${one.pictures} fixed=${one.screen} blind=${isOfFigures(one)}
      disabled=${isOwn} change=${quietly} />
    <span class="row"><button class="plain" aria-label=${t("made.of", { name: one.name })}
        onClick=${() => show(one)}>${t("made.show")}</button>
      <button class="plain" onClick=${() => invite(one)}>${t("members.again")}</button>
      <button class="plain danger" disabled=${isOwn} aria-label=${t("members.remove", { name: one.name })}
        onClick=${() => remove(one)}>${t("delete")}</button></span>
    ${one.passkeys.length > 0 && html`<p class="row">${one.passkeys.map((passkey) => html`<button key=${passkey.id}
      class="plain small" onClick=${() => drop(passkey.id)}>${t("members.passkey", { when: ago(passkey.created_at) })}
      </button>`)}</p>`}
  </li>`;
}

/** How somebody signs in, when that was last, and whether a link waits. */
function told({ screen, page, has_password: hasPassword, passkeys, signed_in_at: last, invited_until: until }) {
  return [
    screen && t("members.screen", { page: t(`page.${page}`) }),
    passkeys.length > 0 && t("members.bypasskey"),
    hasPassword && t("members.bypassword"),
    last ? t("members.last", { when: ago(last) }) : t("members.never"),
    until && t("members.waits", { when: dayAndClock(until) }),
  ].filter(Boolean);
}

function Invite({ page, close, made }) {
  const [wanted, setWanted] = useState(
    /** @type {import("v1").Sent<"post", "members">} */ (
      { name: "", role: "viewer", pictures: !page, screen: Boolean(page), page: page ?? null }));
  const set = (changes) => setWanted((before) => ({ ...before, ...changes }));
  const invite = ({ name }) => send("POST", "members", { ...wanted, name: name.trim() });
  return html`<${Dialog} title=${t("members.invite")} close=${close}><${Form} send=${invite} done=${made}>
    <${Field} label=${t("members.name")} name="name" autofocus required maxlength="100" />
    <${Rights} role=${wanted.role} pictures=${wanted.pictures} fixed=${wanted.screen}
      blind=${isOfFigures(wanted)} change=${set} />
    <p class="soft small">${t(`role.${wanted.role}.says`)}</p>
    <${Check} label=${t("members.screen.make")} checked=${wanted.screen}
      set=${(screen) => set({ screen, role: "viewer", page: screen ? SCREENS[0] : null })} />
    ${wanted.screen && html`<label class="inline">${t("members.screen.page")}<${Select}
      label=${t("members.screen.page")} value=${wanted.page} set=${(one) => set({ page: one })}
      options=${SCREENS.map((one) => [one, t(`page.${one}`)])} /></label>`}
    ${isOfFigures(wanted) && html`<p class="soft small">${t("members.figures")}</p>`}
    <${Ending} close=${close}>${t("members.link.make")}<//>
  <//><//>`;
}

/** The link, shown once, and the same as a code for a phone's camera. */
function Link({ invited, close }) {
  const { name, url } = invited;
  return html`<${Dialog} title=${t("members.link", { name })} close=${close}>
    <p>${t("members.link.says")}</p>
    <${Qr} of=${invited} label=${t("members.code")} />
    <${Copy} text=${url} label=${t("members.link", { name })} />
    ${LOCAL.includes(new URL(url).hostname) && html`<p class="notice small">${t("members.link.here")}</p>`}
    <p class="row end"><button class="strong" onClick=${close}>${t("close")}</button></p>
  <//>`;
}
