// All that is held about one person, as files to hand over: for admins whose key sees pictures.
import { useState } from "preact/hooks";
import { html } from "../html.js";
import { Blanks } from "../shared/erase.js";
import { fetchAll } from "../shared/everything.js";
import { Dialog, Ending } from "../shared/parts.js";
import { found, useWhole } from "../shared/whole.js";
import { may, session } from "../store.js";
import { complain, say } from "../undo.js";
import { spoken, t } from "../words.js";

export function Everything({ path }) {
  const [waits, setWaits] = useState(false);
  const [asks, setAsks] = useState(false);
  const [missing, setMissing] = useState([]);
  if (!may("admin") || !session.now?.pictures) return null;
  const fetched = (ids) => {
    setAsks(false);
    setWaits(true);
    fetchAll(ids, spoken.now).then((blank) => { setMissing(blank); say(t("everything.done")); }, complain)
      .finally(() => setWaits(false));
  };
  const begin = () => found(path).then(({ ids }) => (ids.length > 1 ? setAsks(true) : fetched(ids)), complain);
  return html`<div class="everything"><button disabled=${waits} onClick=${begin}>${t("everything")}</button>
    <p class="soft small">${t("everything.says")}</p><${Blanks} missing=${missing} />
    ${asks && html`<${Choosing} path=${path} close=${() => setAsks(false)} done=${fetched} />`}</div>`;
}

function Choosing({ path, close, done }) {
  const { ready, ids, shown } = useWhole(path);
  return html`<${Dialog} title=${t("everything")} close=${close}>${shown}
    <${Ending} close=${close} disabled=${!ready} onClick=${() => done(ids)}>${t("everything.fetch")}<//><//>`;
}
