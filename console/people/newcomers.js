// People who wait to be added: looked at four pictures at a time, enrolled when somebody says so, whatever page is
// open.
import { newName, send } from "../api.js";
import { session, Value } from "../store.js";
import { unusable } from "../shared/form.js";
import { explain, t } from "../words.js";
import { patiently } from "./many.js";
import { peopleOf } from "./people_of_files.js";
import { base64, largest, shrunk, thumbnail } from "../shared/pictures.js";

const AT_ONCE = 4;
const MOST_PICTURES = 8;
const AGAIN_MS = 10_000;
/** Those of whom nothing is lost if the page is left. */
const OVER = ["added", "refused"];

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
    if (!this.faces.length) return this.refuse(t("add.noface"));
    if (index < 0) return this.refuse(t("add.which"));
    this.refuse(this.face.reason && explain(unusable(this.face.reason)));
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
  face;
  /** Whose pictures these are said to be: a face's id, null of somebody new, undefined until it was looked at. */
  as;
  /** What is sent, once it was begun: a repeat is the same request. */
  plan;

  constructor(name, files) {
    this.name = name;
    this.shots = files.map((file) => new Shot(file));
  }

  get good() {
    return this.shots.filter((shot) => shot.state === "good");
  }

  /** Whom most of the pictures look like, among those who match. */
  get known() {
    const best = ({ face }) => (face?.match ? face.candidates.find((candidate) => candidate.match) : null);
    const matches = this.good.map(best).filter(Boolean);
    return matches.sort((one, other) => other.score - one.score)[0];
  }
}

class Newcomers {
  people = [];
  drawn = new Value(0);
  #free = AT_ONCE;
  #tasks = [];

  constructor() {
    addEventListener("online", () => this.add());
    addEventListener("beforeunload", (event) => {
      if (this.people.some((person) => !OVER.includes(person.state))) event.preventDefault();
    });
  }

  /** Draw at the next frame, however much happened until then. */
  draw() {
    this.frame ??= requestAnimationFrame(() => { this.frame = undefined; this.drawn.set(this.drawn.now + 1); });
  }

  /** Take pairs of a path and a file, and look at them. */
  take(pairs) {
    const made = [...peopleOf(pairs)].map(([name, files]) => new Newcomer(name, files));
    this.people.push(...made);
    made.forEach((one) => this.#look(one));
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
        shot.refuse(explain(failed));
      }
      if (one.shots.every((shot) => shot.state !== "looking")) {
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
        await this.#enrolled(one, group);
      } catch (failed) {
        one.says = explain(failed);
        if (!failed.status) {
          one.state = "stuck";
          setTimeout(() => this.add(), AGAIN_MS);
        } else { // nothing was done: it may be tried another way
          one.state = "ready";
          delete one.plan;
        }
      }
      this.draw();
    });
    this.draw();
  }

  /** Say what is sent. */
  async #plan(one, group) {
    const shots = one.good.sort((left, right) => right.face.quality - left.face.quality).slice(0, MOST_PICTURES);
    const pictures = [];
    for (const shot of shots) {
      const blob = await shrunk(shot.file, shot.chosen ? shot.face.box : null);
      pictures.push({ blob, shot });
    }
    one.plan = { key: newName(), group, name: one.name.trim(), as: one.as, pictures };
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
        sent.shot.refuse(explain(failed));
      }
    }
    one.state = one.good.length ? "added" : "refused";
  }

  leave(one) {
    one.shots.forEach((shot) => URL.revokeObjectURL(shot.url));
    this.people.splice(this.people.indexOf(one), 1);
    this.draw();
  }

  /** Forget those who are in the book. */
  tidy() {
    this.people.filter((person) => person.state === "added").forEach((one) => this.leave(one));
  }

  stop() {
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

/** Return those of the people who are signed in. */
export const newcomers = () => (here ??= new Newcomers());
