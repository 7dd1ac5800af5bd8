// A photo by which somebody is known from then on.
import { send } from "../api.js";
import { complain, say } from "../undo.js";
import { explain, t } from "../words.js";

const UNTIL_TRUSTED_MS = 30_000;

/**
 * Add one to the face at `path`, but one that looks like somebody else only if that is said. `done`: called then;
 * `refused`: called with why it can not be used.
 */
export async function addPhoto(path, body, done, refused = complain) {
  try {
    await send("POST", `${path}/pictures`, body);
    done();
  } catch (problem) {
    if (!["NotThisPerson", "AnotherFace"].includes(problem.code)) return refused(problem);
    const trust = () => addPhoto(path, { ...body, trust: true }, done, refused);
    say(explain(problem), { kind: "problem", action: [t("photo.trust"), trust], forMs: UNTIL_TRUSTED_MS });
  }
}
