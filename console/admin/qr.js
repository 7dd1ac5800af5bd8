// A code for a phone's camera, as v1 draws it.
import { html } from "../html.js";

/** A code. `of`: an answer that has one; `label`: what it is. */
export const Qr = ({ of: { qr_path: path, qr_size: size }, label }) => html`
  <svg class="qr" viewBox=${`0 0 ${size} ${size}`} role="img" aria-label=${label}><path d=${path} /></svg>`;
