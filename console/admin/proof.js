// How right the count of a camera is, as people checked it.
import { html } from "../html.js";
import { dayAndClock, t } from "../words.js";

/** Say how right a count is, in whole per cent that it has reached, or how many answers it has yet. */
export function proofOf({ answers, needed, of, ...shares }) {
  if (answers < needed) return t("proof.few", { answers, needed });
  const [came, went] = ["in", "out"].map((way) => (
    shares[way] === null ? t(`proof.${way}.nobody`) : t(`proof.${way}`, { n: Math.floor(100 * shares[way]) })));
  return t("proof.is", { in: came, out: went, of });
}

/** How right a count is, and which minutes were most wrong. */
export function Proof({ proof }) {
  if (!proof) return null;
  return html`<p class="proof">${proofOf(proof)}</p>
    ${proof.wrong.length > 0 && html`<ul class="soft small">${proof.wrong.map(({ at, ...numbers }) => html`
      <li key=${at}>${t("proof.wrong", { time: dayAndClock(at), ...numbers })}</li>`)}</ul>`}`;
}
