// Whether a camera needs somebody, and why: what the service says of it, in words.
import { t } from "../words.js";

/** States in which nothing is wrong, in the order in which they are listed. */
const WELL = ["never_seen", "unwatched", "ok", "disabled"];

/** Say whether something is wrong with a camera, and nobody muted that. */
export const isUnwell = ({ health }) => health.needs_somebody;

/** Say whether a camera recognises nobody, and nobody muted that. */
export const isBlind = (one) => isUnwell(one) && one.health.blind;

/** Name how a camera is: by what is wrong with it, if anything is. */
export const stateOf = ({ health }) => health.trouble ?? health.state;

/** Return the place of a camera in a list: those that recognise nobody first. */
export const rankOf = ({ health }) => (health.trouble ? Number(!health.blind) : 2 + WELL.indexOf(health.state));

/** Return the class of the mark before a state. */
export const markOf = (state) => `state ${WELL.includes(state) ? state : "unwell"}`;

/** Say a state as it stands by itself. */
export function named(state) {
  const said = t(`camera.${state}`);
  return said[0].toUpperCase() + said.slice(1);
}

/** Say how many cameras need somebody, and why: "1 camera needs you: shows something else"; "": none does. */
export function needs(cameras) {
  const unwell = (cameras ?? []).filter(isUnwell).sort((one, other) => rankOf(one) - rankOf(other));
  const why = [...new Set(unwell.map(stateOf))].map((state) => t(`camera.${state}`)).join(", ");
  return unwell.length ? t("visits.wrong.why", { cameras: t("visits.wrong", { count: unwell.length }), why }) : "";
}
