// A film of a count without people: squares in which something moved, boxes around people, their feet, and the line.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { number, t } from "../words.js";
import { drawn } from "./counting.js";
import { ACROSS, DOWN, lookAt, squaresOf } from "./squares.js";

export const LENGTH_MS = 60_000;
const [WIDTH, HEIGHT] = [960, 540];
const BACK_MS = 5000;
const SLOW = 0.5;
/** So long the line is lit for somebody who was counted. */
const LIT_MS = 600;
const THOUSAND = 1000;

/** Draw what a film shows at a time. `crossings`: the line is lit as somebody is counted, once that may be known. */
function draw(canvas, { looks, line, crossings = [] }, ms) {
  const context = canvas.getContext("2d");
  const look = lookAt(looks, ms);
  context.setLineDash([]);
  context.fillStyle = look ? "#141617" : "#40372a";
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = "#6b7278";
  for (const at of look?.squares ?? []) {
    const [x, y] = [(at % ACROSS) * (WIDTH / ACROSS), Math.floor(at / ACROSS) * (HEIGHT / DOWN)];
    context.fillRect(x + 1, y + 1, WIDTH / ACROSS - 2, HEIGHT / DOWN - 2);
  }
  Object.assign(context, { strokeStyle: "#ffffff", fillStyle: "#ffffff", lineWidth: 3 });
  for (const [x, y, width, height, isSure] of look?.bodies ?? []) {
    const [left, top, wide, high] = [x * WIDTH, y * HEIGHT, width * WIDTH, height * HEIGHT]
      .map((thousandths) => thousandths / THOUSAND);
    context.setLineDash(isSure ? [] : [10, 8]);
    context.strokeRect(left, top, wide, high);
    context.beginPath();
    context.arc(left + wide / 2, top + high, 6, 0, 2 * Math.PI);
    context.fill();
  }
  const isLit = crossings.some((one) => ms >= one.ms && ms - one.ms < LIT_MS);
  const scale = HEIGHT / 100;
  context.setLineDash([]);
  context.save();
  context.scale(scale, scale);
  Object.assign(context, { strokeStyle: isLit ? "#ffd54a" : "#7fb2ff", lineWidth: (isLit ? 9 : 4) / scale });
  context.stroke(new Path2D(drawn(line, WIDTH / scale).path));
  context.restore();
}

/** Return the time of a film in ms, and what changes it; it goes on while `plays`. */
function useTime(plays, isSlow, end) {
  const [ms, setMs] = useState(0);
  useEffect(() => {
    if (!plays) return undefined;
    let [last, timer] = [performance.now(), 0];
    const tick = (now) => {
      const gone = Math.max(0, now - last) * (isSlow ? SLOW : 1);
      last = now;
      setMs((before) => Math.min(before + gone, LENGTH_MS));
      timer = requestAnimationFrame(tick);
    };
    timer = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(timer);
  }, [plays, isSlow]);
  useEffect(() => { if (ms >= LENGTH_MS) end(); }, [ms >= LENGTH_MS]);
  return /** @type {[number, (next: number) => void]} */ ([ms, setMs]);
}

/** The film, to be played, slowed and gone back in. With its `crossings` it shows who was counted. */
export function Player({ film }) {
  const canvas = useRef(null);
  const [plays, setPlays] = useState(false);
  const [isSlow, setSlow] = useState(false);
  const [ms, setMs] = useTime(plays, isSlow, () => setPlays(false));
  const shown = useMemo(() => ({
    ...film, looks: film.looks.map((look) => ({ ...look, squares: squaresOf(look.moved) })),
  }), [film]);
  useEffect(() => draw(canvas.current, shown, ms), [shown, ms]);
  const play = () => {
    if (ms >= LENGTH_MS) setMs(0);
    setPlays(!plays);
  };
  const seconds = `${number(Math.floor(ms / 1000))} s`;
  return html`<figure class="film"><canvas ref=${canvas} width=${WIDTH} height=${HEIGHT} role="img"
      aria-label=${t("check.alt")}></canvas>
    <figcaption class="soft small">${t("check.legend")}</figcaption>
    <p class="row"><button type="button" onClick=${play}>${t(plays ? "check.pause" : "check.play")}</button>
      <button type="button" aria-pressed=${isSlow} onClick=${() => setSlow(!isSlow)}>${t("check.slower")}</button>
      <button type="button" onClick=${() => setMs(Math.max(0, ms - BACK_MS))}>${t("check.back")}</button>
      <input type="range" class="time" min="0" max=${LENGTH_MS / 1000} step="0.2" value=${ms / 1000}
        aria-label=${t("check.time")} aria-valuetext=${seconds}
        onInput=${({ target }) => setMs(Number(target.value) * 1000)} />
      <span class="soft small" aria-hidden="true">${seconds}</span></p></figure>`;
}
