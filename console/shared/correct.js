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

/** Have a face be known by a photo of one of its sightings, too. */
export function keeping(face, sighting) {
  return {
    does: (send, options) => send("POST", `${pathOf(face)}/pictures`, { sighting, trust: true }, options),
    inverse: (send, done) => send("DELETE", `${pathOf(face)}/pictures/${done.id}`),
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
 * Take a sighting from a face, and with it its visit if that is meant, by one call. `choice`: of "Who is it?"; without
 * one, a search says who it is. `only`: these of the visit.
 */
export function giving(face, sighting, choice, { visit = false, only = undefined } = {}) {
  const { kind, face: other, name } = choice ?? {};
  const path = (from) => `${pathOf({ id: from })}/sightings/${sighting}/reject`;
  const whose = kind === "face" ? { other: other.id } : kind && { instead: kind, ...(kind === "new" && { name }) };
  const body = { ...whose, ...((visit || only) && { visit: true }), ...(only && { only }) };
  return {
    does: (send, options) => send("POST", path(face.id), body, options),
    inverse: (send, done) =>
      send("POST", path(done.sighting.face), { other: face.id, visit: true, only: done.sightings }),
  };
}

/** Return how rows change by the answer: those of its sightings are the visit that these are a part of now. */
export const given = ({ sightings, arrival }) => (rows) => {
  const is = (row) => sightings.includes(row.sighting) || row.sighting === arrival?.sighting;
  const now = rows.flatMap((row) => (!is(row) ? [row] : arrival ? [{ ...row, ...arrival }] : []));
  return now.filter((row, place) => now.findIndex((each) => each.sighting === row.sighting) === place);
};

/** Return how rows change by the answer to a change that an earlier page left. */
export const answered = ({ method, path, answer }) => {
  if (answer?.sightings) return given(answer);
  const named = (row) => method === "PATCH" && path === pathOf({ id: row.face });
  return (rows) => rows.map((row) => (named(row) ? { ...row, name: answer.name, group: answer.group } : row));
};

/** Return what a row says once this was chosen. */
function shownAs(choice) {
  const { kind, face, name } = choice;
  return kind === "new" ? { name, group: REGULAR }
    : { face: face.id, name: face.name, group: face.group, portrait: face.portrait, score: null };
}

/** Return how rows of somebody change by a choice, and how they change back. `is`: tells which rows these are. */
export function patches(choice, is) {
  const were = new Map();
  const change = (row) => { were.set(row.sighting, row); return { ...row, ...shownAs(choice) }; };
  return [
    (rows) => rows.map((row) => (is(row) ? change(row) : row)),
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
