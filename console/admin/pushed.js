// This browser as one that is told, also while the console is closed.
import { get } from "../api.js";
import { t } from "../words.js";
import { subscribe } from "./subscription.js";

const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("worker", { createScriptURL: (url) => url });

export const canBePushed = () => Boolean(navigator.serviceWorker && globalThis.PushManager);

/** Have this browser run the worker of now. */
export function register() {
  const url = import.meta.resolve("../worker.js");
  return navigator.serviceWorker.register(policy?.createScriptURL(url) ?? url);
}

/** Return the channel of this browser, once its user agrees. */
export async function pushed() {
  if ((await Notification.requestPermission()) !== "granted") throw { detail: t("phone.denied") };
  const worker = await register();
  const starts = worker.installing ?? worker.waiting;
  await new Promise((done) => {
    if (worker.active) done(undefined);
    else starts.addEventListener("statechange", () => starts.state === "activated" && done(undefined));
  });
  const { key } = await get("push-key");
  const { endpoint, keys } = (await subscribe(worker.pushManager, key)).toJSON();
  return { url: endpoint, ...keys };
}
