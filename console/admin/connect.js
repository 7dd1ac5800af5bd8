// What is typed into a camera, or run or saved beside it: by its kind.
import { useEffect, useRef, useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { Field } from "../shared/form.js";
import { named, stateOf } from "../shared/needs.js";
import { Check, Trouble } from "../shared/parts.js";
import { save } from "../shared/saved.js";
import { Copy } from "../shared/settings.js";
import { may } from "../store.js";
import { ago, dayAndClock, t } from "../words.js";
import { claimLine, curlLine, edgeFile, isOwnAddress, keyFile, KINDS, serviceAddress } from "./kinds.js";
import { Qr } from "./qr.js";
import { inEnglish, Said } from "./said.js";
import { usePolled } from "../shared/polled.js";

const LOCKED = '--pip-args="--constraint regulars-edge.lock"'; // which names the wheel by its hash, too
const INSTALL = `pipx upgrade-shared\npipx install "regulars-edge[video,detector]" ${LOCKED}`;
const RUN = "regulars-edge check --config edge.toml\nregulars-edge run --config edge.toml";
const OWN_KEY = Object.keys(KINDS).filter((kind) => KINDS[kind].by !== "none");
const EVERY_MS = 3000;

const ownAddress = () => location.href.replace(/\/console.*/, "");

/** The tiles to choose a kind from; `chosen` may be none yet. */
export function Tiles({ chosen = "", kinds = Object.keys(KINDS), choose }) {
  return html`<div class="tiles" role="group" aria-label=${t("kind")}>${kinds.map((kind) => html`
    <button key=${kind} type="button" aria-pressed=${chosen ? chosen === kind : null} onClick=${() => choose(kind)}>
      ${t(`kind.${kind}`)}</button>`)}</div>`;
}

/** The table of what one kind needs. Without `id` no camera was made: the tenant's own credentials open the door. */
export function Connect({ kind: begun = "", id = "", secret = "" }) {
  const [kind, setKind] = useState(begun);
  const [text, setText] = useState(ownAddress);
  const address = serviceAddress(text);
  const last = useRef(address); // what was typed below stays while the address is wrong
  last.current = address || last.current;
  return html`<div class="connect">
    ${!begun && html`<${Tiles} chosen=${kind} kinds=${OWN_KEY} choose=${setKind} />`}
    ${kind && html`<${Field} label=${t("connect.address")} type="url" required value=${text}
        why=${address ? "" : t("connect.wrong")} onInput=${(event) => setText(event.target.value)} />
      ${isOwnAddress(text) && html`<p class="notice" role="alert">${t("connect.own")}</p>`}
      <div hidden=${!address}><${Needed} key=${kind} kind=${kind} id=${id} secret=${secret}
        address=${last.current} /></div>`}
  </div>`;
}

function Needed({ kind, id, secret, address }) {
  const { by } = KINDS[kind];
  if (by === "edge") return html`<${Uploader} kind=${kind} id=${id} secret=${secret} address=${address} />`;
  const given = [[t("connect.server"), address], id && [t("camera.id"), id]].filter(Boolean);
  return html`<h3>${t("connect.type")}</h3>
    ${given.map(([name, value]) => html`<${Given} key=${name} name=${name} value=${value} />`)}
    ${by === "none" && html`<${DialectKey} dialect=${kind} />`}
    ${by === "program" && html`<${Given} name="curl" value=${curlLine(address, secret || "KEY")} rows=${2} />`}`;
}

/** Where the camera is, which only its owner knows; then the code that brings key and file, and the two by hand. */
function Uploader({ kind, id, secret, address }) {
  const { ask, hint, source } = KINDS[kind];
  const [place, setPlace] = useState("");
  const file = place.trim() && edgeFile(kind, { id, address, place });
  const where = html`<label>${t(`connect.${ask}`)}<input value=${place} autocomplete="off" spellcheck="false"
      placeholder=${hint} onInput=${({ target }) => setPlace(target.value)} /></label>
    ${kind === "frigate" && html`<p class="soft small">${t("connect.frigate")}</p>`}
    ${source === "rtsp" && html`<p class="soft small">${t("connect.later")}</p>`}`;
  const byHand = html`<details><summary>${t("connect.byhand")}</summary>
      <p>${t("connect.install")}</p><${Copy} text=${INSTALL} label=${t("connect.program")} rows=${2} />
      ${!file ? html`<p class="soft">${t("connect.first")}</p>` : html`
        <p>${t("connect.save", { file: keyFile(id) })}</p>
        <${Copy} text=${file} label="edge.toml" rows=${10} />
        <p class="row"><${Download} file="edge.toml" text=${file} />
          ${secret && html`<${Download} file=${`${id}.key`} text=${secret} />`}</p>
        <${Copy} text=${RUN} label=${t("connect.commands")} rows=${2} />`}
    </details>`;
  return html`${!may("admin") ? html`${where}${byHand}` : html`<${ByCode} id=${id} address=${address} place=${place}
      begins=${Boolean(secret)} onPage=${source === "rtsp"} where=${where} byHand=${byHand} />`}
    ${secret && html`<${Heard} id=${id} />`}`;
}

/** What the uploader says of a new camera in its heartbeats: what is wrong with it, as its `check` finds. */
function Heard({ id }) {
  const [{ value: one }] = usePolled(`cameras/${encodeURIComponent(id)}`, {}, EVERY_MS);
  const error = one?.health.status.error;
  return html`<div class=${error ? "notice" : ""} role="status">${error ? html`
    <${Said} words=${inEnglish(error) ?? named(stateOf(one))} detail=${error} />`
    : (one?.last_seen_at ? t("camera.seen", { ago: ago(one.last_seen_at) }) : t("camera.waits"))}</div>`;
}

/** A code, good for a quarter of an hour: for a new box's page, and as a line. `begins`: without a click. */
export function ByCode({ id, address = ownAddress(), place = "", begins = false, onPage = true, where, byHand }) {
  const [code, setCode] = useState(null);
  const [problem, setProblem] = useState(null);
  const make = () => send("POST", `cameras/${encodeURIComponent(id)}/claim`).then((made) => {
    setProblem(null);
    setCode(made);
  }, setProblem);
  useEffect(() => { if (begins) make(); }, []);
  if (problem) return html`<${Trouble} problem=${problem} again=${make} />${where}${byHand}`;
  if (!code) {
    return html`${where}${byHand}${!begins && html`<div class="setting">
      <p class="soft small">${t("camera.claim.says")}</p><button onClick=${make}>${t("camera.claim")}</button></div>`}`;
  }
  const picture = address === ownAddress() && html`<${Qr} of=${code} label=${t("connect.qr")} />
    <p class="soft small">${t(onPage ? "connect.scan" : "connect.seen")}</p>`;
  const line = html`${where}<p>${t("connect.claim")}</p><${Copy} rows=${3} label=${t("connect.commands")}
    text=${`${claimLine(code.claim_code, address, place)}\n${RUN}`} />`;
  return !onPage ? html`${line}${picture}${byHand}` : html`<p>${t("connect.page")}</p>
    <${Copy} text=${`${code.claim_code} ${address}`} label=${t("camera.claim")} />${picture}
    <details><summary>${t("connect.terminal")}</summary>${line}${byHand}</details>`;
}

function Download({ file, text }) {
  return html`<button onClick=${() => save([text], "text/plain", file)}>${t("connect.download", { file })}</button>`;
}

/**
 * The key that all SUNMI cameras share, or all clients of iCREDIT. A new one is made for one of them, by its name, and
 * one sees that it is used; the old one holds beside it for a day, unless it leaked.
 */
function DialectKey({ dialect }) {
  const [listed, setListed] = usePolled("dialects", {}, EVERY_MS);
  const [made, setMade] = useState(null);
  const [name, setName] = useState("");
  const [leaked, setLeaked] = useState(false);
  const [wrong, setWrong] = useState(null);
  const problem = wrong ?? listed.problem;
  const own = listed.value?.dialects.find((one) => one.id === dialect);
  const { last_used_at: used, app_id: appId, old_until: oldUntil, old_used_at: oldUsed } = own ?? {};
  const asked = { name: name.trim(), at_once: leaked };
  const renew = () => send("POST", `dialects/${dialect}/key`, asked).then((answer) => {
    setListed((before) => ({ ...before, value: { dialects: [{ ...answer, last_used_at: null, old_used_at: null }] } }));
    setMade(answer);
  }, setWrong);
  return html`${problem && html`<${Trouble} problem=${problem} />`}
    ${appId && html`<${Given} name=${t("dialect.app_id")} value=${appId} />`}
    ${made ? html`<${Given} name=${t(`dialect.${dialect}`)} value=${made.secret} /><p>${t("secret.once")}</p>
        <p class="notice">${made.old_until ? t("dialect.both", { when: dayAndClock(made.old_until) })
          : t("dialect.only")}</p>
        <p role="status">${t(used ? "dialect.came" : "dialect.waits")}</p>`
      : listed.value && html`<${Field} label=${t("camera.name")} value=${name} maxlength="100"
          placeholder=${t("camera.name.hint")} onInput=${({ target }) => setName(target.value)} />
        ${oldUntil && html`<p class="notice">${t("dialect.older", { when: dayAndClock(oldUntil) })}${" "}
          ${oldUsed ? t("dialect.older.used", { ago: ago(oldUsed) }) : t("dialect.older.unused")}</p>`}
        <${Check} label=${t("dialect.leaked")} checked=${leaked} set=${setLeaked} />
        <div class="setting"><p class="soft small">${used ? t("dialect.used", { ago: ago(used) })
          : t("dialect.unused")}</p>
          <button disabled=${!name.trim() && !leaked} onClick=${renew}>${t(`dialect.${dialect}.new`)}</button></div>`}`;
}

/** Whoever was given a key that all share, by name, until it calls. */
export function Waiting() {
  const [listed] = usePolled("dialects", {}, EVERY_MS);
  return listed.value?.dialects.filter((dialect) => dialect.waits_for).map((one) => html`
    <p key=${one.id} class="notice" role="status">${t("dialect.waiting", { name: one.waits_for,
      kind: t(`kind.${one.id}`) })}</p>`);
}

/** A value to be typed elsewhere, with its name. */
function Given({ name, value, rows = 1 }) {
  return html`<div class="given"><span class="label">${name}</span><${Copy} text=${value} label=${name}
    rows=${rows} /></div>`;
}
