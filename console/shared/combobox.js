// A field with a list below it (WAI-ARIA's combobox): arrows choose in the list, Enter takes what is chosen.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { groupName, nameOf, Portrait, Score } from "./parts.js";
import { isMeant, spellOtherwise } from "./spellings.js";
import { t } from "../words.js";

const WAIT_MS = 120;
const MOST = 8;
/** People who are looked through for those whose names are spelt otherwise. */
const MOST_SPELT = 100;
const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Find people by the beginning of a name, also spelt otherwise, or by the id; who is hidden by the name in full. */
export async function look(wanted, signal) {
  const other = spellOtherwise(wanted);
  const [one, named, spelt] = await Promise.all([
    ID.test(wanted) ? get("faces", { ids: wanted }, { signal }) : { faces: [] },
    get("faces", { name: wanted, listed: true, limit: MOST }, { signal }),
    other ? get("faces", { name: other, listed: true, limit: MOST_SPELT }, { signal }) : { faces: [] },
  ]);
  const meant = spelt.faces.filter((face) => isMeant(face.name, wanted));
  const all = [...one.faces, ...named.faces, ...meant];
  return [...new Map(all.map((face) => /** @type {const} */ ([face.id, face]))).values()].slice(0, MOST);
}

/** The people who are found by a text as it is typed; null: nothing was typed, or the answer is not there yet. */
function useFound(text) {
  const [found, setFound] = useState(null);
  const wanted = text.trim();
  useEffect(() => {
    if (!wanted) return setFound(null);
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      const faces = await look(wanted, stop.signal).catch(() => []);
      if (!stop.signal.aborted) setFound(faces);
    }, WAIT_MS);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [wanted]);
  return wanted ? found : null;
}

/**
 * `options`: gives for the text and the people found the list: `{ id, face, score, threshold, match, text }` each.
 * `choose`: takes one of them. `free`: takes the text if nothing in the list is chosen; without it, the first one is
 * as soon as something is typed. `close`: what Escape does, which else empties a field first.
 * @param {{ id: string, options: (text: string, found: any[] | null) => any[], choose: (one: any) => any,
 *   free?: (text: string) => any, close?: () => any }} how
 */
export function useCombobox({ id, options, choose, free, close }) {
  const [text, setText] = useState("");
  const found = useFound(text);
  const first = free || !text.trim() ? -1 : 0;
  const [at, setAt] = useState(first);
  const list = options(text.trim(), found);
  const here = list[at];
  useEffect(() => setAt(first), [text, found]);
  const onKeyDown = (event) => {
    if (event.key === "Escape" && close) { event.preventDefault(); close(); }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.length) {
      event.preventDefault();
      setAt(at < 0 && step < 0 ? list.length - 1 : (at + step + list.length) % list.length);
    }
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    if (here) choose(here);
    else if (free && text.trim()) free(text.trim());
  };
  const field = {
    role: "combobox", autocomplete: "off", maxlength: 100, value: text, onKeyDown,
    "aria-autocomplete": "list", "aria-expanded": String(list.length > 0), "aria-controls": id,
    "aria-activedescendant": here ? `${id}-${here.id}` : null,
    onInput: (event) => setText(event.target.value),
  };
  const shown = html`<ul id=${id} class="found" role="listbox" aria-label=${t("find.found")} hidden=${!list.length}>
    ${list.map((one, index) => html`<${Option} key=${one.id} id=${`${id}-${one.id}`} one=${one} chosen=${index === at}
      choose=${choose} />`)}</ul>`;
  return { text, setText, found, field, list: shown };
}

function Option({ id, one, chosen, choose }) {
  const { face } = one;
  // Before the field loses the focus, and the list with it.
  const held = (event) => event.preventDefault();
  return html`<li id=${id} role="option" aria-selected=${chosen} onMouseDown=${held} onClick=${() => choose(one)}>
    ${face && html`<${Portrait} url=${face.portrait.thumb_url} name=${face.name} size="s" />`}
    <span><strong class="name">${one.text ?? nameOf(face)}</strong>
      ${face && html`<small class="soft">
        ${groupName(face.group)} · ${one.says ?? t("visits", { count: face.arrive_count })}</small>`}</span>
    <${Score} score=${one.score} threshold=${one.threshold} match=${one.match} /></li>`;
}
