// Pairs of people who may be one: merge them, or say that they are two.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { Merging } from "../shared/merging.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { Empty, groupName, nameOf, Portrait, Score, Shapes, Trouble, useLoaded, useSlow } from "../shared/parts.js";
import { to } from "../router.js";
import { may } from "../store.js";
import { complain } from "../undo.js";
import { t } from "../words.js";

export default function Twins() {
  const loaded = useLoaded((signal) => get("duplicates", {}, { signal }), []);
  const [merge, setMerge] = useState(null);
  const slow = useSlow(loaded.waits && !loaded.value);
  const without = (one) => loaded.set((before) => ({ ...before, duplicates: before.duplicates.filter((each) => each.id !== one.id) }));
  const more = async () => {
    try {
      const page = await get("duplicates", { token: loaded.value.next_token });
      loaded.set((before) => ({ ...page, duplicates: [...before.duplicates, ...page.duplicates] }));
    } catch (problem) {
      complain(problem);
    }
  };
  const areTwo = (one) => send("POST", `duplicates/${encodeURIComponent(one.id)}/done`).then(() => without(one), complain);
  const side = (face) => html`<a href=${to(["person", face.id])}><${Portrait} url=${face.portrait.url} name=${face.name} size="x" /><strong class="name">${nameOf(face)}</strong>
    <small class="soft">${groupName(face.group)} · ${t("visits", { count: face.arrive_count })}</small></a>`;
  return html`<div class="page">
    <a class="back" href=${to("people")}><${Icon} name="back" size=${18} />${t("page.people")}</a>
    <header class="top"><div><h1>${t("page.twins")}</h1><p class="soft">${t("twins.says")}</p></div></header>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    ${slow && html`<${Shapes} count=${4} />`}
    ${loaded.value?.duplicates.length === 0 && !loaded.value.next_token && html`<${Empty} icon="check" title=${t("twins.none")} />`}
    <ul class="newcomers">${loaded.value?.duplicates.map((one) => html`<li key=${one.id} class="newcomer twins">
      <div class="merging">${side(one.face)}<${Score} score=${one.score} threshold=${one.threshold} match=${false} />${side(one.other)}</div>
      ${may("operator") && html`<p class="row end"><button onClick=${() => areTwo(one)}>${t("twins.two")}</button><button onClick=${() => setMerge(one)}>${t("person.merge")}</button></p>`}
    </li>`)}</ul>
    ${loaded.value?.next_token && html`<button onClick=${more}>${t("more")}</button>`}
    ${merge && html`<${Merging} faces=${[merge.face, merge.other]} close=${() => setMerge(null)} done=${loaded.again} />`}
  </div>`;
}
