// A text that is changed in place.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";

/** `save` may fail; then what was typed stays. */
export function Line({ value, label, save, placeholder, rows, disabled, max = 100, className = "", ...more }) {
  const [text, setText] = useState(value);
  const ref = useRef();
  useEffect(() => setText(value), [value]);
  const done = () => {
    const wanted = text.trim();
    if (wanted !== value) save(wanted).catch(() => setText(wanted));
  };
  const keys = (event) => {
    if (event.key === "Escape") { setText(value); requestAnimationFrame(() => ref.current?.blur()); }
    if (event.key === "Enter" && !rows && !event.isComposing) event.target.blur();
  };
  const style = `line ${className}`;
  if (disabled) return html`<span class=${style}>${value || html`<span class="soft">${placeholder}</span>`}</span>`;
  const common = { ...more, ref, class: style, "aria-label": label, placeholder, maxlength: max, value: text,
    onInput: (event) => setText(event.target.value), onBlur: done, onKeyDown: keys };
  return rows ? html`<textarea rows=${rows} ...${common}></textarea>` : html`<input type="text" ...${common} />`;
}
