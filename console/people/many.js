// Changes of many faces, a hundred a request, and tables of them.
import { get, newName, send } from "../api.js";
import { Value } from "../store.js";
import { complain, later, say, tell, unleft, unsay } from "../undo.js";
import { untilAnswered } from "../unsent.js";
import { explain, isoDay, t } from "../words.js";
import { saveTable } from "../shared/saved.js";
import { moment } from "../shared/tables.js";

export const AT_ONCE = 100;
const KEPT_ALIVE = 60_000;
/** Browsers send 64 KiB in all for a page that is left. */
const LARGE = 1000;
const TRIES = 5;
const LONG_MS = 86_400_000;

/** Ids of faces that are deleted, or will be when nobody presses "Undo". */
export const gone = new Value(new Set());

/** Try again what the service is too busy for. */
export const patiently = (act) =>
  untilAnswered(act, { when: ({ status }) => [429, 503].includes(status), tries: TRIES });

const hundreds = (ids) => Array.from({ length: Math.ceil(ids.length / AT_ONCE) },
  (_, n) => ids.slice(n * AT_ONCE, (n + 1) * AT_ONCE));

/** Go through hundreds of ids, one after the other, and say how far it is. */
async function through(ids, act) {
  const parts = hundreds(ids);
  const far = (count) => t("people.far", { done: count, count: ids.length });
  const note = parts.length > 1 ? say(far(0), { forMs: LONG_MS }) : null;
  try {
    for (const [n, part] of parts.entries()) {
      await patiently(() => act(part, n));
      if (note) tell(note, far(Math.min(ids.length, (n + 1) * AT_ONCE)));
    }
  } finally {
    if (note) unsay(note);
  }
}

export async function readFaces(ids) {
  const faces = [];
  await through(ids, async (some) => faces.push(...(await get("faces", { ids: some, limit: AT_ONCE })).faces));
  return faces;
}

/**
 * Change many faces; return the ids of those that were. What went wrong is said, with how far it came. A page that is
 * left sends what is not done yet as far as a browser lets it, under the same names, so nothing is done twice. `look`:
 * is shown the faces as they were before.
 */
export async function changeMany(ids, body, { keepalive = false, look = null } = {}) {
  const names = hundreds(ids).map(newName);
  const done = [];
  const failed = [];
  let at = 0;
  const post = (some, n, more) => send("POST", "face-changes", { ids: some, ...body }, { name: names[n], ...more });
  const leave = () => {
    let room = KEPT_ALIVE;
    for (const [n, some] of hundreds(ids).entries()) {
      const fits = n >= at && (room -= JSON.stringify({ ids: some, ...body }).length) > 0;
      if (fits) post(some, n, { keepalive: true }).catch(() => {});
    }
  };
  if (keepalive) {
    leave();
    return ids;
  }
  addEventListener("pagehide", leave);
  try {
    await unleft(through(ids, async (some, n) => {
      if (look) look((await get("faces", { ids: some, limit: AT_ONCE })).faces);
      const answer = await post(some, n);
      at = n + 1;
      done.push(...answer.done);
      failed.push(...answer.failed);
    }));
  } catch (problem) {
    const why = explain(problem);
    complain({ detail: t("people.stopped", { done: done.length, count: ids.length, why }) });
  } finally {
    removeEventListener("pagehide", leave);
  }
  if (failed.length) complain({ detail: t("people.failed", { count: failed.length, why: failed[0].message }) });
  return done;
}

/** Delete faces in a while, unless it is undone. */
export function removeLater(ids, text, { back = () => {}, done = () => {} } = {}) {
  const without = (some) => gone.set(new Set([...gone.now].filter((id) => !some.has(id))));
  later(text, {
    take: () => gone.set(new Set([...gone.now, ...ids])),
    back: () => { without(new Set(ids)); back(); },
    act: async (options) => {
      const deleted = new Set(await changeMany(ids, { delete: true }, options));
      without(new Set(ids.filter((id) => !deleted.has(id))));
      done();
    },
    isLarge: ids.length > LARGE,
  });
}

/** Hand faces out as a table for spreadsheets. */
export async function download(ids, format) {
  const head = ["id", "person.name", "group", "person.note", "person.visits", "person.last", "person.enrolled"];
  const rows = (await readFaces(ids)).map((face) => [face.id, face.name, face.group, face.note, face.arrive_count,
    moment(face.arrive_time), moment(face.enrolled_at)]);
  saveTable([head.map((one) => t(one)), ...rows], `regulars-${isoDay(Date.now())}`, format);
}
