// What waits for somebody to look at it: queues of cards, listed ahead and loaded a few at a time.
import { get } from "../api.js";

export const KINDS = ["promoted", "uncertain", "stranger"];
const LISTED = 100;
/** How many cards are loaded by one request for faces, which answers 100: an uncertain one has six. */
const AT_ONCE = { promoted: 100, uncertain: 16, stranger: 100 };
const MOST_PAGES = 5;

/** Ids of the cards that were decided here, and of faces that are gone by that. It may not be sent yet. */
export const settled = new Set();

async function reviews(kind, token) {
  const page = await get("reviews", { kind, limit: LISTED, token });
  return { ...page, found: page.reviews };
}

/** List strangers by their last sightings. */
async function strangers(group, token) {
  const page = await get("observations", { kind: "sighting", group, limit: LISTED, token });
  return { ...page, found: page.observations.map((one) => ({ ...one, id: `stranger-${one.face}`, sighting: one.id })) };
}

/** The cards of one kind. `least`: of strangers, those who came so often. */
export class Queue {
  cards = [];
  ended = false;
  #listed = [];
  #token = null;
  #seen = new Set();
  #loading = null;

  constructor(kind, least = 1) {
    this.kind = kind;
    this.least = least;
  }

  /** How many are known to wait. Before the queue has `ended`, there may be more. */
  get count() {
    return this.cards.length + this.#listed.length;
  }

  get isOver() {
    return this.ended && !this.#listed.length;
  }

  /** List what waits next, without looking at it. */
  async list() {
    const { found, next_token: next } = await (this.kind === "stranger" ? strangers : reviews)(this.kind, this.#token);
    for (const one of found) {
      if (!this.#seen.has(one.id) && !settled.has(one.id)) this.#listed.push(one);
      this.#seen.add(one.id);
    }
    this.#token = next;
    this.ended = !next;
  }

  /** Load until so many cards are there, nothing is left, or a few pages had nothing. */
  load(wanted) {
    return (this.#loading ??= this.#more(wanted).finally(() => { this.#loading = null; }));
  }

  async #more(wanted) {
    for (let pages = 0; this.cards.length < wanted;) {
      if (!this.#listed.length) {
        if (this.ended || pages++ === MOST_PAGES) return;
        await this.list();
      }
      const some = this.#listed.slice(0, AT_ONCE[this.kind]);
      const ids = [...new Set(some.flatMap((one) => [one.face, ...(one.near ?? []).map((near) => near.face)]))];
      const faces = ids.length ? new Map((await get("faces", { ids, limit: LISTED })).faces.map((face) => [face.id, face])) : new Map();
      this.#listed.splice(0, some.length);
      this.cards.push(...some.map((one) => this.#card(one, faces)).filter((card) => this.#isOpen(card)));
    }
  }

  #card(one, faces) {
    const near = this.kind === "uncertain"
      ? one.near.map(({ face, score }) => ({ face: faces.get(face), score, match: face === one.face })).filter(({ face }) => face)
      : null;
    return { ...one, kind: this.kind, face: faces.get(one.face), near, needs: one.threshold };
  }

  #isOpen({ id, face }) {
    if (!face || settled.has(id)) return false;
    return this.kind !== "stranger" || (face.group === "stranger" && !face.name && face.arrive_count >= this.least);
  }
}
