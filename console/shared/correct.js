// What "Who is it?" changes: the calls that a choice makes, and those that take it back. They are made by `send`.

export const pathOf = (face) => `faces/${encodeURIComponent(face.id)}`;
const REGULAR = "regular";

/** Name somebody. A stranger who has a name is a regular. */
export function naming(face, name) {
  const moves = face.group === "stranger";
  const named = { name, ...(moves && { group: REGULAR }), ...(face.revision && { revision: face.revision }) };
  const before = { name: face.name ?? "", ...(moves && { group: face.group }) };
  return {
    does: (send, options) => send("PATCH", pathOf(face), named, options),
    inverse: (send) => send("PATCH", pathOf(face), before),
  };
}

/** Make somebody part of another, who it is. */
export function merging(face, other) {
  return {
    does: (send, options) => send("POST", `${pathOf(other)}/merge`, { other: face.id }, options),
    inverse: (send, done) => send("POST", `merges/${encodeURIComponent(done.merge)}/undo`),
  };
}

/**
 * Take sightings from a face. `choice`: of "Who is it?"; without one, a search says who it is. All of them go to the
 * same: to the stranger whom the first one makes, if they are a stranger's or somebody's who is new.
 */
export function giving(face, sightings, choice) {
  const instead = { stranger: "stranger", new: "stranger", nobody: "nobody" }[choice?.kind];
  const reject = (send, id, other, options) => {
    const body = other ? { other } : instead && { instead };
    return send("POST", `${pathOf(face)}/sightings/${id}/reject`, body, options);
  };
  const does = async (send, options) => {
    let other = choice?.face?.id;
    if (options?.keepalive) return Promise.all(sightings.map((id) => reject(send, id, other, options)));
    let last;
    for (const id of sightings) {
      last = await reject(send, id, other, options);
      if (instead === "stranger") other ??= last.sighting.face ?? undefined;
    }
    if (choice?.kind === "new" && other) {
      await send("PATCH", pathOf({ id: other }), { name: choice.name, group: REGULAR }, options);
    }
    return last;
  };
  return { does };
}

/** Return what a row says once this was chosen. */
export function shownAs(choice) {
  const { kind, face, name } = choice;
  if (kind === "face") {
    return { face: face.id, name: face.name, group: face.group, portrait: face.portrait, score: null };
  }
  if (kind === "new") return { name, group: REGULAR };
  return { name: "", group: "stranger", portrait: null, score: null };
}

/**
 * Return how rows change by a choice, and how they change back. `is`: tells which rows it is about. Those of nobody go.
 */
export function patches(choice, is) {
  const were = new Map();
  const change = (row) => { were.set(row.sighting, row); return { ...row, ...shownAs(choice) }; };
  return [
    (rows) => rows.filter((row) => choice.kind !== "nobody" || !is(row)).map((row) => (is(row) ? change(row) : row)),
    (rows) => rows.map((row) => were.get(row.sighting) ?? row),
  ];
}

/** Return the sightings of a visit as `{ camera, sighting }`, newest first. `get`: reads the face's. */
export async function sightingsOf(get, visit) {
  if (visit.sightings <= 1) return [{ camera: visit.camera, sighting: visit.sighting }];
  const found = [];
  let token = null;
  do {
    const page = await get(`${pathOf({ id: visit.face })}/sightings`, { limit: 100, token });
    found.push(...page.sightings);
    token = page.next_token;
  } while (token && found.at(-1).captured_at > visit.first);
  return found.filter((one) => visit.first <= one.captured_at && one.captured_at <= visit.last)
    .map((one) => ({ camera: one.camera, sighting: one.id }));
}

/** Find who has exactly this name, however it is written, besides `face`. */
export function sameName(found, name, face) {
  const plain = (text) => text.trim().replace(/\s+/g, " ").toLocaleLowerCase();
  return found?.find((one) => one.id !== face && plain(one.name) === plain(name));
}
