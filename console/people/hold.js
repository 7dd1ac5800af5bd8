// The legal hold of a face: a mark with its reason, and how it is set and lifted.
import { useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { Dialog, Ending } from "../shared/parts.js";
import { may } from "../store.js";
import { complain } from "../undo.js";
import { day, t } from "../words.js";

const LONGEST_REASON = 500;

/** `loaded`: the hold of the face at `path`. An admin sets and lifts it, and says why. */
export function Hold({ path, loaded }) {
  const [asks, setAsks] = useState(false);
  const [reason, setReason] = useState("");
  const hold = loaded.value;
  if (!hold || !(hold.held || may("admin"))) return null;
  const name = t(hold.held ? "hold.lift" : "hold.set");
  const done = (next) => { loaded.set(next); setAsks(false); setReason(""); };
  const change = (event) => {
    event.preventDefault();
    send("PUT", `${path}/hold`, { held: !hold.held, reason }).then(done, complain);
  };
  return html`<div class="hold">${hold.held && html`<p class="small"><span class="tag">${t("hold")}</span>${" "}
      ${t("hold.since", { day: day(hold.since) })} · <span class="name">${hold.reason}</span></p>`}
    ${may("admin") && html`<button onClick=${() => setAsks(true)}>${name}</button>`}
    <p class="soft small">${t("hold.says")}</p>
    ${asks && html`<${Dialog} title=${name} close=${() => setAsks(false)}><form onSubmit=${change}>
      <label>${t("hold.reason")}<input autofocus required maxlength=${LONGEST_REASON} value=${reason}
        onInput=${(event) => setReason(event.target.value)} /></label>
      <${Ending} close=${() => setAsks(false)}>${name}<//></form><//>`}</div>`;
}
