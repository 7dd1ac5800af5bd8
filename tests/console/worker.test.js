// The service worker, as a browser calls it.
import assert from "node:assert/strict";
import test from "node:test";

const heard = {};
const done = [];
globalThis.addEventListener = (name, act) => { heard[name] = act; };
globalThis.skipWaiting = () => done.push("skipWaiting");
globalThis.registration = { showNotification: async (title, { body, data, ...more }) =>
  done.push(["shown", title, body, data, ...(more.tag ? [more] : [])]) };
globalThis.clients = { openWindow: async (url) => done.push(["opened", url]) };
await import("../../console/worker.js");

const event = (more) => ({ waitUntil: (promise) => promise, ...more });

/** Push something, click on what is shown, and return what was done. */
function pushed(message) {
  done.length = 0;
  heard.push(event({ data: { json: () => message } }));
  const [[, , , data]] = done;
  heard.notificationclick(event({ notification: { close: () => done.push("closed"), data } }));
  return done;
}

test("a push of somebody is shown, and a click leads to the card", () => {
  heard.install();
  assert.deepEqual(done, ["skipWaiting"]);
  assert.deepEqual(pushed({ title: "Shop", text: "Ann Lee is here", face: "f1" }),
    [["shown", "Shop", "Ann Lee is here", { face: "f1" }], "closed", ["opened", "../console#/counter/f1"]]);
});

test("of nobody, or by an older service, a click leads to the console", () => {
  for (const face of ["", undefined]) {
    assert.deepEqual(pushed({ title: "Shop", text: "Front door is silent", face }).at(-1), ["opened", "../console"]);
  }
});

test("a click on what a shop's own worker shows leads to that shop, and to the card there", () => {
  globalThis.registration.scope = "https://box.example/console/shops/1f0c5e7a9b2d4c68/";
  assert.deepEqual(pushed({ title: "Shop" }).at(-1), ["opened", "../console?shop=1f0c5e7a9b2d4c68"]);
  assert.deepEqual(pushed({ title: "Shop", face: "f1" }).at(-1),
    ["opened", "../console?shop=1f0c5e7a9b2d4c68#/counter/f1"]);
});

test("a push of somebody takes the place of the one before, and one that takes it back makes no noise", () => {
  const [came] = pushed({ title: "Shop", text: "VIP", face: "f1", tag: "t1" });
  assert.deepEqual(came.at(-1), { tag: "t1", renotify: true, silent: false });
  const [gone] = pushed({ title: "Shop", text: "A notice about somebody was taken back", tag: "t1", gone: "1" });
  assert.deepEqual(gone.at(-1), { tag: "t1", renotify: false, silent: true });
});

test("it answers no request, and so keeps nothing", () => {
  assert.deepEqual(Object.keys(heard).sort(), ["install", "notificationclick", "push"]);
});
