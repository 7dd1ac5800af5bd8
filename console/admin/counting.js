// The counting line of a camera, drawn on what it sees: two ends, and an arrow to the side that is in.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { t } from "../words.js";
import { walks } from "./squares.js";

/** The line that somebody begins with: those who walk down the picture come in. */
const FIRST = [[0.2, 0.5], [0.8, 0.5]];
const LEAST_LENGTH = 0.05;
const LEAST_ROOM = 0.1;
const STEP = 0.01;
const KEYS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const ARROW = 12;

/** Tell whether people can be counted at a line, by the rule of the service (domain/counts.py) and of the uploader. */
export function isUsable([[ax, ay], [bx, by]]) {
  const length = Math.hypot(bx - ax, by - ay);
  const room = (at, step) => (Math.abs(step) > 1e-9 ? Math.min(at, 1 - at) / Math.abs(step) : Infinity);
  const [across, down] = [(ay - by) / length, (bx - ax) / length];
  return length >= LEAST_LENGTH && Math.min(room((ax + bx) / 2, across), room((ay + by) / 2, down)) >= LEAST_ROOM;
}

/** Return the line with one end elsewhere, within the picture; as it was, if nobody could be counted at the new one. */
export function moved(line, end, place) {
  const to = place.map((share) => Number(Math.max(0, Math.min(1, share)).toFixed(3)));
  const next = line.map((one, at) => (at === end ? to : one));
  return isUsable(next) ? next : line;
}

/**
 * Return the path of a line with its arrow, and where "in" stands, in a picture that is 100 high and `wide`. Who goes
 * from the line's left to its right, seen from its first end, comes in: over a line to the right, downwards.
 */
export function drawn(line, wide) {
  const [[ax, ay], [bx, by]] = line.map(([x, y]) => [x * wide, y * 100]);
  const length = Math.hypot(bx - ax, by - ay);
  const [dx, dy] = [(bx - ax) / length, (by - ay) / length];
  const at = (along, off) => [(ax + bx) / 2 + along * dx - off * dy, (ay + by) / 2 + along * dy + off * dx];
  const stroke = (...points) => `M${points.map((point) => point.join(" ")).join("L")}`;
  const head = stroke(at(-3, ARROW - 4), at(0, ARROW), at(3, ARROW - 4));
  return { path: stroke([ax, ay], [bx, by]) + stroke(at(0, 0), at(0, ARROW)) + head, label: at(0, ARROW + 6) };
}

/** Say whether a film shows no feet: too few people came in its last hour for them to be told. */
const isNowhere = (walked) => /^A*=*$/.test(walked);

/**
 * `url`: of a picture, null for none; `change`: as `changer` gives it; `may`: whether the line can be changed.
 * `walked`: where people walked, of a film; null: there is none. `ask`: asks for one; null: it cannot be asked for now.
 */
export function CountingLine({ edge, url, alt, change, may, walked: feet, ask }) {
  const walked = feet && !isNowhere(feet) && feet;
  const [draft, setDraft] = useState(null);
  const [wide, setWide] = useState(160);
  const line = draft ? draft.line : edge.count;
  const setLine = (next) => setDraft({ line: next });
  const keep = (next) => {
    const mine = { line: next };
    const done = () => setDraft((now) => (now === mine ? null : now)); // somebody may draw on meanwhile
    setDraft(mine);
    change(({ edge: { count: _, ...rest } }) => ({ edge: next ? { ...rest, count: next } : rest })).then(done, done);
  };
  const press = ({ target, pointerId }) => target.setPointerCapture(pointerId);
  const drag = (end) => ({ target, pointerId, clientX, clientY }) => {
    if (!target.hasPointerCapture(pointerId)) return;
    const { left, top, width, height } = target.parentNode.getBoundingClientRect();
    setLine(moved(line, end, [(clientX - left) / width, (clientY - top) / height]));
  };
  const step = (end) => (event) => {
    if (!KEYS[event.key]) return;
    event.preventDefault();
    setLine(moved(line, end, line[end].map((share, axis) => share + KEYS[event.key][axis])));
  };
  const { path, label } = line ? drawn(line, wide) : {};
  const share = ([x, y]) => ({ left: `${100 * x}%`, top: `${100 * y}%` });
  const End = (end) => html`<button key=${end} class="end" style=${share(line[end])}
    aria-label=${t("camera.line.end", { n: end + 1 })} onPointerDown=${press} onPointerMove=${drag(end)}
    onLostPointerCapture=${() => keep(line)} onKeyDown=${step(end)}
    onKeyUp=${({ key }) => KEYS[key] && keep(line)}></button>`;
  return html`${(url || line) && html`<div class="frame-of aim" style=${{ aspectRatio: url ? null : "16 / 10" }}>
      ${url && html`<img src=${url} alt=${alt} onLoad=${({ target }) =>
        setWide((100 * target.naturalWidth) / target.naturalHeight)} />`}
      ${line && html`<svg viewBox=${`0 0 ${wide} 100`} aria-hidden="true">${walked && walks(walked, wide)
          .map(({ share: most, ...square }) => html`<rect ...${square} opacity=${0.2 + 0.6 * most} />`)}
        <path d=${path} /></svg>
        <span class="in" style=${share([label[0] / wide, label[1] / 100])}>${t("camera.line.in")}</span>
        ${may && [0, 1].map(End)}`}</div>`}
    <div class="setting"><div><h3 class="label">${t("camera.line")}</h3>
      <p class="soft small">${t("camera.line.says")}</p>
      ${line && html`<p class="soft small">${t(walked ? "camera.line.walked" : "camera.line.unwalked")}
        ${!walked && ask && html` <button class="line" onClick=${ask}>${t("check.ask")}</button>`}</p>`}</div>
      ${may && html`<p class="row">${line
        ? html`<button onClick=${() => keep(line.toReversed())}>${t("camera.line.turn")}</button>
          <button onClick=${() => keep(undefined)}>${t("camera.line.remove")}</button>`
        : html`<button onClick=${() => keep(FIRST)}>${t("camera.line.draw")}</button>`}</p>`}</div>`;
}
