// A text that the page made, as a file among the downloads.
const LONG_ENOUGH_MS = 1000;

export function save(parts, type, download) {
  const href = URL.createObjectURL(new Blob(parts, { type }));
  Object.assign(document.createElement("a"), { href, download }).click();
  setTimeout(() => URL.revokeObjectURL(href), LONG_ENOUGH_MS);
}
