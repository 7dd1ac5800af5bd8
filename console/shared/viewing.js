// Pictures that open: the viewer of captures over a page, loaded when somebody opens one.
import { useState } from "preact/hooks";
import { get } from "../api.js";
import { html } from "../html.js";
import { styled } from "../styled.js";
import { complain } from "../undo.js";
import { loadMore } from "../words.js";
import { sightingsOf } from "./correct.js";

const parts = () => Promise.all([
  import("../captures/viewer.js"), loadMore("captures"), styled("./shared/style.css"), styled("./captures/style.css"),
]);

/**
 * The viewer over a page. `open(pictures, place)`: a list of `{ camera, sighting }`, newest first, or a promise of one;
 * the arrow keys go through it. `changed`: as `useWhose` takes it; without it people look only.
 */
export function useViewer(changed) {
  const [shown, setShown] = useState(null);
  const open = (pictures, place = 0) => Promise.all([parts(), pictures]).then(([[{ Viewer }], all]) =>
    setShown({ Viewer, all, place: Math.min(place, all.length - 1) }), complain);
  const step = (by) => setShown((now) => (now.all[now.place + by] ? { ...now, place: now.place + by } : now));
  const { camera, sighting } = shown?.all[shown.place] ?? {};
  const dialog = shown && html`<${shown.Viewer} camera=${camera} sighting=${sighting} changed=${changed}
    step=${shown.all.length > 1 ? step : null} close=${() => setShown(null)} />`;
  return { open, dialog };
}

/** Return the pictures of a visit, newest first, for `open`: its first alone, if its face is gone. */
export const picturesOf = (visit) => sightingsOf(get, visit).catch(() => sightingsOf(get, { ...visit, sightings: 1 }));
