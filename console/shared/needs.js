// Whether a camera needs somebody, and why: what the service says of it, in words.
import { t } from "../words.js";

/** Say whether something is wrong with a camera, and nobody muted that. */
export const isUnwell = ({ health }) => health.needs_somebody;

/** Say whether a camera is known to work: it is on and heard, and nothing is wrong with it. */
export const isWorking = ({ health }) => health.state === "ok" && !health.trouble;

/** Say whether one of these cameras recognises nobody, also if that is muted. */
export const isAnyBlind = (cameras) => cameras.some(({ health }) => health.blind);

/** Name how a camera is: by what is wrong with it, if anything is. */
export const stateOf = ({ health }) => health.trouble ?? health.state;

/** Say a state as it stands by itself. */
export function named(state) {
  const said = t(`camera.${state}`);
  return said[0].toUpperCase() + said.slice(1);
}

/** Say how many cameras need somebody, and why: "1 camera needs you: shows something else"; "": none does. */
export function needs(cameras = []) {
  const unwell = cameras.filter(isUnwell).sort((one, other) => other.health.blind - one.health.blind);
  const why = [...new Set(unwell.map(stateOf))].map((state) => t(`camera.${state}`)).join(", ");
  return why && t("visits.wrong.why", { cameras: t("visits.wrong", { count: unwell.length }), why });
}
