// The pages: a line and a file each. `key`: the letter after `g` that leads there; `role`: who sees it.
// `folder`: the one whose words and stylesheet it needs, too.
// A phone has room for the first four; the others are behind "More".
export const PAGES = [
  { name: "visits", icon: "live", key: "v", role: "viewer", load: () => import("./visits/visits.js") },
  { name: "review", icon: "review", key: "r", role: "viewer", folder: "review", load: () => import("./review/review.js") },
  { name: "people", icon: "people", key: "p", role: "viewer", folder: "people", load: () => import("./people/people.js") },
  { name: "add", icon: "add", key: "a", role: "operator", folder: "people", load: () => import("./people/add.js") },
  { name: "search", icon: "search", key: "s", role: "operator", folder: "people", load: () => import("./people/search.js") },
  { name: "traffic", icon: "traffic", key: "t", role: "viewer", folder: "traffic", load: () => import("./traffic/traffic.js") },
  { name: "captures", icon: "captures", key: "c", role: "viewer", folder: "captures", load: () => import("./captures/captures.js") },
  { name: "cameras", icon: "camera", key: "m", role: "viewer", folder: "admin", load: () => import("./admin/cameras.js") },
  { name: "hooks", icon: "hooks", key: "h", role: "admin", folder: "admin", load: () => import("./admin/hooks.js") },
  { name: "privacy", icon: "privacy", key: "y", role: "viewer", folder: "privacy", load: () => import("./privacy/privacy.js") },
  { name: "settings", icon: "settings", key: "e", role: "viewer", folder: "admin", load: () => import("./admin/settings.js") },
];

/** Pages without a place in the navigation; `within`: the one that is marked there. */
export const OTHERS = [
  { name: "person", within: "people", folder: "people", load: () => import("./people/person.js") },
];
