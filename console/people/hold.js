// The legal hold and the restriction of a face: a mark with its reason, and how each is set and lifted.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { go } from "../router.js";
import { Marking } from "../shared/whole.js";
import { may } from "../store.js";
import { say } from "../undo.js";
import { day, t } from "../words.js";

/** `loaded`: the hold of the face at `path`. An admin sets and lifts it, and says why. */
export function Hold({ path, loaded }) {
  const [asks, setAsks] = useState(false);
  const hold = loaded.value;
  if (!hold || !(hold.held || may("admin"))) return null;
  const name = t(hold.held ? "hold.lift" : "hold.set");
  const done = (next) => { loaded.set(next); setAsks(false); };
  return html`<div class="hold">${hold.held && html`<p class="small"><span class="tag">${t("hold")}</span>${" "}
      ${t("hold.since", { day: day(hold.since) })} · <span class="name">${hold.reason}</span></p>`}
    ${may("admin") && html`<button onClick=${() => setAsks(true)}>${name}</button>`}
    <p class="soft small">${t("hold.says")}</p>
    ${asks && html`<${Marking} path=${path} kind="hold" body=${{ held: !hold.held }} title=${name}
      close=${() => setAsks(false)} done=${done} />`}</div>`;
}

/** Restrict: nobody sees the person any more; the page Privacy lists it, and lifts it. */
export function Restriction({ path }) {
  const [asks, setAsks] = useState(false);
  if (!may("admin")) return null;
  const done = () => { say(t("restriction.done")); go("privacy"); };
  return html`<div><button onClick=${() => setAsks(true)}>${t("restriction.set")}</button>
    <p class="soft small">${t("restriction.says")}</p>
    ${asks && html`<${Marking} path=${path} kind="restriction" body=${{ restricted: true }}
      title=${t("restriction.set")} close=${() => setAsks(false)} done=${done} />`}</div>`;
}
