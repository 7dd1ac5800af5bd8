// A text that is changed in place.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { explain } from "../words.js";
import { useRefused } from "./form.js";

/** Browsers that size a field by its text. */
const GROWS = globalThis.CSS?.supports("field-sizing", "content");

function grow(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

/**
 * A text of one line wraps where there is no room for it, so that none is cut. `save` may fail; then what was typed
 * stays, and why it is refused is said below it. It stays, too, if another value is shown meanwhile: it is saved over
 * what was read when typing began, unless somebody else has changed that.
 */
export function Line({ value, label, save, placeholder, rows = 1, disabled, max = 100, className = "", ...more }) {
  const [typed, setTyped] = useState(/** @type {any} */ (null));
  const ref = useRef();
  const text = typed?.text ?? value;
  const begun = typed && !typed.isSent ? typed : { save, over: text };
  const textOf = (typed) => (rows > 1 ? typed : typed.replaceAll("\n", " "));
  const type = ({ target }) => setTyped({ ...begun, text: textOf(target.value) });
  const done = () => {
    if (!typed || typed.isSent) return;
    const wanted = text.trim();
    if (wanted === typed.over) { setTyped(null); return; }
    const sent = { ...typed, text: wanted, isSent: true };
    const end = (next) => setTyped((now) => (now === sent ? next : now)); // more may be typed by then
    setTyped(sent);
    typed.save(wanted).then(() => end(null),
      (problem) => end(problem.code === "Changed" ? null
        : { ...sent, isSent: false, why: problem.field && explain(problem) }));
  };
  const keys = (event) => {
    if (event.key === "Escape") { setTyped(null); requestAnimationFrame(() => ref.current?.blur()); }
    if (event.key !== "Enter" || rows > 1 || event.isComposing) return;
    event.preventDefault();
    event.target.blur();
  };
  useLayoutEffect(() => { if (!GROWS && ref.current) grow(ref.current); }, [text]);
  const { marks, says } = useRefused(typed?.why);
  const style = `line ${className}`;
  if (disabled) return html`<span class=${style}>${value || html`<span class="soft">${placeholder}</span>`}</span>`;
  return html`<textarea ...${more} ref=${ref} class=${style} aria-label=${label} placeholder=${placeholder}
    rows=${rows} spellcheck=${rows > 1} maxlength=${max} value=${text}
    ...${marks} onInput=${type} onBlur=${done} onKeyDown=${keys}></textarea>${says}`;
}
