import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { complain, later, notes, say, settleAll, undoLast, unsay, WAIT_MS } from "../../console/undo.js";

let shown;
const change = (act = async () => {}) => ({
  take: () => shown.push("taken"),
  back: () => shown.push("back"),
  act: async ({ keepalive }) => { shown.push(keepalive ? "done as the page goes" : "done"); await act(); },
});

mock.timers.enable({ apis: ["setTimeout"] });
beforeEach(() => { shown = []; notes.now.forEach(unsay); });

test("a change is shown at once and done when nobody undid it", () => {
  later("Deleted", change());
  assert.deepEqual(shown, ["taken"]);
  mock.timers.tick(WAIT_MS);
  assert.deepEqual([shown, notes.now], [["taken", "done"], []]);
});

test("undo takes back what was said last, and once", () => {
  later("Deleted", change());
  say("Something else");
  undoLast();
  assert.deepEqual(shown, ["taken", "back"]);
  assert.equal(undoLast(), false);
  mock.timers.tick(WAIT_MS);
  assert.deepEqual(shown, ["taken", "back"]);
});

test("what waits is done while the page goes", () => {
  later("Deleted", change());
  dispatchEvent(new Event("pagehide"));
  assert.deepEqual(shown, ["taken", "done as the page goes"]);
});

test("what failed is shown as it was, with the reason", async () => {
  later("Deleted", change(() => { throw Object.assign(new Error(), { detail: "It is held." }); }));
  await settleAll("do");
  assert.deepEqual(shown, ["taken", "done", "back"]);
  assert.equal(notes.now.at(-1).text, "It is held.");
});

test("a page asks before it is left only if it could not send what waits", () => {
  const asks = () => !dispatchEvent(new Event("beforeunload", { cancelable: true }));
  later("Deleted", change());
  assert.equal(asks(), false);
  later("Deleted 500", { ...change(), isLarge: true });
  assert.equal(asks(), true);
});

test("a problem without words is one of the connection", () => {
  complain({});
  assert.equal(notes.now.at(-1).text, "problem.offline");
});
