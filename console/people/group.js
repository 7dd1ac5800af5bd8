// A group: its name, its room, and what is noted of each person in it.
import { useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Field, Form } from "../shared/form.js";
import { Dialog, Ending } from "../shared/parts.js";
import { may } from "../store.js";
import { complain } from "../undo.js";
import { t } from "../words.js";

const ROOM = 1000;
const MADE_BY_SERVICE = ["stranger", "regular"];

/** Make a group, or change `group`. `done`: called with its name, "" if it was deleted. */
export function GroupDialog({ group: first, close, done }) {
  const [group, setGroup] = useState(first);
  const path = `groups/${encodeURIComponent(group?.id)}`;
  const isFixed = MADE_BY_SERVICE.includes(group?.name);
  const change = (body) => send("PATCH", path, { ...body, revision: group.revision }).catch((problem) => {
    if (problem.code === "Changed") setGroup(problem.present); // what was not typed over is shown as it is now
    throw problem;
  });
  const remove = () => send("DELETE", path).then(() => done(""), complain);
  const make = async (body) => send("POST", "groups", { ...body,
    capacity: body.capacity ?? Math.min(ROOM, Math.max(1, (await get("usage")).capacity_left)) });
  const save = async (/** @type {any} */ sent) => {
    const name = String(sent.name ?? group?.name).trim();
    const capacity = sent.capacity ? Number(sent.capacity) : null;
    const attributes = String(sent.attributes).split("\n").map((one) => one.trim()).filter(Boolean);
    const own = isFixed ? {} : { name, attributes, staff: "staff" in sent };
    return group ? change({ ...own, capacity }) : make({ name, attributes, capacity });
  };
  return html`<${Dialog} title=${t(group ? "group.edit" : "people.group")} close=${close}>
    <${Form} send=${save} done=${(saved) => done(saved.name)}>
      ${!isFixed && html`<${Field} label=${t("group.name")} name="name" required maxlength="96"
        defaultValue=${group?.name} />`}
      <${Field} label=${t("group.capacity")} name="capacity" type="number" min="1" max="1000000"
        defaultValue=${group?.capacity ?? ""} />
      ${!isFixed && html`<${Field} as="textarea" label=${t("group.attributes")} name="attributes" rows="3"
        defaultValue=${group?.attributes.join("\n")} />`}
      ${group && !isFixed && html`<label class="inline"><input type="checkbox" name="staff"
        defaultChecked=${group.staff} />${t("group.staff")}</label>`}
      ${group?.count > 0 && group.count === group.hidden && !isFixed && may("operator")
        && html`<p class="soft small">${t("group.hidden")}</p>`}
      <${Ending} close=${close} before=${group?.count === 0 && !isFixed && may("operator") && html`<button type="button"
        class="danger" onClick=${remove}>${t("group.delete")}</button><span class="apart"></span>`}>
        ${t(group ? "save" : "people.group.make")}<//>
    <//><//>`;
}
