// A grid of any number of things, of which only those in sight are in the page. It scrolls with the window.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { onward } from "../words.js";

const GAP = 12;
/** Rows above and below those in sight. */
const BEYOND = 1;
const EDGE = 80;

/** How many columns there are, how high a row is, and which rows are in sight. */
function useSize(ref, { count, least = 0, ratio = 1, extra = 0, head = null, tall = 0 }) {
  const [size, setSize] = useState({ columns: 1, height: 200, first: 0, last: 0 });
  const measure = useCallback(() => {
    const box = ref.current?.getBoundingClientRect();
    if (!box) return;
    const columns = head ? 1 : Math.max(2, Math.floor((box.width + GAP) / (least + GAP)));
    const height = head ? tall : ((box.width - GAP * (columns - 1)) / columns) * ratio + extra + GAP;
    const top = Math.max(0, -box.top);
    const first = Math.max(0, Math.floor(top / height) - BEYOND);
    const last = Math.min(Math.ceil(count / columns), Math.ceil((top + innerHeight) / height) + BEYOND);
    const next = { columns, height, first, last };
    setSize((before) => (Object.keys(next).every((one) => before[one] === next[one]) ? before : next));
  }, [count, least, ratio, extra, tall, Boolean(head)]);
  useLayoutEffect(measure, [measure]);
  useEffect(() => {
    addEventListener("scroll", measure, { passive: true });
    const watcher = new ResizeObserver(measure);
    watcher.observe(ref.current);
    return () => { removeEventListener("scroll", measure); watcher.disconnect(); };
  }, [measure]);
  return size;
}

/**
 * `count`: how many things; `cell(index, more)`: what is drawn for one, whose root takes these and its role.
 * `least`: least width of a cell; `ratio`: height of its picture to that; `extra`: height below; `many`: whether
 * several can be chosen. `inSight(first, last)`: tells what is seen. With `head`, a row of column heads, it is a table,
 * whose cells are rows of `tall` pixels.
 * @param {any} given
 */
export function Grid(given) {
  const { count, cell, head, tall, label, inSight, onKey, many = true } = given;
  const ref = useRef();
  const { columns, height, first, last } = useSize(ref, given);
  const [at, setAt] = useState(0);
  const wanted = useRef(null);
  const above = head ? tall : 0;
  useEffect(() => inSight(first * columns, Math.min(count, last * columns)), [first, last, columns, count, inSight]);
  useEffect(() => {
    if (wanted.current === null) return;
    const found = ref.current.querySelector(`[data-index="${wanted.current}"]`);
    if (found) { wanted.current = null; found.focus({ preventScroll: true }); }
  });
  const move = (next) => {
    const top = ref.current.getBoundingClientRect().top + scrollY + above + Math.floor(next / columns) * height;
    if (top < scrollY + EDGE) scrollTo(0, top - EDGE);
    else if (top + height > scrollY + innerHeight - EDGE) scrollTo(0, top + height - innerHeight + EDGE);
    wanted.current = next;
    setAt(next);
  };
  const keys = (event) => {
    const rows = Math.max(1, Math.floor(innerHeight / height) - 1) * columns;
    const step = { ArrowRight: onward(), ArrowLeft: -onward(), ArrowDown: columns, ArrowUp: -columns, PageDown: rows,
      PageUp: -rows, Home: -count, End: count }[event.key];
    const isMove = step && !event.altKey && !event.ctrlKey && !event.metaKey;
    const next = isMove ? Math.max(0, Math.min(count - 1, at + step)) : at;
    if (isMove) event.preventDefault();
    onKey?.(event, next, at);
    if (isMove) move(next);
  };
  const drawn = (index) => cell(index, { "data-index": index, tabIndex: index === Math.min(at, count - 1) ? 0 : -1,
    onFocus: () => setAt(index), ...(head ? { role: "row", "aria-rowindex": index + 2 } : { role: "gridcell" }) });
  const row = (place) => html`<div key=${place} class="grid-row" role=${head ? "presentation" : "row"}
    aria-rowindex=${head ? null : place + 1} style=${{ top: `${above + place * height}px`,
      height: `${height - (head ? 0 : GAP)}px`, gridTemplateColumns: `repeat(${columns}, 1fr)` }}>
    ${range(place * columns, Math.min(count, (place + 1) * columns)).map(drawn)}</div>`;
  const all = Math.ceil(count / columns);
  return html`<div ref=${ref} class="grid" role="grid" aria-label=${label} aria-rowcount=${head ? all + 1 : all}
    aria-colcount=${head ? null : columns} aria-multiselectable=${many} style=${{ height: `${above + all * height}px` }}
    onKeyDown=${keys}>${head}${range(first, last).map(row)}</div>`;
}

const range = (first, end) => Array.from({ length: Math.max(0, end - first) }, (_, n) => first + n);
