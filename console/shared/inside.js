// How many people are inside the places of a shop, by the counts of their doors.
import { html } from "../html.js";
import { to } from "../router.js";
import { t } from "../words.js";
import { isKnown, share } from "./known.js";
import { usePolled } from "./polled.js";

const EVERY_MS = 30_000;

/** Say how many are inside each place of which that is known; its name, if there are several. */
export const Inside = ({ places }) => places.filter(isKnown).map((one) => html`<span key=${one.id}
  class=${one.full ? "danger" : ""}>${places.length > 1 && `${one.name}: `}
  <strong>${t("inside", { count: one.inside })}</strong>${[one.full && t("inside.full"), share(one.openings.at(-1))]
    .filter(Boolean).map((more) => ` · ${more}`)}</span>`);

/** The same as it is now, which leads to the places. */
export function InsideNow() {
  const places = usePolled("places", {}, EVERY_MS)[0].value?.places;
  return places?.some(isKnown) && html`<a class="row plain" href=${to("places")}>
    <${Inside} places=${places} /></a>`;
}
