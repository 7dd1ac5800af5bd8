// A browser's subscription to pushes.

const textOf = (/** @type {ArrayBuffer | null} */ key) =>
  btoa(String.fromCharCode(...new Uint8Array(key ?? new ArrayBuffer(0))))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/**
 * Return the manager that is subscribed to the sender whose key this is: before, one worker served all shops.
 * @param {readonly ServiceWorkerRegistration[]} workers
 * @param {string} key
 */
export async function managerOf(workers, key) {
  for (const { pushManager } of workers) {
    const held = await pushManager.getSubscription();
    if (held && textOf(held.options.applicationServerKey) === key) return pushManager;
  }
  return null;
}

/** Subscribe to pushes of the sender whose key this is: a browser refuses while it has a subscription to another's. */
export async function subscribe(/** @type {PushManager} */ manager, /** @type {string} */ key) {
  const before = await manager.getSubscription();
  if (before && textOf(before.options.applicationServerKey) !== key) await before.unsubscribe();
  return manager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}
