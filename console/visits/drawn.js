// Rows of a long list in parts: a part is drawn while it is near what is seen, and else keeps its place empty. A list
// that is not that long is drawn whole, so that the browser finds each name in it; and so is what is printed.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";

const BEYOND = "600px";
const BEGUN = 12;
/** Rows below which a list is drawn whole. */
export const MOST_WHOLE = 200;

/**
 * `isWhole`: the list is drawn whole; `before`: how many rows stand above; `row(one)`: draws one; `changed`: is called
 * once other rows are drawn.
 */
export function Part({ rows, isWhole, before, row, changed }) {
  const ref = useRef();
  const height = useRef(0);
  const [isSeen, setNear] = useState(before < BEGUN);
  const isNear = isSeen || isWhole;
  useEffect(() => {
    const printed = () => setNear(true);
    addEventListener("beforeprint", printed);
    const told = (seen) => {
      const { isIntersecting, boundingClientRect: box } = seen.at(-1);
      if (!ref.current || (!isIntersecting && ref.current.contains(document.activeElement))) return;
      if (!isIntersecting && ref.current.firstChild) height.current = box.height;
      setNear(isIntersecting);
    };
    const watcher = new IntersectionObserver(told, { rootMargin: BEYOND });
    watcher.observe(ref.current);
    return () => { watcher.disconnect(); removeEventListener("beforeprint", printed); };
  }, []);
  useLayoutEffect(changed, [isNear, rows.length]);
  const empty = height.current ? `${height.current}px` : `calc(${rows.length} * var(--row))`;
  return html`<ol ref=${ref} class="visits" style=${{ height: isNear ? "" : empty }}>${isNear && rows.map(row)}</ol>`;
}

/**
 * Make the rows one stop of Tab: what can be pressed in a row comes behind its row, and arrows change the row. Return
 * what their list takes, and what is called once other rows are drawn.
 */
export function useRows() {
  const ref = useRef();
  const at = useRef(null);
  const wanted = useRef(null);
  const all = () => [...(ref.current?.querySelectorAll(".visit") ?? [])];
  const mark = () => {
    const rows = all();
    const here = rows.find((row) => row.dataset.id === at.current) ?? rows[0];
    for (const row of rows) {
      row.tabIndex = row === here ? 0 : -1;
      for (const one of row.querySelectorAll("a, button, input")) one.tabIndex = row === here ? 0 : -1;
    }
    if (wanted.current === null) return;
    rows.at(wanted.current)?.focus();
    wanted.current = null;
  };
  useLayoutEffect(mark);
  const onFocusIn = (event) => {
    at.current = event.target.closest(".visit")?.dataset.id ?? at.current;
    mark();
  };
  const onKeyDown = (event) => {
    const row = event.target.closest(".visit");
    const rows = all();
    if (!row || event.target.matches("input") || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter" && event.target === row) row.querySelector("a")?.click();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const end = { Home: 0, End: -1 }[event.key];
    if (step === undefined && end === undefined) return;
    event.preventDefault();
    if (step) return rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(row) + step))].focus();
    scrollTo({ top: end ? document.documentElement.scrollHeight : 0 });
    rows.at(end).focus({ preventScroll: true });
    wanted.current = end; // until the rows there are drawn
  };
  return { list: { ref, onFocusIn, onKeyDown }, mark };
}
