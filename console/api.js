// Calls of /v1, and nothing else. The last answer of each GET is kept in memory, so that a repeat can be a 304.
// Each call names the book that the page shows, since this browser may be signed in to several shops.
import { inAddress, session } from "./store.js";

/** How many answers to GETs are waited for. */
export const reading = { count: 0 };
const kept = new Map();
const MOST_KEPT = 200;
const LATE_MS = 30_000;

/** What went wrong with a call: the API's sentence, its code, and the request's id. */
export class Problem extends Error {
  status;
  code;
  detail;
  request_id;
  /** @type {number} Seconds. */ retryAfter;
  /** @type {any} What is there now, if somebody else changed it meanwhile. */ present;

  constructor({ status = 0, code = "Offline", detail = "", request_id = "", ...rest }) {
    super(detail);
    Object.assign(this, rest, { status, code, detail, request_id });
  }
}

let onSessionOver = async (/** @type {string} */ _method, /** @type {boolean} */ _isOther) => false;

/** Say what is done when a session is over, or is of another book than the page: true sends the call once more. */
export function whenSessionIsOver(done) {
  onSessionOver = done;
}

/** Forget all answers, as people who sign out want. */
export function forget() {
  kept.clear();
}

/**
 * Read: of `query`, undefined, null and "" are left out, a list is sent one by one. `book`: another than the page's.
 * @type {import("types").Get}
 */
export const get = (path, query, { signal, book } = {}) => {
  reading.count += 1;
  return call("GET", address(path, query), { signal, book }).finally(() => { reading.count -= 1; });
};

/** Read again who is signed in, and how the shop cuts days and weeks: another page may have set that. */
export const readSession = () =>
  get("session").then((known) => session.set({ ...session.now, ...known }), () => {});

/** @type {import("types").Send} Change something. Sent again by the same `name`, it is done once. */
export const send = (method, path, body, { signal, name = newName(), keepalive = false, book } = {}) =>
  call(method, address(path), { body, signal, keepalive, book, headers: { "Idempotency-Key": name } });

export function newName() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
}

/** Return where something is read. */
export function address(path, query = {}) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "") continue;
    for (const one of [value].flat()) pairs.append(name, one);
  }
  return `v1/${path}${pairs.size ? `?${pairs}` : ""}`;
}

/** @returns {Promise<any>} */
async function call(method, url, { body = undefined, signal, headers = {}, keepalive = false, book = undefined }) {
  const isSignIn = method === "POST" && url.startsWith("v1/session");
  const meant = isSignIn ? null : book ?? session.now?.book ?? inAddress;
  const name = `${meant} ${url}`;
  const known = method === "GET" ? kept.get(name) : undefined;
  const sent = { ...headers, Accept: "application/json" };
  if (meant) sent["X-Regulars-Book"] = meant;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (known) sent["If-None-Match"] = known.tag;
  const response = await fetched(url, {
    method, signal: AbortSignal.any([AbortSignal.timeout(LATE_MS), ...(signal ? [signal] : [])]), keepalive,
    headers: sent, credentials: "same-origin", cache: "no-store",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.status === 304) return known.answer;
  if (response.status === 204) return null;
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    const isOther = answer.code === "OtherBook";
    const isEnded = isOther || (response.status === 401 && !url.startsWith("v1/session"));
    if (isEnded && !book && (await onSessionOver(method, isOther))) {
      return call(method, url, { body, signal, headers, keepalive });
    }
    const isRefused = response.status === 403 && !url.startsWith("v1/session");
    if (isRefused && !book && session.now) readSession(); // the page may show the buttons of a role that was taken away
    throw new Problem({ ...answer, status: response.status, retryAfter: Number(response.headers.get("Retry-After")) });
  }
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  const answer = await (isJson ? response.json() : response.text());
  if (method === "GET" && response.headers.has("ETag")) keep(name, response.headers.get("ETag"), answer);
  return answer;
}

async function fetched(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (options.signal.reason?.name === "AbortError") throw error;
    throw new Problem({});
  }
}

function keep(name, tag, answer) {
  kept.delete(name);
  kept.set(name, { tag, answer });
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
}
