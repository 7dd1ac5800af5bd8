// What a book asks until somebody has answered it: what becomes of strangers, and what ended before a restore.
import { get } from "../api.js";
import { html } from "../html.js";
import { to } from "../router.js";
import { useLoaded } from "../shared/parts.js";
import { mayLoad } from "../store.js";
import { t } from "../words.js";

export function Asked() {
  const { value } = useLoaded(async (signal) => mayLoad("settings") && get("settings", {}, { signal }), []);
  const asked = [...(value?.strangers === "undecided" ? ["asked"] : []), ...(value?.restore_gap ? ["gap"] : [])];
  return asked.map((one) => html`<p class="notice" key=${one}>
    <a href=${to("privacy")}>${t(`visits.${one}`)} ›</a></p>`);
}
