// A group: its name, its room, and what is noted of each person in it.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Dialog, Trouble } from "../shared/parts.js";
import { t } from "../words.js";

const ROOM = 1000;
const MADE_BY_SERVICE = ["stranger", "regular"];

/** Make a group, or change `group`. `done`: called with its name, "" if it was deleted. */
export function GroupDialog({ group: first, close, done }) {
  const [group, setGroup] = useState(first);
  const [problem, setProblem] = useState(null);
  const path = `groups/${encodeURIComponent(group?.id)}`;
  const isFixed = MADE_BY_SERVICE.includes(group?.name);
  const attempt = async (act) => {
    try {
      done(await act());
    } catch (failed) {
      setProblem(failed);
      if (failed.code === "Changed") setGroup(failed.present);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    const sent = Object.fromEntries(new FormData(event.target));
    const name = String(sent.name ?? group?.name).trim();
    const capacity = sent.capacity ? Number(sent.capacity) : null;
    const attributes = String(sent.attributes).split("\n").map((one) => one.trim()).filter(Boolean);
    attempt(async () => {
      if (group) await send("PATCH", path, { ...(isFixed ? {} : { name, attributes, staff: "staff" in sent }), capacity, revision: group.revision });
      else await send("POST", "groups", { name, attributes, capacity: capacity ?? Math.min(ROOM, Math.max(1, (await get("usage")).capacity_left)) });
      return name;
    });
  };
  const remove = () => attempt(() => send("DELETE", path).then(() => ""));
  return html`<${Dialog} title=${t(group ? "group.edit" : "people.group")} close=${close}><form key=${group?.revision} onSubmit=${submit}>
    ${problem && html`<${Trouble} problem=${problem} />`}
    ${!isFixed && html`<label>${t("group.name")}<input name="name" required maxlength="96" defaultValue=${group?.name} /></label>`}
    <label>${t("group.capacity")}<input name="capacity" type="number" min="1" max="1000000" defaultValue=${group?.capacity ?? ""} /></label>
    ${!isFixed && html`<label>${t("group.attributes")}<textarea name="attributes" rows="3" defaultValue=${group?.attributes.join("\n")}></textarea></label>`}
    ${group && !isFixed && html`<label class="inline"><input type="checkbox" name="staff" defaultChecked=${group.staff} />${t("group.staff")}</label>`}
    <p class="row end">${group && !isFixed && group.count === 0 && html`<button type="button" class="danger" onClick=${remove}>${t("group.delete")}</button><span class="apart"></span>`}
      <button type="button" onClick=${close}>${t("cancel")}</button><button class="strong">${t(group ? "save" : "people.group.make")}</button></p>
  </form><//>`;
}
