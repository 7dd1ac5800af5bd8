// How a name may be written, too, by people whose keyboard has not its letters: Müller and Mueller, Åse and Aase.
const WRITTEN = { ä: "ae", ö: "oe", ü: "ue", ø: "oe", å: "aa" };
const TWO = /([aou])e|aa/g;
const BETWEEN = /[\s.'’-]+/;

/** Write each umlaut as two letters. */
const apart = (text) => text.toLowerCase().normalize("NFC").replace(/[äöüøå]/g, (letter) => WRITTEN[letter]);

/** Return the other way in which a text may be spelt, by which people are found, too; "": there is none. */
export function spellOtherwise(text) {
  const typed = text.toLowerCase().normalize("NFC");
  const other = apart(typed) === typed ? typed.replace(TWO, (pair) => pair[0]) : apart(typed);
  return other === typed ? "" : other;
}

/** Say whether each word of a text begins a word of a name, however both are spelt: "mueller" is no Mulleron. */
export function isMeant(name, text) {
  const words = apart(name).split(BETWEEN);
  return apart(text).split(BETWEEN).every((typed) => words.some((word) => word.startsWith(typed)));
}
