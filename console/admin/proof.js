// How right the count of a camera is, as people checked it, and how often to ask.
import { html } from "../html.js";
import { dayAndClock, joined, t } from "../words.js";

const SOON_MS = 5000;
const LATER_MS = 60_000;
const HOUR_MS = 3_600_000;
/** So long a film is asked after often. */
const IMPATIENT_MS = 600_000;

/** Say how right a count is, in whole per cent that it has reached, or how many answers it has yet; and what is in
 * neither: minutes without a number, and films and answers that somebody deleted. */
export function proofOf(proof) {
  const { unknown, left_out: left } = proof;
  return joined(sharesOf(proof), unknown > 0 && t("proof.unknown", { n: unknown }),
    left > 0 && t("proof.left", { n: left }));
}

function sharesOf({ answers, needed, of, ...shares }) {
  if (answers < needed) return t("proof.few", { answers, needed });
  const [came, went] = ["in", "out"].map((way) => (
    shares[way] === null ? t(`proof.${way}.nobody`) : t(`proof.${way}`, { n: Math.floor(100 * shares[way] + 1e-9) })));
  return t("proof.is", { in: came, out: went, of });
}

/** Return the time in ms before the checks are read again. */
export function pauseOf(known, now = Date.now()) {
  if (known?.waiting?.told === false) return LATER_MS;
  if (!known?.asked_at) return HOUR_MS;
  return now - Date.parse(known.asked_at) < IMPATIENT_MS ? SOON_MS : LATER_MS;
}

/** The proof of a count, and which minutes were most wrong. */
export function Proof({ proof }) {
  if (!proof) return null;
  return html`<p class="proof">${proofOf(proof)}</p>
    ${proof.wrong.length > 0 && html`<ul class="soft small">${proof.wrong.map(({ at, ...numbers }) => html`
      <li key=${at}>${t("proof.wrong", { time: dayAndClock(at), ...numbers })}</li>`)}</ul>`}`;
}
