// What can be decided about a card, and what each decision changes.
import { giving, keeping, merging, naming, pathOf } from "../shared/correct.js";
import { groupName, nameOf, whose } from "../shared/parts.js";
import { may } from "../store.js";
import { t } from "../words.js";
import { settled, whoStays } from "./deck.js";

const finish = (card) => (send, options) => send("POST", `reviews/${card.id}/done`, undefined, options);
const after = (first, then) => ({ does: (send, options) => first.does(send, options).then(() => then(send, options)) });

/** Change a face's group. */
function moving(face, group) {
  return {
    does: (send, options) => send("PATCH", pathOf(face), { group, revision: face.revision }, options),
    inverse: (send) => send("PATCH", pathOf(face), { group: face.group }),
  };
}

/** Two people are one, or they are two. */
function ofPair(card, decide) {
  const [stays, goes] = whoStays(card.face, card.other);
  return {
    yes: () => { settled.add(goes.id); decide(t("review.did.one", { name: nameOf(stays) }), merging(goes, stays)); },
    no: () => decide(t("review.did.two"), {
      does: (send, options) => send("POST", `duplicates/${encodeURIComponent(card.id)}/done`, undefined, options) }),
  };
}

/** Somebody whom nobody knows: who is it? */
function ofNameless(card, decide) {
  const { face } = card;
  const isStranger = card.kind === "stranger";
  const yes = () => (isStranger ? decide(t("review.did.regular"), moving(face, "regular"))
    : decide(whose("review.did.yes", { name: nameOf(face) }), { does: finish(card) }));
  const is = (other) => {
    if (other.id === face.id) return yes();
    settled.add(face.id);
    decide(whose("review.did.is", { name: nameOf(other) }), merging(face, other));
  };
  return {
    yes, is,
    name: (text) => decide(whose("visits.named", { name: text }), naming(face, text)),
    group: (wanted) =>
      decide(whose("review.did.moved", { name: nameOf(face), group: groupName(wanted) }), moving(face, wanted)),
    remove: may("operator") ? () => {
      settled.add(face.id);
      decide(whose("person.deleted", { name: nameOf(face) }), {
        does: (send, options) => send("DELETE", pathOf(face), undefined, options) });
    } : undefined,
  };
}

/** A close match: is it this face? */
function ofMatch(card, decide) {
  const { face, score } = card;
  const give = (text, choice) => decide(text, { does: giving(face, card.sighting, choice).does });
  const yes = () => decide(whose("review.did.yes", { name: nameOf(face) }), { does: finish(card) });
  return {
    yes,
    keep: card.condition !== "mask" || !may("operator") ? undefined : () =>
      decide(whose("review.did.mask", { name: nameOf(face) }), after(keeping(face, card.sighting), finish(card))),
    no: score == null ? undefined : () => give(whose("visits.rejected", { name: nameOf(face) })),
    is: (other) => (other.id === face.id ? yes()
      : give(whose("review.did.is", { name: nameOf(other) }), { kind: "face", face: other })),
    name: face.name ? undefined
      : (text) => decide(whose("visits.named", { name: text }), after(naming(face, text), finish(card))),
    correct: (choice) => give(t(`whose.now.${choice.kind}`, { name: choice.name }), choice),
  };
}

/** Return what can be done with a card, by name; `decide` gets the words and the change. */
export function decisionsOf(card, decide) {
  if (!card) return {};
  if (card.kind === "pair") return ofPair(card, decide);
  return (card.kind === "uncertain" ? ofMatch : ofNameless)(card, decide);
}
