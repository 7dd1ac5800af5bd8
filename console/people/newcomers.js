// People who wait to be added: looked at four pictures at a time, enrolled when somebody says so, whatever page is
// open.
import { newName, send } from "../api.js";
import { session, Value } from "../store.js";
import { unleft } from "../undo.js";
import { t } from "../words.js";
import { patiently } from "./many.js";
import { peopleOf } from "./people_of_files.js";
import { base64, largest, shrunk, thumbnail } from "../shared/pictures.js";
import * as shelf from "./shelf.js";

const AT_ONCE = 4;
const MOST_PICTURES = 8;
const AGAIN_MS = 10_000;
const GOOD_FOR_MS = 20 * 3_600_000;
/** The service knows a repeated request for a day. What is older is looked at again, and found to be known. */

/** What came back for one picture decides whether it can be sent, and what is said about it. */
class Shot {
  state = "looking";
  says = "";
  url = "";
  faces = [];
  at = -1;

  constructor(file) {
    this.file = file;
  }

  get face() {
    return this.faces[this.at];
  }

  looked({ width, height, faces }) {
    Object.assign(this, { width, height, faces });
    this.choose(this.at < 0 ? largest(faces) : this.at);
  }

  choose(index) {
    this.at = index;
    this.chosen = index >= 0 && index !== largest(this.faces);
    this.refuse(!this.faces.length ? t("add.noface") : index < 0 ? t("add.which") : this.face.reason);
  }

  refuse(says) {
    this.says = says ?? "";
    this.state = this.says ? "refused" : "good";
  }
}

class Newcomer {
  id = newName();
  state = "looking";
  says = "";
  tenant = "";
  order = 0;
  face;
  /** Whose pictures these are said to be: a face's id, null of somebody new, undefined until it was looked at. */
  as;
  /** Which face of a picture is meant, if somebody said so: indexes of faces by those of pictures. */
  chosen = {};
  /** What is sent, once it was begun. */
  plan;

  constructor(name, files, kept) {
    this.name = name;
    Object.assign(this, kept);
    this.shots = files.map((file) => new Shot(file));
    for (const [index, at] of Object.entries(this.chosen)) this.shots[index].at = at;
  }

  get good() {
    return this.shots.filter((one) => one.state === "good");
  }

  /** Whom most of the pictures look like, among those who match. */
  get known() {
    const best = ({ face }) => (face?.match ? face.candidates.find((one) => one.match) : null);
    const matches = this.good.map(best).filter(Boolean);
    return matches.sort((one, other) => other.score - one.score)[0];
  }

  get record() {
    const { id, name, tenant, order, as, chosen, plan } = this;
    return { id, name, tenant, order, as, chosen, plan };
  }
}

class Newcomers {
  people = [];
  drawn = new Value(0);
  isUnkept = false;
  #free = AT_ONCE;
  #tasks = [];

  constructor(tenant) {
    this.tenant = tenant;
    addEventListener("online", () => this.add());
    this.#restore();
  }

  /** Draw at the next frame, however much happened until then. */
  draw() {
    this.frame ??= requestAnimationFrame(() => { this.frame = undefined; this.drawn.set(this.drawn.now + 1); });
  }

  /** Take pairs of a path and a file: keep them, and look at them. */
  take(pairs) {
    const { tenant } = this;
    const made = [...peopleOf(pairs)]
      .map(([name, files], n) => new Newcomer(name, files, { tenant, order: Date.now() + n / 1e4 }));
    this.people.push(...made);
    unleft((async () => {
      for (const one of made) await this.keep(one, { files: one.shots.map((shot) => shot.file) });
    })());
    made.forEach((one) => this.#look(one));
    this.draw();
  }

  async keep(one, pictures) {
    if (this.isOver) return;
    try {
      await shelf.keep(one.record, pictures);
    } catch {
      this.isUnkept = true; // no room, or a browser that keeps nothing
    }
  }

  async #restore() {
    const kept = (await shelf.kept().catch(() => [])).filter((one) => one.tenant === this.tenant);
    for (const record of kept.sort((one, other) => one.order - other.order)) {
      const pictures = await shelf.picturesOf(record.id).catch(() => null);
      if (!pictures) continue;
      if (record.plan && Date.now() - record.plan.at > GOOD_FOR_MS) delete record.plan;
      const one = new Newcomer(record.name, pictures.files, record);
      this.people.push(one);
      if (one.plan) {
        one.plan.pictures = pictures.sent;
        one.shots.forEach((shot) => shot.refuse());
        this.#enrol(one);
      } else this.#look(one);
    }
    this.draw();
  }

