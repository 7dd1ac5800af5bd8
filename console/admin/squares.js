// The squares of a film without people: which of them moved, and where people walked.
export const ACROSS = 48;
export const DOWN = 27;
/** So long a look is shown if none follows it: then nobody looked. */
const STALE_MS = 1500;

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Return the numbers of the squares whose bit is set, row by row, the most significant bit first. */
export function squaresOf(moved) {
  const bytes = bytesOf(moved);
  return Array.from({ length: ACROSS * DOWN }, (_, at) => at).filter((at) => (bytes[at >> 3] >> (7 - (at & 7))) & 1);
}

/** Return what was looked at last before a time; null: nobody looked then. */
export function lookAt(looks, ms) {
  const last = looks.findLast((look) => look.ms <= ms);
  return last && ms - last.ms < STALE_MS ? last : null;
}

/** Return where people walked: squares in a picture that is 100 high and `wide`, each with a share of the most. */
export function walks(walked, wide) {
  const [x, y] = [wide / ACROSS, 100 / DOWN];
  return [...bytesOf(walked)].map((most, at) => (
    { x: (at % ACROSS) * x, y: Math.floor(at / ACROSS) * y, width: x, height: y, share: most / 255 }
  )).filter(({ share }) => share > 0);
}
