// What is said of a capture in few words: who is on it, or what became of it.

/** Return who was recognised, and how many others of each outcome: `matched` and `stranger` have no name. */
export function outcomes(sightings) {
  const of = (resolution) => sightings.filter((one) => one.resolution === resolution);
  const names = sightings.map((one) => one.name).filter(Boolean);
  const nameless = (found) => found.filter((one) => !one.name).length;
  return { names: [...new Set(names)], matched: nameless(of("matched")), stranger: nameless(of("stranger")),
    skipped: of("skipped").length };
}

/** Return the id of the capture that a sighting's id begins with. */
export const captureOf = (sighting) => sighting.slice(0, sighting.lastIndexOf("-"));
