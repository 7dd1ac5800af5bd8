// One person in all shops that this browser is signed in to, by a photo: each is asked with its own session, and the
// photo is not kept.
import { useState } from "preact/hooks";
import { get, newName, Problem, send } from "../api.js";
import { html } from "../html.js";
import { eachOf, Erasure } from "../shared/erase.js";
import { fetchAll } from "../shared/everything.js";
import { Form } from "../shared/form.js";
import { Dialog, Ending, Loading, nameOf, Portrait, useLoaded } from "../shared/parts.js";
import { base64, Drop, shrunk } from "../shared/pictures.js";
import { may } from "../store.js";
import { dressed } from "../styled.js";
import { unleft } from "../undo.js";
import { explain, spoken, t } from "../words.js";

const RECENT = 5;
const MOST = 20;

/**
 * Ask a shop who is on a photo. If it is nobody, an erasure that goes on there may be what was begun
 * before, or somebody else's: no receipt of it is offered here.
 */
async function ask(shop, picture) {
  if (!may("operator", shop)) throw new Problem({ code: "NotAllowed", detail: t("shops.person.role") });
  const { book } = shop;
  const { faces } = await send("POST", "identify", { picture, k: MOST, restricted: true }, { book });
  if (faces.length !== 1) throw new Problem({ code: "Unusable", detail: t("shops.person.alone") });
  const [face] = faces;
  if (face.reason) throw new Problem({ code: "Unusable", detail: face.reason });
  const ids = face.same;
  const known = face.candidates.map((one) => one.face).filter((one) => ids.includes(one.id));
  const recent = ids.length ? [] : (await get("erasures", { limit: RECENT }, { book })).erasures;
  return { ids, known, request: newName(), goesOn: recent.some((one) => one.state === "running") };
}

/** Erase a person in a shop; another try after a lost answer is no second erasure. */
async function eraseIn({ shop: { book }, ids, request }) {
  const erasures = [];
  for (const id of ids) {
    const path = `faces/${encodeURIComponent(id)}?erase=true`;
    erasures.push(...eachOf(await send("DELETE", path, undefined, { book, name: `${request}${id}` })));
  }
  return { erasures, ids: [] };
}

const fetchIn = async ({ shop, ids }) => {
  if (!may("admin", shop) || !shop.pictures) throw new Problem({ code: "NotAllowed", detail: t("shops.person.admin") });
  await fetchAll(ids, spoken.now, shop.book);
  return { isFetched: true };
};

/** `shops`: their sessions. */
export function FindPerson({ shops }) {
  const words = useLoaded(() => Promise.all(["shared", "people", "admin"].map(dressed)), []);
  const [rows, setRows] = useState([]);
  const [isSure, setIsSure] = useState(false);
  const shown = rows.filter((row) => shops.some(({ book }) => book === row.shop.book));
  const due = shown.filter(({ ids }) => ids?.length);
  /** Do something in each shop, one by one, and show what came of it; what fails in one holds up no other. */
  const inEach = (all, act) => unleft((async () => {
    for (const row of all) {
      const next = await act(row).catch((problem) => ({ problem }));
      setRows((before) => before.map((one) =>
        (one.shop === row.shop ? { ...one, problem: null, waits: false, ...next } : one)));
    }
  })());
  const take = async ([first]) => {
    if (!first) return;
    const picture = await base64(await shrunk(first[1]));
    const asked = shops.map((shop) => ({ shop, waits: true }));
    setRows(asked);
    await inEach(asked, ({ shop }) => ask(shop, picture));
  };
  if (!words.value) return html`<${Loading} of=${words} />`;
  return html`<section class="found-person"><h2>${t("shops.person")}</h2><p class="soft">${t("shops.person.says")}</p>
    <${Drop} take=${take} many=${false} small=${shown.length > 0} title=${t("search.drop")} says="" />
    <ul class="rows" aria-live="polite">${shown.map((row) => html`<${Row} key=${row.shop.book} ...${row} />`)}</ul>
    ${due.length > 0 && html`<p class="row">
      <button onClick=${() => inEach(due, fetchIn)}>${t("everything")}</button>
      <button class="danger" onClick=${() => setIsSure(true)}>${t("shops.person.erase", { count: due.length })}</button>
    </p>`}
    ${isSure && html`<${Sure} count=${due.length} close=${() => setIsSure(false)}
      act=${() => { setIsSure(false); return inEach(due, eraseIn); }} />`}</section>`;
}

/** What a shop says: who it is there, and what was done. */
function Row({ shop, waits, ids = [], known = [], erasures = [], goesOn, problem, isFetched }) {
  const said = waits ? t("shops.person.waits") : ids.length || erasures.length || problem ? "" : t("search.nobody");
  return html`<li><div><strong class="title">${shop.display_name}</strong>
      ${ids.map((id) => [id, known.find((one) => one.id === id)]).map(([id, face]) => html`<span class="row" key=${id}>
        <${Portrait} url=${face?.portrait.thumb_url} size="s" />
        <span class="name">${face ? nameOf(face) : ""}</span><small class="soft">${id}</small></span>`)}
      ${said && html`<small class="soft">${said}</small>`}
      ${goesOn && html`<small class="soft">${t("shops.person.perhaps")}</small>`}
      ${isFetched && html`<small class="soft">${t("everything.done")}</small>`}
      ${problem && html`<small class="trouble" role="alert">${explain(problem)}</small>`}
      ${erasures.map((one) => html`<div key=${one.id}><${Erasure} first=${one} book=${shop.book} /></div>`)}
    </div></li>`;
}

function Sure({ count, close, act }) {
  const [typed, setTyped] = useState("");
  const word = t("erase.word");
  return html`<${Dialog} title=${t("erase")} close=${close}><${Form} send=${act}>
    <p>${t("shops.person.sure", { count })}</p><p class="soft">${t("erase.first")}</p>
    <label>${t("erase.type.word", { word })}<input autofocus autocomplete="off" spellcheck="false" value=${typed}
      onInput=${(event) => setTyped(event.target.value)} /></label>
    <${Ending} close=${close} kind="danger" disabled=${typed.trim() !== word}>${t("erase.do")}<//><//><//>`;
}
