// What waits for somebody to look at it: queues of cards, listed ahead and loaded a few at a time.
import { get } from "../api.js";
import { settled } from "./deck.js";

export const KINDS = ["promoted", "uncertain", "stranger", "pair"];
/** Those that are listed at once, so that one knows what waits. */
export const COUNTED = ["promoted", "uncertain", "pair"];
const LISTED = 100;
/** How many cards are loaded by one request for faces, which answers 100: an uncertain one has six. */
const AT_ONCE = { promoted: 100, uncertain: 16, stranger: 100, pair: 100 };
const MOST_PAGES = 5;

async function reviews(kind, token) {
  const page = await get("reviews", { kind, limit: LISTED, token, listed: true });
  return { ...page, found: page.reviews };
}

/** List strangers by their last sightings. */
async function strangers(group, token) {
  const page = await get("observations", { kind: "sighting", group, limit: LISTED, token });
  const found = page.observations.map((observation) => (
    { ...observation, id: `stranger-${observation.face}`, sighting: observation.id }));
  return { ...page, found };
}

/** List all pairs of faces that may be one person, those that are most alike first. */
async function pairs() {
  const found = [];
  let token;
  do {
    const page = await get("duplicates", { limit: LISTED, token });
    found.push(...page.duplicates);
    token = page.next_token;
  } while (token);
  return { found: found.sort((one, other) => other.score - one.score), next_token: null };
}

const LISTS = { stranger: strangers, pair: pairs };

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
    const { found, next_token: next } = await (LISTS[this.kind] ?? reviews)(this.kind, this.#token);
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
      const faces = await this.#faces(some);
      this.#listed.splice(0, some.length);
      this.cards.push(...some.map((one) => this.#card(one, faces)).filter((card) => this.#isOpen(card)));
    }
  }

  async #faces(some) {
    if (this.kind === "pair") return null;
    const ids = [...new Set(some.flatMap((one) => [one.face, ...(one.near ?? []).map((near) => near.face)]))];
    const { faces } = ids.length ? await get("faces", { ids, limit: LISTED }) : { faces: [] };
    return new Map(faces.map((face) => /** @type {const} */ ([face.id, face])));
  }

  #card(one, faces) {
    if (this.kind === "pair") return { ...one, kind: this.kind };
    const like = ({ face, score }) => ({ face: faces.get(face), score, match: face === one.face });
    const near = this.kind === "uncertain" ? one.near.map(like).filter((one) => one.face) : null;
    return { ...one, kind: this.kind, face: faces.get(one.face), near, needs: one.threshold };
  }

  #isOpen({ id, face, other }) {
    if (!face || face.hidden || [id, face.id, other?.id].some((one) => settled.has(one))) return false;
    return this.kind !== "stranger" || (face.group === "stranger" && !face.name && face.arrive_count >= this.least);
  }
}
