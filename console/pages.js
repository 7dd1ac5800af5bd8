// The pages: a line and a file in views/ each. `key`: the letter after `g` that leads there; `role`: who sees it.
// `part`: the texts in words/ and the stylesheet in parts/ that it needs, too.
// A phone has room for the first four; the others are behind "More".
export const PAGES = [
  { name: "live", icon: "live", key: "l", role: "viewer", load: () => import("./views/live.js") },
  { name: "review", icon: "review", key: "r", role: "viewer", part: "review", load: () => import("./views/review.js") },
  { name: "people", icon: "people", key: "p", role: "viewer", part: "people", load: () => import("./views/people.js") },
  { name: "add", icon: "add", key: "a", role: "operator", part: "people", load: () => import("./views/add.js") },
  { name: "search", icon: "search", key: "s", role: "operator", part: "people", load: () => import("./views/search.js") },
  { name: "traffic", icon: "traffic", key: "t", role: "viewer", part: "traffic", load: () => import("./views/traffic.js") },
  { name: "captures", icon: "captures", key: "c", role: "viewer", part: "captures", load: () => import("./views/captures.js") },
  { name: "cameras", icon: "camera", key: "m", role: "viewer", part: "admin", load: () => import("./views/cameras.js") },
  { name: "hooks", icon: "hooks", key: "h", role: "admin", part: "admin", load: () => import("./views/hooks.js") },
  { name: "privacy", icon: "privacy", key: "v", role: "viewer", part: "privacy", load: () => import("./views/privacy.js") },
  { name: "settings", icon: "settings", key: "e", role: "viewer", part: "admin", load: () => import("./views/settings.js") },
];

/** Pages without a place in the navigation; `within`: the one that is marked there. */
export const OTHERS = [
  { name: "person", within: "people", part: "people", load: () => import("./views/person.js") },
  { name: "twins", within: "people", part: "people", load: () => import("./views/twins.js") },
];
