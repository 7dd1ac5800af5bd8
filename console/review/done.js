// What was decided in Review, and its undo. It outlives the page.
import { get, send } from "../api.js";
import { pathOf } from "../shared/correct.js";
import { nameOf, whose } from "../shared/parts.js";
import { preference, session, Value } from "../store.js";
import { complain, later, say, undoLast } from "../undo.js";
import { isoDay } from "../words.js";

/** What was decided here, newest first: `{ text, undo }`; without `undo` it is too late. */
export const done = new Value([]);
let count = 0;

/** How much was decided today in this browser, kept as "day tenant count". */
const tally = preference("review.today", [""], true);
const today = () => `${isoDay(Date.now())} ${session.now?.tenant} `;
export const decided = () => (tally.now.startsWith(today()) ? Number(tally.now.slice(today().length)) : 0);

/** What brings a card back to the page that is shown now: an "Undo" may be older. */
export const here = { back: undefined };

export const elsewhere = ({ face }) => say(whose("review.elsewhere", { name: nameOf(face) }));

/** Note what was decided about a card: at once if it has an `inverse`, else when it is too late for "Undo". */
export function decide(card, text, { does, inverse }) {
  const entry = { id: ++count, text, card, undo: null };
  const tell = (entries, step) => { tally.set(today() + (decided() + step)); done.set(entries); };
  const drop = () => tell(done.now.filter((each) => each !== entry), -1);
  const failed = (failure) => {
    drop();
    if (failure.status === 404 || failure.code === "Changed") return elsewhere(card);
    here.back(card, 1);
    complain(failure);
  };
  if (inverse) {
    const sent = does(send);
    sent.catch(failed);
    const read = () => get(pathOf(card.face)).then((face) => ({ ...card, face }));
    entry.undo = () => {
      drop();
      sent.then((answer) => inverse(send, answer)).then(read).then(here.back, complain);
    };
  } else {
    const change = later(text, {
      isQuiet: true,
      take: () => {},
      back: () => { drop(); here.back(card); },
      act: (options) => { entry.undo = null; done.set([...done.now]); return does(send, options).catch(failed); },
    });
    entry.undo = () => change.settle("undo");
  }
  tell([entry, ...done.now], 1);
}

export function undo() {
  const last = done.now.find((one) => one.undo);
  return last ? last.undo() : undoLast();
}
