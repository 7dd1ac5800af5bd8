// What a box or a receiver says of itself: it is in English, so others read what kind it is, and it itself behind that.
import { html } from "../html.js";
import { explain, spoken, t } from "../words.js";

/** Return a text of a box or a receiver for who reads English, else null. */
export const inEnglish = (text) => (spoken.now === "en" ? text : null);

/** Say why a delivery has not arrived. */
export const whyNot = ({ last_code: code, last_error: detail }) => explain({ code: `hook.${code}`, status: 1, detail });

/** Both of them. `words`: in the reader's language. */
export const Said = ({ words, detail }) => html`${words}${words !== detail && html`<details class="small">
  <summary>${t("problem.details")}</summary><p lang="en">${detail}</p></details>`}`;
