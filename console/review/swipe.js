// A card that a finger decides: to the right it is a yes, to the left a no. Who scrolls decides nothing.
import { useRef } from "preact/hooks";

/** What begins nearer to the edge of the screen is the system's "back". */
const EDGE_PX = 24;
const LEAST_PX = 96;
const LEAST_SHARE = 0.3;
const FLAT = 2;

/** Say what a finger's way over a card of this width decides: "yes", "no", or null, if it is short or not flat. */
export function swiped({ x, y }, width) {
  const isFar = Math.abs(x) >= Math.max(LEAST_PX, width * LEAST_SHARE);
  return isFar && Math.abs(x) >= FLAT * Math.abs(y) ? (x > 0 ? "yes" : "no") : null;
}

/**
 * Have a card follow a finger. `does`: gets what it decides, of `can`. A style leaves upright ways to the browser
 * (`touch-action`), which cancels the pointer once it scrolls.
 */
export function useSwipe(can, does) {
  const from = useRef(null);
  const way = (event) => ({ x: event.clientX - from.current.x, y: event.clientY - from.current.y });
  const show = (card, x, decided) => {
    card.style.setProperty("--swipe", `${x}px`);
    card.dataset.swipe = decided ?? "";
  };
  const decision = (event) => {
    const decided = from.current && swiped(way(event), event.currentTarget.clientWidth);
    return can[decided] ? decided : null;
  };
  const end = (event) => {
    from.current = null;
    show(event.currentTarget, 0, null);
  };
  return {
    onPointerDown: (event) => {
      const { clientX: x, clientY: y, target } = event;
      const isInside = x > EDGE_PX && x < innerWidth - EDGE_PX && !target.closest("input, .deciding");
      if (from.current) end(event); // a second finger
      else if (event.pointerType === "touch" && isInside) from.current = { x, y };
    },
    onPointerMove: (event) => {
      if (!from.current) return;
      const { x } = way(event);
      show(event.currentTarget, can[x > 0 ? "yes" : "no"] ? x : 0, decision(event));
    },
    onPointerUp: (event) => {
      const decided = decision(event);
      end(event);
      if (decided) does(decided);
    },
    onPointerCancel: end,
  };
}
