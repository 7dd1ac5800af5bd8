// Rows that are corrected in place, and whose pictures open. The question "Who is it?" and the viewer are loaded when
// somebody asks for them.
import { useEffect, useState } from "preact/hooks";
import { html } from "../html.js";
import { loaded } from "../renewal.js";
import { useValue } from "../store.js";
import { dressed } from "../styled.js";
import { complain } from "../undo.js";
import { arrived, late } from "../unsent.js";
import { t } from "../words.js";
import { whose } from "./parts.js";

/** Tell whether a change that was not sent yet is about a sighting, or names its face. */
const keptOf = ({ method, path, body }, sighting, face) => path.includes(`/sightings/${sighting}/`)
  || body?.only?.includes(sighting) || (method === "PATCH" && body?.name && path === `faces/${face}`);

/**
 * The rows of a page that can be corrected in place. `ask(one, { isWrong })` opens the question about a row; `now(id,
 * face)` gives what a row says in place of its name while a change waits or is on its way: it says so if only this
 * browser has it. Who is named like somebody else is asked about once the name is kept. `changed` gets how the rows are
 * then, as a function of how they were, once the book has it, or has it back.
 */
export function useIdentity(changed) {
  const [asked, setAsked] = useState(null);
  const [over, setOver] = useState(new Map());
  const kept = useValue(late);
  useEffect(() => arrived.listen((one) =>
    import("./correct.js").then(({ answered }) => changed(answered(one)))), [changed]);
  const put = (id, value) => setOver((before) => new Map(before).set(id, value));
  const drop = (id) => setOver((before) => new Map([...before].filter(([each]) => each !== id)));
  const load = (one, isWrong) =>
    loaded(() => Promise.all([import("./whose.js"), dressed("shared")]), 1)
      .then(([module]) => setAsked({ ...module, one, isWrong }), complain);
  const close = () => setAsked(null);
  const choose = async (choice) => {
    const { one, isWrong, give, call, unlikeOf } = asked;
    const unlike = !isWrong && choice.kind === "face" && !choice.alike && await unlikeOf(one.face, choice.face);
    if (unlike) return setAsked({ ...asked, twin: { name: null, id: one.face, face: choice.face, unlike } });
    const how = { put, drop, changed, ask: (twin) => setAsked({ ...asked, twin }) };
    (isWrong ? give : call)(one, choice, how);
  };
  const join = ({ one, twin, call }) => (choice) => {
    close();
    if (choice.kind === "face") call({ ...one, face: twin.id }, choice, { changed });
  };
  const now = (id, face) => {
    const mine = kept.find((one) => keptOf(one, id, face));
    if (!mine) return over.get(id);
    const { name } = mine.body;
    return { text: name ? whose("unsent.named", { name }) : t("unsent"), undo: over.get(id)?.undo };
  };
  return {
    ask: (one, { isWrong = false } = {}) => load(one, isWrong),
    now,
    dialog: asked && (asked.twin
      ? html`<${asked.Twins} one=${asked.one} ...${asked.twin} close=${close} choose=${join(asked)} />`
      : html`<${asked.IdentityDialog} one=${asked.one} isWrong=${asked.isWrong} names=${!asked.isWrong}
        close=${close} choose=${choose} />`),
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
  const open = (what) => loaded(() => import("../captures/viewing.js").then(({ load }) => load(what)), 1)
    .then(setShown, complain);
  const dialog = shown && html`<${shown.Viewing} ...${shown} changed=${changed} close=${() => setShown(null)} />`;
  return { open, dialog };
}
