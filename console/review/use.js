// The state of Review: loads the queues ahead of who decides, and draws the page anew when a card moves.
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { go } from "../router.js";
import { Deck } from "./deck.js";
import { decide, elsewhere, here } from "./done.js";
import { COUNTED, KINDS, Queue } from "./queues.js";

const LOADED = 8;
const LEAST = 1;

export function useReview(wanted) {
  const [, draw] = useReducer((count) => count + 1, 0);
  const [problem, setProblem] = useState(null);
  const [waits, setWaits] = useState(true);
  const made = useRef(null);
  made.current ??= new Deck(Object.fromEntries(KINDS.map((kind) => [kind, new Queue(kind, LEAST)])));
  /** @type {Deck} */
  const deck = made.current;
  const { queue } = deck;
  const load = async (work) => {
    setWaits(true);
    setProblem(null);
    await work().catch(setProblem);
    setWaits(false);
    draw();
  };
  const meant = () => (KINDS.includes(wanted) ? wanted
    : COUNTED.find((kind) => deck.queues[kind].count) ?? "promoted");
  const begin = () => load(async () => {
    await Promise.all(COUNTED.map((kind) => deck.queues[kind].ended || deck.queues[kind].list()));
    deck.kind ??= meant();
  });
  const more = () => (queue ? load(() => queue.load(deck.at + LOADED)) : begin());
  useEffect(() => { begin(); }, []);
  useEffect(() => { // the address says which queue is shown
    if (!deck.kind || deck.kind === meant()) return;
    deck.show(meant());
    draw();
  }, [wanted]);
  useEffect(() => {
    if (queue && !queue.isOver && queue.cards.length < deck.at + LOADED) more();
  }, [queue, queue?.cards.length, deck.at]);
  useEffect(() => {
    if (!problem) return;
    addEventListener("online", more);
    return () => removeEventListener("online", more);
  }, [problem]);
  here.back = (card, behind) => { deck.back(card, behind); draw(); };
  const drawn = (act) => (...values) => { act(...values); draw(); };
  return {
    deck, problem, waits, more,
    show: (queue) => go("review", { queue }),
    move: drawn((step) => deck.move(step)),
    skip: drawn(() => deck.skip()),
    least: drawn((count) => { deck.queues.stranger = new Queue("stranger", count); deck.show("stranger"); }),
    gone: drawn((card) => { const isHere = card === deck.card; if (deck.take(card) && isHere) elsewhere(card); }),
    decide: (card) => (text, change) => { if (deck.take(card)) { decide(card, text, change); draw(); } },
  };
}
