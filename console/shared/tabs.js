// Pages that belong together, in the head of each.
import { html } from "../html.js";
import { to } from "../router.js";
import { t } from "../words.js";

/** The ways from each page to the others. */
export const Tabs = ({ pages, here }) => html`<nav class="segments" aria-label=${t(`page.${pages[0]}`)}>
  ${pages.map((page) => html`<a key=${page} class="button" href=${to(page)}
    aria-current=${page === here ? "page" : null}>${t(`page.${page}`)}</a>`)}</nav>`;
