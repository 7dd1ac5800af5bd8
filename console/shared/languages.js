// The languages of this page, of messages, and of what people get on paper: the notice and receipts.
import { html } from "../html.js";
import { Select } from "./parts.js";
import { spoken, t } from "../words.js";

export const LANGUAGES = [["en", "English"], ["zh", "中文"], ["de", "Deutsch"], ["fr", "Français"], ["es", "Español"],
  ["it", "Italiano"], ["nl", "Nederlands"], ["pt", "Português"], ["ar", "العربية"]];

/** The language that a paper begins with: the console's. */
export const firstLanguage = () => spoken.now;

const NAMES = Object.fromEntries(LANGUAGES);

/** Return a language's own name, and that nobody has read its words: programs wrote all but the English ones. */
export const called = (language) => (language === "en" ? NAMES.en : t("language.unread", { name: NAMES[language] }));

/** Choose the language of a paper. */
export const OfPaper = ({ value, set }) => html`<${Select} label=${t("paper.language")} options=${LANGUAGES}
  value=${value} set=${set} />`;
