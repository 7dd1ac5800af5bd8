// A browser's subscription to pushes.

const textOf = (/** @type {ArrayBuffer | null} */ key) =>
  btoa(String.fromCharCode(...new Uint8Array(key ?? new ArrayBuffer(0))))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** Subscribe to pushes of the sender whose key this is: a browser refuses while it has a subscription to another's. */
export async function subscribe(/** @type {PushManager} */ manager, /** @type {string} */ key) {
  const before = await manager.getSubscription();
  if (before && textOf(before.options.applicationServerKey) !== key) await before.unsubscribe();
  return manager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}
