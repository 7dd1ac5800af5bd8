// The pages: a line and a file each. `key`: the letter after `g` that leads there; `role`: who sees it.
// `folder`: the one whose words and stylesheet it needs, too. Visits comes with the frame, the others when opened.
import Visits from "./visits/visits.js";

/** What is looked at each day. A phone has room for these; what is set up now and then is behind "More". */
export const DAILY = [
  { name: "visits", icon: "live", key: "v", role: "viewer", load: async () => ({ default: Visits }) },
  { name: "review", key: "r", role: "viewer", folder: "review", load: () => import("./review/review.js") },
  { name: "people", key: "p", role: "viewer", folder: "people", load: () => import("./people/people.js") },
  { name: "traffic", key: "t", role: "viewer", folder: "traffic", load: () => import("./traffic/traffic.js") },
];

export const SETUP = [
  { name: "cameras", icon: "camera", key: "m", role: "viewer", folder: "admin",
    load: () => import("./admin/cameras.js") },
  { name: "phone", icon: "bell", key: "n", role: "viewer", folder: "admin", load: () => import("./admin/phone.js") },
  { name: "done", key: "d", role: "operator", folder: "people", load: () => import("./people/done.js") },
  { name: "hooks", key: "h", role: "admin", folder: "admin", load: () => import("./admin/hooks.js") },
  { name: "privacy", key: "y", role: "viewer", folder: "privacy", load: () => import("./privacy/privacy.js") },
  { name: "settings", key: "e", role: "viewer", folder: "admin", load: () => import("./admin/settings.js") },
];

/** Pages without a place in the navigation; `within`: the one that is marked there. */
export const OTHERS = [
  { name: "captures", within: "cameras", key: "c", role: "viewer", folder: "captures",
    load: () => import("./captures/captures.js") },
  { name: "places", within: "cameras", role: "viewer", folder: "traffic", load: () => import("./traffic/places.js") },
  { name: "add", within: "people", key: "a", role: "operator", folder: "people",
    load: () => import("./people/add.js") },
  { name: "search", within: "people", key: "s", role: "operator", folder: "people",
    load: () => import("./people/search.js") },
  { name: "counter", within: "visits", key: "k", role: "viewer", folder: "counter",
    load: () => import("./counter/counter.js") },
  { name: "report", within: "traffic", role: "viewer", folder: "traffic", load: () => import("./traffic/report.js") },
  { name: "person", within: "people", role: "viewer", folder: "people", load: () => import("./people/person.js") },
];
