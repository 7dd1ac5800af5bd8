// The kinds of cameras: what each is asked for, what is typed into it, and the uploader's file. No page is needed here.

/**
 * @typedef {object} Kind
 * @property {"program" | "none" | "edge"} by who sends: a program with the camera's key, one with the tenant's, or the
 *   uploader
 * @property {string} [source] as edge.toml calls it
 * @property {"url" | "folder" | "device"} [ask] what only its owner knows: where it is
 * @property {string} [hint] how its place is written
 */
/** @type {Record<string, Kind>} */
export const KINDS = {
  sunmi: { by: "none" },
  icredit: { by: "none" },
  stream: { by: "edge", source: "rtsp", ask: "url", hint: "rtsp://192.168.7.9/stream" },
  ftp: { by: "edge", source: "folder", ask: "folder", hint: "/srv/ftp/door" },
  frigate: { by: "edge", source: "rtsp", ask: "url", hint: "rtsp://192.168.7.9:8554/door" },
  usb: { by: "edge", source: "usb", ask: "device", hint: "/dev/video0" },
  program: { by: "program" },
};

// Of docs/vision.md, Detection: the shorter side of a face.
export const TOO_SMALL_PX = 15;
export const LARGE_PX = 30;

/** Tell whether only the machine itself reaches an address. */
export function isOwnAddress(address) {
  try {
    const { hostname } = new URL(address);
    return /^(localhost|.*\.localhost|\[::1\]|(127|0)\..*)$/.test(hostname);
  } catch {
    return false;
  }
}

/** Return the origin and path of a service's address, or null if it is none. */
export function serviceAddress(text) {
  try {
    const { protocol, origin, pathname, username, search, hash } = new URL(text.trim());
    if (!["http:", "https:"].includes(protocol) || username || search || hash) return null;
    return `${origin}${pathname}`.replace(/\/$/, "");
  } catch {
    return null;
  }
}

const quoted = (text) => JSON.stringify(text).replaceAll("\x7f", "\\u007f");

/** Return the line that brings a camera's key and file to its computer. Others there see it, so it has no password. */
export function claimLine(code, address, place) {
  const camera = place.trim() && ` --camera '${place.trim().replaceAll("'", "'\\''")}'`;
  return `regulars-edge claim ${code} ${address}${camera}`;
}

/** Write the uploader's whole file. */
export function edgeFile(kind, { id, address, place }) {
  const { source, ask } = KINDS[kind];
  const rest = source === "folder" ? ["after", "delete"] : ["send", "best_shot"];
  const lines = (pairs) => pairs.map(([name, value]) => `${name} = ${quoted(value)}\n`).join("");
  return `[server]\n${lines([["url", address], ["api_key_file", keyFile(id)]])}
[[camera]]\n${lines([["name", id], ["source", source], [ask, place], rest])}`;
}

export const keyFile = (id) => `/etc/regulars-edge/${id}.key`;

/** Return the request by which a program sends one picture. */
export const curlLine = (address, key) => `curl -H 'Authorization: Bearer ${key}' -H 'Content-Type: image/jpeg' \\
  --data-binary @picture.jpg '${address}/v1/captures'`;

/** Tell how many faces a picture has, and how good the size of the largest is, by its shorter side. */
export function facesOf({ sightings }) {
  const sides = sightings.map(({ box }) => Math.min(box.width, box.height));
  const px = Math.round(Math.max(0, ...sides));
  const size = !sides.length ? "none" : px <= TOO_SMALL_PX ? "tiny" : px < LARGE_PX ? "small" : "large";
  return { count: sides.length, px, size };
}
