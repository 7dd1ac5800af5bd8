// The question that a book asks until somebody has answered it: what becomes of strangers.
import { get } from "../api.js";
import { html } from "../html.js";
import { to } from "../router.js";
import { useLoaded } from "../shared/parts.js";
import { mayLoad } from "../store.js";
import { t } from "../words.js";

export function Asked() {
  const { value } = useLoaded(async (signal) => mayLoad("settings") && get("settings", {}, { signal }), []);
  const isAsked = value?.strangers === "undecided";
  return isAsked ? html`<p class="notice"><a href=${to("privacy")}>${t("visits.asked")} ›</a></p>` : null;
}
