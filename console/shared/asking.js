// Rows that are corrected in place, and whose pictures open. The question "Who is it?" and the viewer are loaded when
// somebody asks for them.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { dressed } from "../styled.js";
import { complain } from "../undo.js";
import { t } from "../words.js";

/**
 * The rows of a page that can be corrected in place. `ask(one, { isWrong })` opens the question about a row; `now(id)`
 * gives what a row says in place of its name while a change waits or is on its way. `changed` gets how the rows are
 * then, as a function of how they were, once the book has it, or has it back.
 */
export function useIdentity(changed) {
  const [asked, setAsked] = useState(null);
  const [over, setOver] = useState(new Map());
  const put = (id, value) => setOver((before) => new Map(before).set(id, value));
  const drop = (id) => setOver((before) => new Map([...before].filter(([each]) => each !== id)));
  const load = (one, isWrong) =>
    Promise.all([import("./whose.js"), dressed("shared")])
      .then(([{ IdentityDialog, give, call }]) => setAsked({ one, isWrong, IdentityDialog, give, call }), complain);
  const choose = ({ one, isWrong, give, call }) => (choice) =>
    (isWrong ? give(one, choice, { put, drop, changed }) : call(one, choice, changed));
  return {
    ask: (one, { isWrong = false } = {}) => load(one, isWrong),
    now: (id) => over.get(id),
    dialog: asked && html`<${asked.IdentityDialog} one=${asked.one} isWrong=${asked.isWrong} names=${!asked.isWrong}
      close=${() => setAsked(null)} choose=${choose(asked)} />`,
  };
}

/** What a row says in place of its name: "Now: Carlos Moya", with its undo. */
export function Now({ text, undo }) {
  return html`<span class="now">${text}</span>
    ${undo && html`<button class="plain small" onClick=${undo}>${t("undo")}</button>`}`;
}

/**
 * The viewer of captures over a page. `open({ visit })`, or `open({ pictures, place })` with a list of
 * `{ camera, sighting }`, newest first: arrow keys go through them. `changed`: as `useIdentity` takes it; without it,
 * nothing can be corrected.
 */
export function useViewer(changed) {
  const [shown, setShown] = useState(null);
  const open = (what) => import("./viewing.js").then(({ load }) => load(what)).then(setShown, complain);
  const dialog = shown && html`<${shown.Viewing} ...${shown} changed=${changed} close=${() => setShown(null)} />`;
  return { open, dialog };
}
