// What is typed into a camera, or saved beside it: by its kind.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { save } from "../shared/saved.js";
import { Copy } from "../shared/settings.js";
import { t } from "../words.js";
import { curlLine, edgeFile, isOwnAddress, keyFile, KINDS, serviceAddress } from "./kinds.js";

const INSTALL = 'pipx install "$(echo ./dist/regulars_edge-*.whl)[video,detector]"';
const RUN = "regulars-edge check --config edge.toml\nregulars-edge run --config edge.toml";
const OWN_KEY = Object.keys(KINDS).filter((kind) => KINDS[kind].by !== "none");

/** The tiles to choose a kind from; `chosen` may be none yet. */
export function Tiles({ chosen = "", kinds = Object.keys(KINDS), choose }) {
  return html`<div class="tiles" role="group" aria-label=${t("kind")}>${kinds.map((kind) => html`
    <button key=${kind} type="button" aria-pressed=${chosen ? chosen === kind : null} onClick=${() => choose(kind)}>
      ${t(`kind.${kind}`)}</button>`)}</div>`;
}

/** The table of what one kind needs. Without `id` no camera was made: the tenant's own credentials open the door. */
export function Connect({ kind: begun = "", id = "", secret = "" }) {
  const [kind, setKind] = useState(begun);
  const [text, setText] = useState(location.href.replace(/\/console.*/, ""));
  const address = serviceAddress(text);
  return html`<div class="connect">
    ${!begun && html`<${Tiles} chosen=${kind} kinds=${OWN_KEY} choose=${setKind} />`}
    ${kind && html`<label>${t("connect.address")}<input type="url" required value=${text}
        onInput=${(event) => setText(event.target.value)} /></label>
      ${isOwnAddress(text) && html`<p class="notice" role="alert">${t("connect.own")}</p>`}
      ${address ? html`<${Needed} key=${kind} kind=${kind} id=${id} secret=${secret} address=${address} />`
        : html`<p class="danger small" role="alert">${t("connect.wrong")}</p>`}`}
  </div>`;
}

function Needed({ kind, id, secret, address }) {
  const { by } = KINDS[kind];
  if (by === "edge") return html`<${Uploader} kind=${kind} id=${id} secret=${secret} address=${address} />`;
  const given = [[t("connect.server"), address], id && [t("camera.id"), id]].filter(Boolean);
  return html`<h3>${t("connect.type")}</h3>
    ${given.map(([name, value]) => html`<div key=${name} class="given"><span class="label">${name}</span>
      <${Copy} text=${value} label=${name} /></div>`)}
    ${by === "none" && html`<p>${t(`connect.${kind}`)}</p>`}
    ${by === "program" && html`<div class="given"><span class="label">curl</span>
      <${Copy} text=${curlLine(address, secret || "KEY")} label="curl" rows=${2} /></div>`}`;
}

/** What only the owner of a camera knows of it, and the uploader's whole file once that is said. */
function Uploader({ kind, id, secret, address }) {
  const { asks, hint } = KINDS[kind];
  const [typed, setTyped] = useState(/** @type {Record<string, string>} */ ({}));
  const file = typed[asks[0]]?.trim() && edgeFile(kind, { id, address, typed });
  return html`${asks.map((name, index) => html`<label key=${name}>${t(`connect.${name}`)}
      <input value=${typed[name] ?? ""}
      type=${name === "password" ? "password" : "text"} autocomplete="off" spellcheck="false"
      placeholder=${index ? null : hint}
      onInput=${(event) => setTyped((now) => ({ ...now, [name]: event.target.value }))} /></label>`)}
    ${kind === "frigate" && html`<p class="soft small">${t("connect.frigate")}</p>`}
    ${file && html`<p>${t("connect.save", { file: keyFile(id) })}</p>
      <${Copy} text=${file} label="edge.toml" rows=${10} />
      <p class="row"><${Download} file="edge.toml" text=${file} />
        ${secret && html`<${Download} file=${`${id}.key`} text=${secret} />`}</p>
      <p>${t("connect.install")}</p>
      <${Copy} text=${`${INSTALL}\n${RUN}`} label=${t("connect.commands")} rows=${3} />`}`;
}

function Download({ file, text }) {
  return html`<button onClick=${() => save([text], "text/plain", file)}>${t("connect.download", { file })}</button>`;
}
