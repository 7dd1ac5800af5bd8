// How a name may be written, too, by people whose keyboard has not its letters: Müller and Mueller, Åse and Aase.
const WRITTEN = { ä: "ae", ö: "oe", ü: "ue", ø: "oe", å: "aa" };
const TWO = /([aou])e|aa/g;

/** Return a text as it is typed, and as it is found without umlauts, or with two letters for each of them. */
export function spellings(text) {
  const typed = text.toLowerCase().normalize("NFC");
  const apart = typed.replace(/[äöüøå]/g, (letter) => WRITTEN[letter]);
  const other = apart === typed ? typed.replace(TWO, (pair) => pair[0]) : apart;
  return other === typed ? [text] : [text, other];
}
