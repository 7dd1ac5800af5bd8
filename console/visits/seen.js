// Who was seen just now, as round portraits: "who is here", as far as cameras can tell.
import { html } from "../html.js";
import { to } from "../router.js";
import { groupName, nameOf, Portrait } from "../shared/parts.js";
import { usePolled } from "../shared/polled.js";
import { clock, t } from "../words.js";
import { RECENT_MS, seen } from "./day.js";

const EVERY_MS = 10_000;
const MINUTE_MS = 60_000;
const MOST = 50;

export function Seen({ groups, cameras }) {
  const now = Date.now();
  const from = new Date(Math.floor((now - RECENT_MS) / MINUTE_MS) * MINUTE_MS).toISOString();
  const [{ value }] = usePolled("observations", { from, kind: "sighting", limit: MOST }, EVERY_MS);
  const people = value && groups && cameras ? seen(value.observations, groups, cameras, now) : null;
  return html`<section class="seen" aria-label=${t("seen")}><h2>${t("seen")}</h2>
    ${people?.length === 0 && html`<p class="soft">${t("seen.nobody")}</p>`}
    ${people?.length > 0 && html`<ul>
      ${people.map((one) => html`<${Person} key=${one.face} ...${one} />`)}</ul>`}
  </section>`;
}

/** Return what fits beneath a portrait: "Ann" of "Ann Lee", and "No. 42" of a stranger. */
const shortName = ({ name, group, number }) =>
  nameOf({ name: name && name.split(/\s/)[0], group: number ? "" : group, number });

/** `kind`: special guests have a ring, and staff are grey. */
function Person({ face, at, kind, name, group, number, portrait }) {
  const time = clock(at);
  return html`<li class=${kind}><a href=${to(["person", face])}>
    <span class="ring"><${Portrait} url=${portrait?.thumb_url} name=${name} lazy=${false} /></span>
    <span class="name">${shortName({ name, group, number })}</span>
    <span class="unseen">${t("seen.last", { group: groupName(group), time })}</span>
    <span aria-hidden="true">${time}</span></a></li>`;
}
