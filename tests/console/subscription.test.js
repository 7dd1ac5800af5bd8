// A browser's subscription, which takes one sender at a time: so each shop has a worker of its own.
import assert from "node:assert/strict";
import test from "node:test";
import { managerOf, subscribe } from "../../console/admin/subscription.js";

const KEY = "-_8";
const BYTES = new Uint8Array([0xfb, 0xff]).buffer;

/** A browser's push manager, which has a subscription to the sender of this key; null: none. */
const managing = (/** @type {ArrayBuffer | null} */ before) => {
  const done = [];
  let held = before && { options: { applicationServerKey: before }, unsubscribe: async () => { done.push("ended"); held = null; } };
  return {
    done,
    getSubscription: async () => held,
    subscribe: async ({ applicationServerKey }) => { done.push(applicationServerKey); return "made"; },
  };
};

test("a subscription to another sender is ended first, and one's own stays", async () => {
  for (const [before, done] of [[null, [KEY]], [BYTES, [KEY]], [new Uint8Array([1, 2]).buffer, ["ended", KEY]]]) {
    const manager = managing(before);
    assert.equal(await subscribe(manager, KEY), "made");
    assert.deepEqual(manager.done, done);
  }
});

test("the worker that has a sender's subscription goes on with it, and no other one does", async () => {
  const [none, other, own] = [null, new Uint8Array([1, 2]).buffer, BYTES].map(managing);
  const workers = [none, other, own].map((pushManager) => /** @type {any} */ ({ pushManager }));
  assert.equal(await managerOf(workers, KEY), own);
  assert.equal(await managerOf(workers.slice(0, 2), KEY), null);
  assert.deepEqual(other.done, []);
});
