import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { candidates, Deck, settled, whoStays } from "../../console/review/deck.js";

const card = (id, kind = "uncertain") => ({ id, kind, face: { id: `face of ${id}` } });
const queueOf = (...ids) => ({ cards: ids.map((id) => card(id)) });
let deck;

beforeEach(() => {
  settled.clear();
  deck = new Deck({ uncertain: queueOf("a", "b", "c"), pair: { cards: [] } }, "uncertain");
});

test("the next card is in sight once one is decided, and the last one stays the last", () => {
  const [first] = deck.queue.cards;
  assert.ok(deck.take(first));
  assert.equal(deck.card.id, "b");
  assert.equal(deck.take(first), false);
  deck.move(5);
  deck.take(deck.card);
  assert.equal(deck.card.id, "b");
});

test("what is taken back is in sight, or behind the card that is", () => {
  const [first, second] = deck.queue.cards;
  deck.take(first);
  deck.take(second);
  deck.back(second, 1);
  assert.deepEqual(deck.shown(2).map(({ id }) => id), ["c", "b"]);
  deck.back(first);
  assert.deepEqual(deck.shown(2).map(({ id }) => id), ["a", "c", "b"]);
  assert.equal(settled.size, 0);
});

test("a card that is put off comes last", () => {
  deck.skip();
  assert.deepEqual(deck.shown(2).map(({ id }) => id), ["b", "c", "a"]);
});

test("a card of another queue leaves the one in sight", () => {
  const other = card("x", "pair");
  deck.queues.pair.cards.push(other);
  deck.move(1);
  deck.take(other);
  assert.equal(deck.card.id, "b");
});

test("of two who are one person the named stays, then whom somebody put into a group, then who came more often", () => {
  const face = (name, group, arrive_count) => ({ name, group, arrive_count });
  const [ann, known, often, once] = [face("Ann", "stranger", 1), face("", "regular", 2), face("", "stranger", 9), face("", "stranger", 1)];
  for (const [one, other] of [[ann, known], [known, often], [often, once]]) {
    assert.equal(whoStays(one, other)[0], one);
    assert.equal(whoStays(other, one)[0], one);
  }
});

test("who is decided about is no candidate", () => {
  const near = ["own", "most", "just"].map((id) => ({ face: { id } }));
  const ids = () => candidates({ near }).map(({ face }) => face.id);
  assert.deepEqual(ids(), ["own", "most", "just"]);
  settled.add("most");
  assert.deepEqual(ids(), ["own", "just"]);
  assert.deepEqual(candidates({ near: null }), []);
});
