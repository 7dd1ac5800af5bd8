// A group: its name, its room, and what is noted of each person in it.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Dialog, Ending, Trouble } from "../shared/parts.js";
import { t } from "../words.js";

const ROOM = 1000;
const MADE_BY_SERVICE = ["stranger", "regular"];

/** Make a group, or change `group`. `done`: called with its name, "" if it was deleted. */
export function GroupDialog({ group: first, close, done }) {
  const [group, setGroup] = useState(first);
  const [problem, setProblem] = useState(null);
  const path = `groups/${encodeURIComponent(group?.id)}`;
  const isFixed = MADE_BY_SERVICE.includes(group?.name);
  const attempt = (made, name) => made.then(() => done(name), (failed) => {
    setProblem(failed);
    if (failed.code === "Changed") setGroup(failed.present);
  });
  const make = async (body) => send("POST", "groups", { ...body,
    capacity: body.capacity ?? Math.min(ROOM, Math.max(1, (await get("usage")).capacity_left)) });
  const submit = (event) => {
    event.preventDefault();
    const sent = Object.fromEntries(new FormData(event.target));
    const name = String(sent.name ?? group?.name).trim();
    const capacity = sent.capacity ? Number(sent.capacity) : null;
    const attributes = String(sent.attributes).split("\n").map((one) => one.trim()).filter(Boolean);
    const own = isFixed ? {} : { name, attributes, staff: "staff" in sent };
    attempt(group ? send("PATCH", path, { ...own, capacity, revision: group.revision })
      : make({ name, attributes, capacity }), name);
  };
  const field = (name, control) => html`<label>${t(`group.${name}`)}${control}</label>`;
  return html`<${Dialog} title=${t(group ? "group.edit" : "people.group")} close=${close}>
    <form key=${group?.revision} onSubmit=${submit}>
      ${problem && html`<${Trouble} problem=${problem} />`}
      ${!isFixed && field("name", html`<input name="name" required maxlength="96" defaultValue=${group?.name} />`)}
      ${field("capacity", html`<input name="capacity" type="number" min="1" max="1000000"
        defaultValue=${group?.capacity ?? ""} />`)}
      ${!isFixed && field("attributes", html`<textarea name="attributes" rows="3"
        defaultValue=${group?.attributes.join("\n")}></textarea>`)}
      ${group && !isFixed && html`<label class="inline"><input type="checkbox" name="staff"
        defaultChecked=${group.staff} />${t("group.staff")}</label>`}
      <${Ending} close=${close} before=${group?.count === 0 && !isFixed && html`<button type="button" class="danger"
        onClick=${() => attempt(send("DELETE", path), "")}>${t("group.delete")}</button><span class="apart"></span>`}>
        ${t(group ? "save" : "people.group.make")}<//>
    </form><//>`;
}
