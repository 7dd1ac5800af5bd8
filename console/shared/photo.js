// A photo by which somebody is known from then on.
import { send } from "../api.js";
import { complain, say } from "../undo.js";
import { explain, t } from "../words.js";

const UNTIL_TRUSTED_MS = 30_000;

/** Add one to the face at `path`, but one that looks like somebody else only if that is said. `done`: called then. */
export async function addPhoto(path, body, done) {
  try {
    await send("POST", `${path}/pictures`, body);
    done();
  } catch (problem) {
    if (!["NotThisPerson", "AnotherFace"].includes(problem.code)) return complain(problem);
    const trust = () => addPhoto(path, { ...body, trust: true }, done);
    say(explain(problem), { kind: "problem", action: [t("photo.trust"), trust], forMs: UNTIL_TRUSTED_MS });
  }
}
