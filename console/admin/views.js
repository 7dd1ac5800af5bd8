// What a camera shows, if that has changed: a person looks, and says that it is right.
import { html } from "../html.js";
import { may } from "../store.js";
import { send } from "../api.js";
import { complain } from "../undo.js";
import { t } from "../words.js";

/** What its box says that it shows, and the word that it is right. `told` is called with the camera as it is then. */
export function Changed({ one, told }) {
  const accept = () => send("POST", `cameras/${encodeURIComponent(one.id)}/view`).then(told, complain);
  return html`<div class="notice"><p>${one.health.status.error ?? t("camera.view.changed")}</p>
    ${may("operator") && html`<p class="soft small">${t("camera.view.says")}</p>
      <button onClick=${accept}>${t("camera.view.right")}</button>`}</div>`;
}

/** What is wrong with a camera, in its box's words; null if a person said that it is right, and the box hears it. */
export function troubleOf({ health }) {
  return health.status.view_changed && !health.view_changed ? null : health.status.error;
}
