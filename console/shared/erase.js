// How somebody leaves the book: deleted, or erased with a receipt; and how far an erasure is.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, newName, send } from "../api.js";
import { html } from "../html.js";
import { Form } from "./form.js";
import { Dialog, Ending, Trouble, useLoaded, whose } from "./parts.js";
import { firstLanguage, OfPaper } from "./languages.js";
import { to } from "../router.js";
import { t } from "../words.js";
import { usePolled } from "./polled.js";
import { save } from "./saved.js";
import { sisters } from "./sisters.js";
import { useWhole } from "./whole.js";

const EVERY_MS = 5000;

/** Both ways, with what each leaves; the first one is not offered if each deletion erases. */
export function Leaving({ held, remove, erase }) {
  const settings = useLoaded((signal) => get("settings", {}, { signal }), []);
  const way = (act, name, says) => html`<div>
    <button class="danger" disabled=${held} onClick=${act}>${name}</button><p class="soft small">${says}</p></div>`;
  return html`${held && html`<p>${t("erase.held")}</p>`}
    ${!settings.value?.deletes_erase && way(remove, t("person.delete"), t("person.delete.says"))}
    ${way(erase, t("erase"), t("erase.says"))}`;
}

/** Ask whether it is meant: the name is typed, or a word if there is none. `done`: is given the erasure. */
export function Erasing({ face: { id, name }, path, close, done }) {
  const [typed, setTyped] = useState("");
  const [request] = useState(newName); // another try after a lost answer is no second erasure
  const [waits, setWaits] = useState(false);
  const { ready, whole, shown } = useWhole(path);
  const said = typed.trim().normalize();
  const isSure = said === id || said === (name.trim() || t("erase.word"));
  const act = () => {
    setWaits(true);
    return send("DELETE", `${path}?erase=true&whole=${whole}`, undefined, { name: request })
      .finally(() => setWaits(false));
  };
  return html`<${Dialog} title=${t("erase")} close=${close}><${Form} send=${act} done=${done}>
    <p>${t("erase.says")}</p><p class="soft">${t("erase.first")}</p>${shown}
    <label>${name.trim() ? whose("erase.type", { name, id }) : t("erase.type.word", { word: t("erase.word") })}
      <input autofocus autocomplete="off" spellcheck="false" value=${typed}
        onInput=${(event) => setTyped(event.target.value)} /></label>
    <${Ending} close=${close} kind="danger" disabled=${!isSure || waits || !ready}>${t("erase.do")}<//><//><//>`;
}

/** Return the erasures into which one was cut, each as far as it is known. */
export const eachOf = (erasure) => erasure.erasures.map((id) =>
  (id === erasure.id ? erasure : { ...erasure, id, state: "running", receipt: null }));

/** What stands in the place of a person who is being erased. */
export function Erased({ erasure }) {
  const ref = useRef();
  useEffect(() => ref.current.focus(), []);
  return html`<section class="erased"><h1 ref=${ref} tabindex="-1">${t("erase.title")}</h1><p>${t("erase.begun")}</p>
    <div role="status">${eachOf(erasure).map((one) => html`<${Erasure} key=${one.id} first=${one} />`)}</div>
    <p><a class="button" href=${to("privacy")}>${t("page.privacy")}</a></p></section>`;
}

/** How far an erasure is; done, what was found, and the receipt to save. `book`: of another shop than the page's. */
export function Erasure({ first, book = undefined, children = null }) {
  const [one, setOne] = useState(first);
  const [asks, setAsks] = useState(false);
  const receipt = () => save([JSON.stringify(one.receipt)], "application/json", `receipt-${one.id}.json`);
  return html`<div>${children}<small class="soft">${one.state === "done"
      ? t("erase.done", { visits: one.counts.observations,
        pictures: one.counts.captures_deleted + one.counts.captures_hidden })
      : html`<${Running} one=${one} book=${book} done=${setOne} />`}</small></div>
    ${one.receipt && html`<button onClick=${receipt}>${t("erase.receipt")}</button>
      <button onClick=${() => setAsks(true)}>${t("erase.page")}</button>`}
    ${asks && html`<${PageOf} id=${one.id} book=${book} close=${() => setAsks(false)} />`}`;
}

/** The receipt's page for the person, in the person's language. */
function PageOf({ id, book, close }) {
  const [wanted, setWanted] = useState(firstLanguage());
  const { value, problem, again } = useLoaded(async (signal) =>
    get(`erasures/${id}/page`, { language: wanted, shops: await sisters(book) }, { signal, book }), [wanted]);
  const file = () => { save([value.html], "text/html", `receipt-${id}-${value.language}.html`); close(); };
  return html`<${Dialog} title=${t("erase.page")} close=${close}><p class="soft">${t("erase.page.says")}</p>
    <p><${OfPaper} value=${wanted} set=${setWanted} /></p>
    ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    <${Blanks} missing=${value?.missing ?? []} />
    <${Ending} close=${close} disabled=${!value} onClick=${file}>${t("erase.page.save")}<//><//>`;
}

/** What is blank on a page that people get. */
export function Blanks({ missing }) {
  if (!missing.length) return null;
  return html`<p class="notice">${t("paper.blank", { names: missing.map((one) => t(`paper.${one}`)).join(", ") })}</p>`;
}

function Running({ one, book, done }) {
  const [{ value = one }] = usePolled(`erasures/${one.id}`, {}, EVERY_MS, { book });
  useEffect(() => { if (value.state === "done") done(value); }, [value]);
  return t("erase.running", { step: value.step, steps: value.steps });
}
