// The few signs of the page, drawn with lines of one weight.
import { html } from "./html.js";

const PATHS = {
  live: "M4 12a8 8 0 0 1 16 0M7.5 12a4.5 4.5 0 0 1 9 0M12 12v.01M12 16v4",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.7-3.7 3.2-5.5 6.5-5.5s5.8 1.8 6.5 5.5"
    + "M16 4.5a3.2 3.2 0 0 1 0 6.2M18 14.8c2 .7 3.2 2.4 3.6 5.2",
  add: "M12 5v14M5 12h14",
  find: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5 20.5 20.5",
  search: "M4 8V5.5A1.5 1.5 0 0 1 5.5 4H8M16 4h2.5A1.5 1.5 0 0 1 20 5.5V8M20 16v2.5a1.5 1.5 0 0 1-1.5 1.5H16"
    + "M8 20H5.5A1.5 1.5 0 0 1 4 18.5V16M12 11.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z"
    + "M8.2 16.2c.4-2 1.8-3 3.8-3s3.4 1 3.8 3",
  review: "M4 6.5h9M4 12h5M4 17.5h5M12.5 15.5l3 3 5.5-7",
  traffic: "M4 20h16M6.5 16v-4M12 16V5M17.5 16V9",
  privacy: "M12 3.5 19 6v6c0 4.5-3 7.3-7 8.5-4-1.2-7-4-7-8.5V6Z",
  hooks: "M9.5 14.5l5-5M11 7l2-2a4.2 4.2 0 0 1 6 6l-2 2M13 17l-2 2a4.2 4.2 0 0 1-6-6l2-2",
  settings: "M4 7h9M18 7h2M4 17h2M11 17h9M15.5 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z"
    + "M8.5 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  picture: "M4 5h16v14H4ZM4 16l4.5-4.5 4 4L15 13l5 5M15.5 9.5v.01",
  back: "M14.5 5.5 8 12l6.5 6.5",
  forward: "M9.5 5.5 16 12l-6.5 6.5",
  captures: "M7 4h13v11H7ZM4 8v11h12",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.5 10 17.5 19 7",
  done: "M4 9h11a5 5 0 0 1 0 10H8M8 5 4 9l4 4",
  more: "M5 12v.01M12 12v.01M19 12v.01",
  bell: "M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15ZM10 20.5h4",
  eye: "M2.5 12c2-4 5.3-6.5 9.5-6.5s7.5 2.5 9.5 6.5c-2 4-5.3 6.5-9.5 6.5S4.5 16 2.5 12Z"
    + "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  hidden: "M4 4l16 16M9 6c1-.3 2-.5 3-.5 4.2 0 7.5 2.5 9.5 6.5-.8 1.6-1.8 3-3 4"
    + "M6 8c-1.4 1-2.6 2.3-3.5 4 2 4 5.3 6.5 9.5 6.5 1.4 0 2.8-.3 4-.9",
  camera: "M3 7.5h12v9H3ZM15 11l6-3.5v9L15 13",
  left: "M19 12H5M11 6l-6 6 6 6",
  right: "M5 12h14M13 6l6 6-6 6",
  cards: "M4 4h7v7H4ZM13 4h7v7h-7ZM4 13h7v7H4ZM13 13h7v7h-7Z",
  rows: "M4 6h16M4 12h16M4 18h16",
  filter: "M4 6h16M7 12h10M10 18h4",
  folder: "M3 6.5h6l2 2.5h10v10H3Z",
};

/** Signs that point the way one reads: a page from right to left turns them round. */
const ALONG = ["back", "forward", "left", "right"];

/** Draw a sign beside a text that says the same; screen readers pass it over. */
export function Icon({ name, size = 20 }) {
  const kind = ALONG.includes(name) ? "icon along" : "icon";
  return html`<svg class=${kind} width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true">
    <path d=${PATHS[name]} /></svg>`;
}
