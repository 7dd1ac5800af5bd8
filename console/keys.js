// Keys: each part of the page names those that it takes, and `?` lists them. None works while somebody types.
import { useLayoutEffect } from "preact/hooks";
import { shortcuts } from "./store.js";

const parts = new Set();
let before = "";
let beforeAt = 0;
const PAIR_MS = 1200;
const ALONE_MS = 500;
/** After it, a key that also begins pairs stands for itself. */
let alone;

/** Take keys while a component is shown: `{ "x": ["keys.reject", act], "g l": [...] }`. */
export function useKeys(wanted, depends = []) {
  // Before the next frame: a key that is pressed then is meant for what is in sight.
  useLayoutEffect(() => {
    parts.add(wanted);
    return () => parts.delete(wanted);
  }, depends);
}

/** Return what is taken now: pairs of a key and the name of its text. */
export function taken() {
  return [...parts].flatMap((wanted) => Object.entries(wanted).map(([key, [name]]) => [key, name]));
}

/** Write a key as the keyboard has it: "Ctrl+a" is ⌘A on a Mac. */
export const written = (key, isMac) =>
  key.replace(/^Ctrl\+(.)$/, (_, letter) => (isMac ? `⌘${letter.toUpperCase()}` : `Ctrl+${letter.toUpperCase()}`));

addEventListener("keydown", (event) => {
  clearTimeout(alone);
  const held = event.ctrlKey || event.metaKey;
  if (event.altKey || event.defaultPrevented || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  if (shortcuts.now === "off" && !held) return;
  const key = (held ? "Ctrl+" : "") + (event.key.length === 1 && held ? event.key.toLowerCase() : event.key);
  const pair = performance.now() - beforeAt < PAIR_MS ? `${before} ${key}` : key;
  for (const one of [pair, key]) {
    const found = [...parts].reverse().find((wanted) => wanted[one]);
    if (found && one === key && taken().some(([other]) => other.startsWith(`${key} `))) {
      alone = setTimeout(found[one][1], ALONE_MS, event);
      break;
    }
    if (found && found[one][1](event) !== false) {
      event.preventDefault();
      before = "";
      return;
    }
  }
  [before, beforeAt] = [key, performance.now()];
});

function isTyping(target) {
  return target.isContentEditable || target.tagName === "TEXTAREA" || target.tagName === "SELECT"
    || (target.tagName === "INPUT" && !["checkbox", "radio", "button", "file", "range"].includes(target.type));
}
