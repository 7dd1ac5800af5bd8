// What the screen is like.
import { useEffect, useReducer } from "preact/hooks";

/** As wide as a phone, or enlarged to that. */
export const NARROW = "(max-width: 760px)";

/** Say whether a media query holds, also when that changes. */
export function useMedia(query) {
  const [, again] = useReducer((before) => before + 1, 0);
  const watched = matchMedia(query);
  useEffect(() => {
    watched.addEventListener("change", again);
    return () => watched.removeEventListener("change", again);
  }, [query]);
  return watched.matches;
}
