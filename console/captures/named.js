// What is said of a capture in few words: who is on it, or what became of it, and why.
import { t, tOr } from "../words.js";

/** Return who was recognised, and how many others of each outcome. `called`: says what a face is called. */
export function outcomes(sightings, called) {
  const known = sightings.filter((sighting) => sighting.face && (sighting.name || sighting.number));
  const of = (resolution) => sightings.filter((one) => one.resolution === resolution && !known.includes(one)).length;
  return { names: [...new Set(known.map(called))], matched: of("matched"), stranger: of("stranger"),
    skipped: of("skipped") };
}

const POOR = /^nobody, and too poor to be remembered, (.+): (\d+) of (\d+)$/;
const SMALL = /^nobody, and too small to be remembered: (\d+) of (\d+) px$/;
const MASKED = "nobody, and in a mask: strangers are remembered bare";
const UNKEPT = "nobody; this camera keeps no strangers";
const SOMEBODY = "somebody who was erased or is restricted";

/** Say as a sentence why a face was skipped. `reason`: as the service writes it. */
export function why(reason) {
  if (reason === UNKEPT) return t("captures.why.unkept");
  if (reason === SOMEBODY) return t("captures.why.somebody");
  if (reason === MASKED) return t("captures.why.mask");
  const small = reason.match(SMALL);
  if (small) return t("captures.why.small", { is: small[1], least: small[2] });
  const poor = reason.match(POOR);
  if (!poor) return reason;
  return t("captures.why.poor", { flaw: tOr(`flaw.${poor[1]}`, poor[1]), is: poor[2], least: poor[3] });
}

/** Say what became of a face, or why not, and whether it wears a mask. */
export function became({ reason, resolution, masked }) {
  const said = reason ? why(reason) : t(`captures.was.${resolution}`);
  return masked && reason !== MASKED ? `${said} · ${t("captures.masked")}` : said;
}

/** Return the id of the capture that a sighting's id begins with. */
export const captureOf = (sighting) => sighting.slice(0, sighting.lastIndexOf("-"));
