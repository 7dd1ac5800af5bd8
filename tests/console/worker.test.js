// The service worker, as a browser calls it.
import assert from "node:assert/strict";
import test from "node:test";

const heard = {};
const done = [];
globalThis.addEventListener = (name, act) => { heard[name] = act; };
globalThis.skipWaiting = () => done.push("skipWaiting");
globalThis.registration = { showNotification: async (title, { body }) => done.push(["shown", title, body]) };
globalThis.clients = { openWindow: async (url) => done.push(["opened", url]) };
await import("../../console/worker.js");

const event = (more) => ({ waitUntil: (promise) => promise, ...more });

test("a push is shown, and a click leads to the console", () => {
  heard.install();
  heard.push(event({ data: { json: () => ({ title: "Shop", text: "Ann Lee is here" }) } }));
  heard.notificationclick(event({ notification: { close: () => done.push("closed") } }));
  assert.deepEqual(done, ["skipWaiting", ["shown", "Shop", "Ann Lee is here"], "closed", ["opened", "../console"]]);
});

test("it answers no request, and so keeps nothing", () => {
  assert.deepEqual(Object.keys(heard).sort(), ["install", "notificationclick", "push"]);
});