  #look(one) {
    one.shots.forEach((shot) => this.#push(async () => {
      try {
        const small = await shrunk(shot.file);
        const shown = !shot.url && (await thumbnail(small));
        if (shown) shot.url = URL.createObjectURL(shown);
        shot.looked(await patiently(async () => send("POST", "identify", { picture: await base64(small), k: 1 })));
      } catch (failed) {
        shot.refuse(failed.detail || t("problem.offline"));
      }
      if (one.shots.every((each) => each.state !== "looking")) {
        one.state = one.good.length ? "ready" : "refused";
        if (one.as === undefined) one.as = one.known?.face.id;
      }
      this.draw();
    }));
  }

  /** Enrol everybody who is ready into a group, and go on with those whom the service did not answer for. */
  add(group) {
    for (const one of this.people) {
      if (one.state === "stuck") this.#enrol(one);
      else if (group && one.state === "ready") this.#enrol(one, group);
    }
  }

  #enrol(one, group) {
    one.state = "adding";
    one.says = "";
    this.#push(async () => {
      try {
        await unleft(this.#enrolled(one, group));
        shelf.drop(one.id).catch(() => {});
      } catch (failed) {
        one.says = failed.detail || t("problem.offline");
        if (!failed.status) {
          one.state = "stuck";
          setTimeout(() => this.add(), AGAIN_MS);
        } else { // nothing was done: it may be tried another way
          one.state = "ready";
          delete one.plan;
          this.keep(one);
          if (one.good.some((shot) => !shot.face)) this.#look(one);
        }
      }
      this.draw();
    });
    this.draw();
  }

  /** Say what is sent, and keep it before, so that a repeat is the same request. */
  async #plan(one, group) {
    const shots = one.good.sort((left, right) => right.face.quality - left.face.quality).slice(0, MOST_PICTURES);
    const pictures = [];
    for (const shot of shots) {
      const blob = await shrunk(shot.file, shot.chosen ? shot.face.box : null);
      pictures.push({ blob, index: one.shots.indexOf(shot) });
    }
    one.plan = { at: Date.now(), key: newName(), group, name: one.name.trim(), as: one.as };
    await this.keep(one, { files: one.shots.map((shot) => shot.file), sent: pictures });
    one.plan.pictures = pictures;
  }

  /** Enrol with the best picture, and add the others. */
  async #enrolled(one, group) {
    if (!one.plan) await this.#plan(one, group);
    const { key, name, as, pictures } = one.plan;
    const post = async (path, { blob }, more, n) => {
      const picture = await base64(blob);
      return patiently(() => send("POST", path, { ...more, picture }, { name: `${key}-${n}` }));
    };
    one.face = as ?? (await post("faces", pictures[0], { group: one.plan.group, name }, 0)).id;
    for (const [n, sent] of pictures.entries()) {
      if (n === 0 && !as) continue;
      try {
        await post(`faces/${encodeURIComponent(one.face)}/pictures`, sent, {}, n);
      } catch (failed) {
        if (!failed.status) throw failed;
        one.shots[sent.index].refuse(failed.detail);
      }
    }
    one.state = one.good.length ? "added" : "refused";
  }

  leave(one) {
    one.shots.forEach((shot) => URL.revokeObjectURL(shot.url));
    this.people.splice(this.people.indexOf(one), 1);
    shelf.drop(one.id).catch(() => {});
    this.draw();
  }

  /** Forget those who are in the book. */
  tidy() {
    this.people.filter((one) => one.state === "added").forEach((one) => this.leave(one));
  }

  /** Leave the rest to the person who signs in next: it is kept. */
  stop() {
    this.isOver = true;
    this.people = [];
    this.#tasks = [];
  }

  #push(task) {
    this.#tasks.push(task);
    this.#next();
  }

  #next() {
    while (this.#free > 0 && this.#tasks.length) {
      this.#free--;
      this.#tasks.shift()().finally(() => { this.#free++; this.#next(); });
    }
  }
}

let here;
session.listen((known) => {
  if (known) return;
  here?.stop();
  here = undefined;
});

/** Return those of the tenant who is signed in. */
export function newcomers() {
  return (here ??= new Newcomers(session.now.tenant));
}
