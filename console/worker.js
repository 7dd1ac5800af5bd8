// The service worker: it shows what is pushed to this browser. It keeps nothing, and no request passes it.
const own = /** @type {any} */ (globalThis);

own.addEventListener("install", () => own.skipWaiting());
own.addEventListener("push", (event) => {
  const { title, text } = event.data.json();
  event.waitUntil(own.registration.showNotification(title, { body: text }));
});
own.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(own.clients.openWindow("../console"));
});
