// The languages of what people get on paper: the notice and receipts. The console itself speaks fewer.
import { html } from "../html.js";
import { Select } from "./parts.js";
import { spoken, t } from "../words.js";

export const LANGUAGES = [["en", "English"], ["zh", "中文"], ["de", "Deutsch"], ["fr", "Français"], ["es", "Español"],
  ["it", "Italiano"], ["nl", "Nederlands"], ["pt", "Português"], ["ar", "العربية"]];

/** The language that a paper begins with: the console's. */
export const firstLanguage = () => spoken.now;

export const directionOf = (language) => (language === "ar" ? "rtl" : "ltr");

/** Choose the language of a paper. */
export const OfPaper = ({ value, set }) => html`<${Select} label=${t("paper.language")} options=${LANGUAGES}
  value=${value} set=${set} />`;
