// The viewer of captures over a page, with all that it needs: asking.js loads it when somebody opens a picture.
import { useState } from "preact/hooks";
import { get } from "../api.js";
import { Viewer } from "./viewer.js";
import { html } from "../html.js";
import { dressed } from "../styled.js";
import { sightingsOf } from "../shared/correct.js";

/** Read what is shown: the `pictures`, or those of a `visit`, of which its first is left if its face is gone. */
export async function load({ visit = null, pictures = null, place = Infinity }) {
  const alone = () => sightingsOf(get, { ...visit, sightings: 1 });
  const [all] = await Promise.all([pictures ?? sightingsOf(get, visit).catch(alone),
    dressed("shared"), dressed("captures")]);
  return { Viewing, all, first: Math.min(place, all.length - 1) };
}

function Viewing({ all, first, changed, close }) {
  const [place, setPlace] = useState(first);
  const { camera, sighting } = all[place];
  const step = (by) => setPlace((now) => (all[now + by] ? now + by : now));
  return html`<${Viewer} camera=${camera} sighting=${sighting} changed=${changed} close=${close}
    step=${all.length > 1 ? step : null} />`;
}
