// The first admin, who came by the link of `regulars serve`: asked for a passkey or a password of her own, until
// somebody has one.
import { useEffect, useState } from "preact/hooks";
import { get, send } from "../api.js";
import { html } from "../html.js";
import { Field, Form } from "../shared/form.js";
import { Dialog } from "../shared/parts.js";
import { preference } from "../store.js";
import { t } from "../words.js";
import { Invited } from "./invited.js";

const asked = preference("asked", ["", "yes"]);

export function Own({ enter, close }) {
  const [members, setMembers] = useState(null);
  const [invitation, setInvitation] = useState(null);
  const done = () => { asked.set("yes"); close(); };
  useEffect(() => {
    if (asked.now) return close();
    const isBack = (one) => one.has_password || one.passkeys.length;
    get("members").then(({ members }) => (members.some(isBack) ? done() : setMembers(members)), close);
  }, []);
  const make = ({ name }) => {
    const begun = members.find((member) => member.role === "admin" && member.name === name.trim());
    return begun ? send("POST", `members/${begun.id}/invitation`)
      : send("POST", "members", { name: name.trim(), role: "admin" });
  };
  if (!members) return null;
  return html`<${Dialog} title=${t("own")} close=${done}>
    ${invitation
      ? html`<div class="ways"><${Invited} invitation=${invitation} leave=${done}
          enter=${(begun) => { enter(begun); done(); }} /></div>`
      : html`<${Form} send=${make} done=${(made) => setInvitation(made.url.split("#invitation=")[1])}>
        <p>${t("own.says")}</p>
        <${Field} label=${t("own.name")} name="name" required maxlength="100" autofocus autocomplete="name" />
        <p class="row end"><button type="button" onClick=${done}>${t("own.later")}</button>
          <button class="strong">${t("own.go")}</button></p><//>`}
  <//>`;
}
