// Who is in a picture? Looking is not recorded: no statistic and no visit changes.
import { useEffect, useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { unusable } from "../shared/form.js";
import { groupName, nameOf, Portrait, Score, Shapes, Trouble, useSlow } from "../shared/parts.js";
import { base64, Boxes, Drop, shrunk } from "../shared/pictures.js";
import { to } from "../router.js";
import { ago, explain, number, t } from "../words.js";

const CANDIDATES = 5;
const PLAIN_QUALITY = 60;

export default function Search() {
  const [shown, setShown] = useState(null);
  const [found, setFound] = useState(null);
  const [at, setAt] = useState(0);
  const [problem, setProblem] = useState(null);
  const [waits, setWaits] = useState(false);
  const slow = useSlow(waits);
  useEffect(() => () => { if (shown) URL.revokeObjectURL(shown.url); }, [shown]);
  const take = async ([first]) => {
    if (!first) return setProblem({ detail: t("add.nothing"), code: "Unusable" });
    setProblem(null);
    setFound(null);
    setWaits(true);
    try {
      const small = await shrunk(first[1]);
      setShown({ url: URL.createObjectURL(small), name: first[1].name });
      const answer = await send("POST", "identify", { picture: await base64(small), k: CANDIDATES, record: false });
      answer.faces.sort((one, other) => one.box.x - other.box.x);
      setFound(answer);
      setAt(0);
    } catch (failed) {
      setProblem(failed);
    }
    setWaits(false);
  };
  return html`<div class="page search">
    <header class="top"><div><h1>${t("page.search")}</h1><p class="soft">${t("search.says")}</p></div></header>
    <${Drop} take=${take} many=${false} small=${Boolean(shown)} title=${t(shown ? "search.another" : "search.drop")}
      says=${shown ? "" : t("search.drop.says")} />
    ${problem && html`<${Trouble} problem=${problem} />`}
    ${shown && problem?.code !== "Unusable" && html`<div class="looked">
      <div class="stage"><div class="frame-of"><img class="face" src=${shown.url} alt=${shown.name} />
        ${found && html`<${Boxes} faces=${found.faces} size=${found} at=${at} choose=${setAt}
          isKnown=${(face) => face.match} called=${verdict} />`}</div></div>
      <section aria-live="polite" aria-busy=${waits}>
        ${slow && html`<${Shapes} count=${4} />`}
        ${found && html`<p class="soft">
            ${found.faces.length ? t("search.faces", { count: found.faces.length }) : t("add.noface")}</p>
          <ol class="faces-found">${found.faces.map((face, index) => html`<${Found} key=${index} face=${face}
            n=${index + 1} open=${index === at} choose=${() => setAt(index)} />`)}</ol>`}
      </section>
    </div>`}</div>`;
}

const best = (face) => face.candidates.find((candidate) => candidate.match);
const verdict = (face) => (best(face) ? nameOf(best(face).face) : face.reason ? t("search.poor") : t("search.nobody"));

function Found({ face, n, open, choose }) {
  const known = best(face);
  const flaw = face.quality < PLAIN_QUALITY && face.flaw ? ` · ${t(`flaw.${face.flaw}`)}` : "";
  const compared = () => t("search.compared", { count: face.gallery_size, threshold: number(face.threshold, 2),
    quality: Math.round(face.quality) });
  const candidate = ({ face: one, score, match }) => html`<li key=${one.id}>
    <a href=${to(["person", one.id])}><${Portrait} url=${one.portrait.thumb_url} size="s" />
      <span><strong class="name">${nameOf(one)}</strong><small class="soft">${groupName(one.group)} · ${one.arrive_time
        ? t("search.last", { ago: ago(one.arrive_time) }) : t("face.never")}</small></span></a>
    <${Score} score=${score} threshold=${face.threshold} match=${match} /></li>`;
  return html`<li class=${open ? "open" : ""}>
    <button class="row-button" aria-expanded=${open} onClick=${choose}><span class="n">${n}</span>
      ${known && html`<${Portrait} url=${known.face.portrait.thumb_url} size="s" />`}
      <strong class="name">${verdict(face)}</strong>
      ${known && html`<${Score} score=${known.score} threshold=${face.threshold} match=${true} />`}</button>
    ${open && html`<div class="details">
      ${face.reason ? html`<p>${explain(unusable(face.reason))}</p>`
        : html`<p class="soft small">${compared()}${flaw}</p>`}
      ${face.candidates.length > 0 && html`<ul class="candidates">${face.candidates.map(candidate)}</ul>`}</div>`}
  </li>`;
}
