// All that is held about one person, as a file to hand over: for admins whose key sees pictures.
import { useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { may, session } from "../store.js";
import { complain, say } from "../undo.js";
import { spoken, t } from "../words.js";

/** Fetch the file of the face at `path`; a large one comes in parts. */
async function fetchAll(path, language) {
  let part = null;
  do {
    const made = await get(`${path}/everything`, part ? { language, part } : { language });
    const link = document.createElement("a");
    link.href = made.url;
    link.download = "";
    link.click();
    part = made.next_part;
  } while (part);
}

export function Everything({ path }) {
  const [waits, setWaits] = useState(false);
  if (!may("admin") || !session.now?.pictures) return null;
  const fetched = () => {
    setWaits(true);
    fetchAll(path, spoken.now).then(() => say(t("everything.done")), complain).finally(() => setWaits(false));
  };
  return html`<div class="everything"><button disabled=${waits} onClick=${fetched}>${t("everything")}</button>
    <p class="soft small">${t("everything.says")}</p></div>`;
}
