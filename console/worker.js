// The service worker: it shows what is pushed to this browser, and leads to the card of who has come. It keeps nothing,
// and no request passes it. What is pushed of somebody takes the place of what was shown before; if the person goes,
// that is a text without a name.
const own = /** @type {any} */ (globalThis);

own.addEventListener("install", () => own.skipWaiting());
own.addEventListener("push", (event) => {
  const { title, text, face, tag = "", gone } = event.data.json();
  const again = tag && { tag, renotify: !gone, silent: Boolean(gone) };
  event.waitUntil(own.registration.showNotification(title, { body: text, data: { face }, ...again }));
});
own.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { face } = event.notification.data ?? {};
  const [, book] = /\/shops\/(\w+)\/$/.exec(own.registration.scope) ?? [];
  event.waitUntil(own.clients.openWindow(`../console${book ? `?shop=${book}` : ""}${face ? `#/counter/${face}` : ""}`));
});
