// Who is in a picture? Looking is not recorded: no statistic and no visit changes.
import { useEffect, useRef, useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { groupName, nameOf, Portrait, Score, Segments, Shapes, Trouble, useSlow } from "../shared/parts.js";
import { base64, Drop, placed, shrunk } from "../shared/pictures.js";
import { to } from "../router.js";
import { ago, number, t } from "../words.js";

const CANDIDATES = 5;
const PLAIN_QUALITY = 60;

export default function Search() {
  const [mode, setMode] = useState("who");
  return html`<div class="page search">
    <header class="top"><div><h1>${t("page.search")}</h1><p class="soft">${t("search.says")}</p></div>
      <${Segments} label=${t("search.mode")} value=${mode} set=${setMode}
        options=${["who", "same"].map((one) => [one, t(`search.${one}`)])} /></header>
    ${mode === "who" ? html`<${Who} />` : html`<${Same} />`}
  </div>`;
}

/** A picture that was taken: its URL here, and what is sent. */
function useShown() {
  const [shown, setShown] = useState(null);
  const last = useRef(null);
  useEffect(() => () => last.current && URL.revokeObjectURL(last.current), []);
  return [shown, async (file) => {
    const small = await shrunk(file);
    if (last.current) URL.revokeObjectURL(last.current);
    last.current = URL.createObjectURL(small);
    const next = { url: last.current, blob: small, name: file.name };
    setShown(next);
    return next;
  }];
}

function Who() {
  const [shown, show] = useShown();
  const [found, setFound] = useState(null);
  const [at, setAt] = useState(0);
  const [problem, setProblem] = useState(null);
  const [waits, setWaits] = useState(false);
  const slow = useSlow(waits);
  const take = async ([first]) => {
    if (!first) return setProblem({ detail: t("add.nothing"), code: "Unusable" });
    setProblem(null);
    setFound(null);
    setWaits(true);
    try {
      const { blob } = await show(first[1]);
      const answer = await send("POST", "identify", { picture: await base64(blob), k: CANDIDATES, record: false });
      answer.faces.sort((one, other) => one.box.x - other.box.x);
      setFound(answer);
      setAt(0);
    } catch (failed) {
      setProblem(failed);
    }
    setWaits(false);
  };
  const box = (face, index) => html`<button key=${index} style=${placed(face.box, found)} aria-pressed=${index === at}
    class=${`box ${face.match ? "match" : ""} ${index === at ? "meant" : ""}`} onClick=${() => setAt(index)}
    aria-label=${t("search.face", { n: index + 1, name: verdict(face) })}><span aria-hidden="true">${index + 1}</span>
  </button>`;
  return html`
    <${One} take=${take} shown=${shown} says=${t("search.drop.says")} />
    ${problem && html`<${Trouble} problem=${problem} />`}
    ${shown && problem?.code !== "Unusable" && html`<div class="looked">
      <div class="stage"><div class="frame-of"><img class="face" src=${shown.url} alt=${shown.name} />
        ${found?.faces.map(box)}</div></div>
      <section aria-live="polite" aria-busy=${waits}>
        ${slow && html`<${Shapes} count=${4} />`}
        ${found && html`<p class="soft">
            ${found.faces.length ? t("search.faces", { count: found.faces.length }) : t("add.noface")}</p>
          <ol class="faces-found">${found.faces.map((face, index) => html`<${Found} key=${index} face=${face}
            n=${index + 1} open=${index === at} choose=${() => setAt(index)} />`)}</ol>`}
      </section>
    </div>`}`;
}

/** Where one picture is dropped. */
const One = ({ take, shown, says = "", paste = true }) => html`<${Drop} take=${take} many=${false} paste=${paste}
  small=${Boolean(shown)} title=${t(shown ? "search.another" : "search.drop")} says=${shown ? "" : says} />`;

const best = (face) => face.candidates.find((one) => one.match);
const verdict = (face) => (best(face) ? nameOf(best(face).face) : face.reason ? t("search.poor") : t("search.nobody"));

function Found({ face, n, open, choose }) {
  const known = best(face);
  const flaw = face.quality < PLAIN_QUALITY && face.flaw ? ` · ${face.flaw}` : "";
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
      ${face.reason ? html`<p>${face.reason}</p>` : html`<p class="soft small">${compared()}${flaw}</p>`}
      ${face.candidates.length > 0 && html`<ul class="candidates">${face.candidates.map(candidate)}</ul>`}</div>`}
  </li>`;
}

/** Two pictures side by side: the same person? */
function Same() {
  const [left, showLeft] = useShown();
  const [right, showRight] = useShown();
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const pair = useRef([null, null]);
  /** Compare what was shown last at each side, whichever comes first. */
  const take = (at, show) => async ([first]) => {
    if (!first) return setProblem({ detail: t("add.nothing"), code: "Unusable" });
    pair.current[at] = await show(first[1]);
    const [one, other] = pair.current;
    setFound(null);
    setProblem(null);
    if (!one || !other) return;
    try {
      const answer = await send("POST", "verify", { picture: await base64(one.blob), other: await base64(other.blob) });
      if (pair.current[0] === one && pair.current[1] === other) setFound(answer);
    } catch (failed) {
      setProblem(failed);
    }
  };
  const side = (shown, take) => html`<div>
    ${shown && html`<img class="face" src=${shown.url} alt=${shown.name} />`}
    <${One} take=${take} shown=${shown} paste=${false} /></div>`;
  return html`<div aria-live="polite">${found && html`<p class="verdict">
      <strong>${found.reason ?? t(found.match ? "search.same.yes" : "search.same.no")}</strong>
      ${!found.reason && html`<${Score} ...${found} />`}</p>`}</div>
    <div class="two">${side(left, take(0, showLeft))}${side(right, take(1, showRight))}</div>
    ${problem && html`<${Trouble} problem=${problem} />`}`;
}
