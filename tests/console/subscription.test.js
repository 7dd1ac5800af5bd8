// A browser's subscription, which takes one sender at a time.
import assert from "node:assert/strict";
import test from "node:test";
import { subscribe } from "../../console/admin/subscription.js";

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
