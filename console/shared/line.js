// A text that is changed in place.
import { useRef, useState } from "preact/hooks";
import { html } from "../html.js";

/**
 * `save` may fail; then what was typed stays. It stays, too, if another value is shown meanwhile: it is saved over what
 * was read when typing began, unless somebody else has changed that.
 */
export function Line({ value, label, save, placeholder, rows, disabled, max = 100, className = "", ...more }) {
  const [typed, setTyped] = useState(/** @type {any} */ (null));
  const ref = useRef();
  const text = typed?.text ?? value;
  const begun = typed && !typed.isSent ? typed : { save, over: text };
  const type = ({ target }) => setTyped({ ...begun, text: target.value });
  const done = () => {
    if (!typed || typed.isSent) return;
    const wanted = text.trim();
    if (wanted === typed.over) { setTyped(null); return; }
    const sent = { ...typed, text: wanted, isSent: true };
    const end = (next) => setTyped((now) => (now === sent ? next : now)); // more may be typed by then
    setTyped(sent);
    typed.save(wanted).then(() => end(null),
      ({ code }) => end(code === "Changed" ? null : { ...sent, isSent: false }));
  };
  const keys = (event) => {
    if (event.key === "Escape") { setTyped(null); requestAnimationFrame(() => ref.current?.blur()); }
    if (event.key === "Enter" && !rows && !event.isComposing) event.target.blur();
  };
  const style = `line ${className}`;
  if (disabled) return html`<span class=${style}>${value || html`<span class="soft">${placeholder}</span>`}</span>`;
  const common = { ...more, ref, class: style, "aria-label": label, placeholder, maxlength: max, value: text,
    onInput: type, onBlur: done, onKeyDown: keys };
  return rows ? html`<textarea rows=${rows} ...${common}></textarea>` : html`<input type="text" ...${common} />`;
}
