// Find somebody by the beginning of a name, or by the id.
import { useEffect, useState } from "preact/hooks";
import { get } from "./api.js";
import { html } from "./html.js";
import { Dialog, groupName, nameOf, Portrait } from "./shared/parts.js";
import { go } from "./router.js";
import { t } from "./words.js";

const WAIT_MS = 120;
const MOST = 8;

/** `choose`: what is done with who was chosen; without it, the page of that person opens. */
export function Find({ close, title = t("find"), choose = (face) => go(["person", face.id]) }) {
  const [text, setText] = useState("");
  const [found, setFound] = useState(null);
  const [at, setAt] = useState(0);
  useEffect(() => {
    const wanted = text.trim();
    if (!wanted) return setFound(null);
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      const faces = await look(wanted, stop.signal).catch(() => []);
      if (!stop.signal.aborted) { setFound(faces); setAt(0); }
    }, WAIT_MS);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [text]);
  const open = (face) => { close(); choose(face); };
  const keys = (event) => {
    if (event.key === "Escape") { event.preventDefault(); close(); } // the browser would empty the field first
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found?.length) { event.preventDefault(); setAt((at + step + found.length) % found.length); }
    if (event.key === "Enter" && found?.[at]) open(found[at]);
  };
  return html`<${Dialog} title=${title} close=${close}>
    <input autofocus type="search" class="query" role="combobox" aria-label=${t("find.label")}
      aria-expanded=${Boolean(found?.length)} aria-controls="found"
      aria-activedescendant=${found?.length ? `found-${at}` : null} placeholder=${t("find.label")}
      value=${text} maxlength="100" onInput=${(event) => setText(event.target.value)} onKeyDown=${keys} />
    <ul id="found" class="found" role="listbox" aria-label=${t("find.found")}>${found?.map((face, index) => html`
      <li key=${face.id} id=${`found-${index}`} role="option" aria-selected=${index === at} onClick=${() => open(face)}>
        <${Portrait} url=${face.portrait.thumb_url} name=${face.name} size="s" />
        <span><strong class="name">${nameOf(face)}</strong>
          <small class="soft">${groupName(face.group)} · ${face.id}</small></span>
      </li>`)}</ul>
    ${found?.length === 0 && html`<p class="soft">${t("find.nobody")}</p>`}
  <//>`;
}

async function look(wanted, signal) {
  const isId = /^[A-Za-z0-9_-]{1,64}$/.test(wanted);
  const [named, one] = await Promise.all([
    get("faces", { name: wanted, limit: MOST }, { signal }),
    isId ? get("faces", { ids: wanted }, { signal }) : { faces: [] },
  ]);
  return [...one.faces, ...named.faces.filter((face) => face.id !== one.faces[0]?.id)].slice(0, MOST);
}
