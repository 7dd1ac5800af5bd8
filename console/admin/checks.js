// The check of a camera's count: somebody looks at a film without people, and says how many came in and went out.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Field, Form } from "../shared/form.js";
import { Trouble, useLoaded } from "../shared/parts.js";
import { useAgain } from "../shared/polled.js";
import { may } from "../store.js";
import { complain, later } from "../undo.js";
import { dayAndClock, joined, t } from "../words.js";
import { Player } from "./film.js";
import { pauseOf, Proof } from "./proof.js";

const MOST = 1000;

/** The checks of a camera, and the film that waits: null for none. */
export function useChecks(path) {
  const loaded = useLoaded((signal) => get(`${path}/checks`, {}, { signal }), [path]);
  const waiting = loaded.value?.waiting?.at;
  const film = useLoaded(async (signal) => (waiting ? get(`${path}/film`, {}, { signal }) : null), [path, waiting]);
  useAgain(loaded, pauseOf(loaded.value));
  const ask = () => send("POST", `${path}/checks`).then(loaded.set, complain);
  const isFree = !loaded.value?.asked_at && !waiting; // a film waits, or is on its way
  return { loaded, ask, isFree, film: waiting && film.value?.at === waiting ? film.value : null };
}

/** The section of a camera's page. `checks`: as `useChecks` gives them. */
export function Checks({ path, checks: { loaded, film, ask, isFree } }) {
  const [said, setSaid] = useState(null);
  const [dropped, setDropped] = useState("");
  const { asked_at: asked, unanswered_at: unanswered, waiting } = loaded.value ?? {};
  const say = (shown, typed) => send("PUT", `${path}/checks/${encodeURIComponent(shown.at)}`,
    { in: Number(typed.in), out: Number(typed.out) });
  const done = (shown) => (answered) => {
    loaded.set(answered);
    const answer = answered.answers.find(({ at }) => at === shown.at);
    setSaid({ ...answer, film: { ...shown, crossings: answered.crossings ?? [] } });
  };
  const drop = () => later(t("check.dropped"), {
    take: () => setDropped(film.at),
    back: () => setDropped(""),
    act: (options) => send("DELETE", `${path}/checks/${encodeURIComponent(film.at)}`, undefined, options)
      .then(loaded.set),
  });
  const shown = said?.film ?? (film?.at === dropped ? null : film);
  const came = shown && !said && "check.came";
  const state = (asked && "check.asked") || came || (unanswered && "check.none");
  return html`<section class="checks"><h2>${t("check")}</h2>
    ${loaded.problem && html`<${Trouble} problem=${loaded.problem} again=${loaded.again} />`}
    <${Proof} proof=${loaded.value?.proof} />
    <div class="setting"><p class="soft small">${t("check.says")}</p>
      ${may("operator") && html`<button onClick=${ask} disabled=${!isFree}>${t("check.ask")}</button>`}</div>
    <p role="status" class="soft small">${state && t(state)}</p>
    ${shown && html`<h3>${t("check.film", { time: dayAndClock(shown.at), n: shown.seconds })}</h3>
      <${Player} key=${shown.at} film=${shown} />`}
    ${said ? html`<${Said} said=${said} close=${() => setSaid(null)} />`
      : shown && html`<${Form} key=${shown.at} class="row" send=${(typed) => say(shown, typed)} done=${done(shown)}>
        <${Numbers} isTold=${waiting?.told} /><button type="button" onClick=${drop}>${t("check.drop")}</button><//>`}
  </section>`;
}

/** The questions to who has seen a film; before its minute is told, an answer would be refused. */
function Numbers({ isTold }) {
  if (!isTold) return html`<p class="soft small">${t("check.untold")}</p>`;
  return html`${["in", "out"].map((way) => html`<${Field} key=${way} label=${t(`check.${way}`)} name=${way}
    type="number" min="0" max=${MOST} required inputmode="numeric" />`)}
    <button class="strong">${t("check.answer")}</button>`;
}

/** The counted numbers, once somebody has said what they saw. */
function Said({ said, close }) {
  const unknown = said.why ? joined(t("check.unknown"), t(`watched.${said.why}`, { count: 1 })) : t("check.void");
  const counted = said.in === null ? unknown : t("check.counted", { in: said.in, out: said.out });
  return html`<div role="status"><p><strong>${counted}</strong></p>
    <p>${t("check.saw", { in: said.seen_in, out: said.seen_out })}</p></div>
    <p class="row"><button onClick=${close}>${t("check.done")}</button></p>`;
}
