// The cards of Review: which one is in sight, and where one goes that is decided, put off or taken back.

/** Ids of the cards that were decided here, and of faces that are gone by that. It may not be sent yet. */
export const settled = new Set();

export const CANDIDATES = 5;

/** Return who else the face of a card may be, whom no card is decided about yet. */
export const candidates = ({ near }) => (near ?? []).filter(({ face }) => !settled.has(face.id)).slice(0, CANDIDATES);

export class Deck {
  at = 0;
  /** Whether another card came into sight by what somebody did. */
  hasMoved = false;

  /** `queues`: by their kinds, each with its `cards`. */
  constructor(queues, kind = null) {
    this.queues = queues;
    this.kind = kind;
  }

  get queue() {
    return this.queues[this.kind];
  }

  get card() {
    return this.queue?.cards[this.at];
  }

  /** The card in sight, and those that come next. */
  shown(ahead) {
    return this.queue?.cards.slice(this.at, this.at + 1 + ahead) ?? [];
  }

  show(kind, at = 0) {
    Object.assign(this, { hasMoved: true, kind, at });
  }

  move(step) {
    this.show(this.kind, this.#within(this.at + step));
  }

  /** Put the card in sight behind all others. */
  skip() {
    const { cards } = this.queue;
    cards.push(...cards.splice(this.at, 1));
    this.show(this.kind, this.at);
  }

  /** Take a card away, since it is decided. Return false if that was done before. */
  take(card) {
    const { cards } = this.queues[card.kind];
    if (!cards.includes(card)) return false;
    settled.add(card.id);
    cards.splice(cards.indexOf(card), 1);
    if (card.kind === this.kind) this.show(this.kind, this.#within(this.at));
    return true;
  }

  /** Bring a card back: into sight, or `behind` the one that is. */
  back(card, behind = 0) {
    const { cards } = this.queues[card.kind];
    for (const id of [card.id, card.face.id, card.other?.id]) settled.delete(id);
    if (cards.some((each) => each.id === card.id)) return;
    cards.splice(behind && this.at + behind, 0, card);
    if (!behind) this.show(card.kind);
  }

  #within(at) {
    return Math.max(0, Math.min(at, this.queue.cards.length - 1));
  }
}

/** Say which of two faces stays if they are one person: whom somebody named, put into a group, or saw more often. */
export function whoStays(one, other) {
  const worth = (face) => [Boolean(face.name), face.group !== "stranger", face.arrive_count];
  const [mine, theirs] = [worth(one), worth(other)];
  const differs = mine.findIndex((value, place) => value !== theirs[place]);
  return differs >= 0 && theirs[differs] > mine[differs] ? [other, one] : [one, other];
}
