// This browser as one that is told, also while the console is closed.
import { get } from "../api.js";
import { bookOf, session } from "../store.js";
import { t } from "../words.js";
import { managerOf, subscribe } from "./subscription.js";

const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("worker", { createScriptURL: (url) => url });
const source = import.meta.resolve("../worker.js");

export const canBePushed = () => Boolean(navigator.serviceWorker && globalThis.PushManager);

/** Tell whether this is Safari on a phone or tablet of Apple's, which pushes only to pages of the home screen. */
export const isBeforeHomeScreen = () => /** @type {any} */ (navigator).standalone === false && !canBePushed();

const register = (/** @type {string} */ scope) =>
  navigator.serviceWorker.register(policy?.createScriptURL(source) ?? source, { scope });

/** Have this browser run the worker of now, in place of each that it has. */
export async function renewWorkers() {
  for (const { scope } of await navigator.serviceWorker.getRegistrations()) await register(scope);
}

/** Return the channel of this browser, once its user agrees. */
export async function pushed() {
  if ((await Notification.requestPermission()) !== "granted") throw { detail: t("phone.denied") };
  const { key } = await get("push-key");
  const held = await managerOf(await navigator.serviceWorker.getRegistrations(), key);
  const { endpoint, keys } = (await subscribe(held ?? (await worker()).pushManager, key)).toJSON();
  return { url: endpoint, ...keys };
}

/** Return the shop's own worker once it runs: a worker takes the pushes of one sender. */
async function worker() {
  const made = await register(new URL(`shops/${bookOf(session.now)}/`, source).href);
  const starts = made.installing ?? made.waiting;
  await new Promise((done) => {
    if (made.active) done(undefined);
    else starts.addEventListener("statechange", () => starts.state === "activated" && done(undefined));
  });
  return made;
}
