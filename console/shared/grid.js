// A grid of any number of things, of which only those in sight are in the page. It scrolls with the window.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";

const BEYOND = 1;
/** Rows above and below those in sight. */

const GAP = 12;

/**
 * `count`: how many things; `cell(index, more)`: what is drawn for one, whose root takes these and its role.
 * `least`: least width of a cell; `ratio`: height of its picture to that; `extra`: height below; `many`: whether several can be chosen. `inSight(first, last)`: tells what is seen.
 * With `head`, a row of column heads, it is a table, whose cells are rows of `tall` pixels.
 */
export function Grid({ count, cell, least = 0, ratio = 1, extra = 0, many = true, label, inSight, onKey = null, head = null, tall = 0 }) {
  const ref = useRef();
  const [size, setSize] = useState({ columns: 1, height: 200, first: 0, last: 0 });
  const [at, setAt] = useState(0);
  const wanted = useRef(null);
  const measure = useCallback(() => {
    const box = ref.current?.getBoundingClientRect();
    if (!box) return;
    const columns = head ? 1 : Math.max(2, Math.floor((box.width + GAP) / (least + GAP)));
    const height = head ? tall : ((box.width - GAP * (columns - 1)) / columns) * ratio + extra + GAP;
    const top = Math.max(0, -box.top);
    const first = Math.max(0, Math.floor(top / height) - BEYOND);
    const last = Math.min(Math.ceil(count / columns), Math.ceil((top + innerHeight) / height) + BEYOND);
    setSize((before) => (before.columns === columns && before.height === height && before.first === first && before.last === last
      ? before : { columns, height, first, last }));
  }, [count, least, ratio, extra, tall, Boolean(head)]);
  useLayoutEffect(measure, [measure]);
  useEffect(() => {
    addEventListener("scroll", measure, { passive: true });
    const watcher = new ResizeObserver(measure);
    watcher.observe(ref.current);
    return () => { removeEventListener("scroll", measure); watcher.disconnect(); };
  }, [measure]);
  const { columns, height, first, last } = size;
  const above = head ? tall : 0;
  useEffect(() => inSight(first * columns, Math.min(count, last * columns)), [first, last, columns, count, inSight]);
  useEffect(() => {
    if (wanted.current === null) return;
    const found = ref.current.querySelector(`[data-index="${wanted.current}"]`);
    if (found) { wanted.current = null; found.focus({ preventScroll: true }); }
  });
  const move = (index) => {
    const next = Math.max(0, Math.min(count - 1, index));
    const top = ref.current.getBoundingClientRect().top + scrollY + above + Math.floor(next / columns) * height;
    if (top < scrollY + 80) scrollTo(0, top - 80);
    else if (top + height > scrollY + innerHeight - 80) scrollTo(0, top + height - innerHeight + 80);
    wanted.current = next;
    setAt(next);
  };
  const keys = (event) => {
    const rows = Math.max(1, Math.floor(innerHeight / height) - 1) * columns;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: rows, PageUp: -rows,
      Home: -count, End: count }[event.key];
    if (step && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const next = Math.max(0, Math.min(count - 1, at + step));
      onKey?.(event, next, at);
      move(next);
    } else onKey?.(event, at, at);
  };
  const rows = [];
  for (let row = first; row < last; row++) {
    const cells = [];
    for (let index = row * columns; index < Math.min(count, (row + 1) * columns); index++) {
      const place = head ? { role: "row", "aria-rowindex": index + 2 } : { role: "gridcell" };
      cells.push(cell(index, { ...place, "data-index": index, tabIndex: index === Math.min(at, count - 1) ? 0 : -1, onFocus: () => setAt(index) }));
    }
    rows.push(html`<div key=${row} role=${head ? "presentation" : "row"} aria-rowindex=${head ? null : row + 1} class="grid-row" style=${{ top: `${above + row * height}px`, height: `${height - (head ? 0 : GAP)}px`, gridTemplateColumns: `repeat(${columns}, 1fr)` }}>${cells}</div>`);
  }
  const all = Math.ceil(count / columns);
  return html`<div ref=${ref} class="grid" role="grid" aria-label=${label} aria-rowcount=${head ? all + 1 : all} aria-colcount=${head ? null : columns}
    aria-multiselectable=${many} style=${{ height: `${above + all * height}px` }} onKeyDown=${keys}>${head}${rows}</div>`;
}
