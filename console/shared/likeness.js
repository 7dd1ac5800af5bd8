// Two who are hardly alike: before they become one person, the service is asked how alike they are.
import { get } from "../api.js";
import { pathOf } from "./correct.js";
import { nameOf, whose } from "./parts.js";
import { number } from "../words.js";

/** Return those of some faces that are hardly like a face. `signal`: ends it. */
export async function unlikeAmong(face, others, signal = undefined) {
  const found = await get(`${pathOf({ id: face })}/similar`, { faces: others.map((one) => one.id) }, { signal });
  return found.faces.filter((one) => !one.alike).map((one) => ({ ...one, threshold: found.threshold }));
}

/** Return another face if it is hardly like a face; null: it is alike, or nobody can be asked. */
export const unlikeOf = (face, other) => unlikeAmong(face, [other]).then(([one]) => one ?? null, () => null);

/** Says that somebody is hardly alike, with the figure. */
export const Unlike = ({ face, score, threshold }) =>
  whose("merge.unlike", { name: nameOf(face), score: number(score, 2), threshold: number(threshold, 2) });
