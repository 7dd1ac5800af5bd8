// The languages of this page, of messages, and of what people get on paper: the notice and receipts.
import { html } from "../html.js";
import { LANGUAGES } from "../store.js";
import { Select } from "./parts.js";
import { spoken, t } from "../words.js";

/** The language that a paper begins with: the console's, if there are papers in it. */
export const firstLanguage = () => (spoken.now in LANGUAGES.papers ? spoken.now : "en");

/**
 * Return a language's own name, and that nobody has read its words if nobody has.
 * @param {string} language
 * @param {"console" | "messages" | "papers"} part
 */
export function called(language, part) {
  const written = new Intl.DisplayNames(language, { type: "language" }).of(language);
  const name = written[0].toLocaleUpperCase(language) + written.slice(1);
  return LANGUAGES[part][language] ? name : t("language.unread", { name });
}

/**
 * Return the languages of a part, as one is chosen.
 * @param {"console" | "messages" | "papers"} part
 */
export const languagesOf = (part) => Object.keys(LANGUAGES[part]).map((language) => [language, called(language, part)]);

/** Choose the language of a paper. */
export const OfPaper = ({ value, set }) => html`<${Select} label=${t("paper.language")}
  options=${languagesOf("papers")} value=${value} set=${set} />`;
