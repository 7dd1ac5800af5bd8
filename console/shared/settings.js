// Settings that are changed in place: a name, a field, and a sentence that says what it does.
import { useState } from "preact/hooks";
import { send } from "../api.js";
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { complain, say, unsay } from "../undo.js";
import { explain, t } from "../words.js";
import { useRefused, whyUnfit } from "./form.js";
import { Select } from "./parts.js";

const MOST_OFFERED = 50;
const BACK_MS = 6000;

let turn = Promise.resolve();
let said;
const answered = new Map();

/**
 * Return what changes members of a thing in place, one change after the other, and offers to take it back. `changes`
 * may be a function of the thing as it is by then. What somebody else changed meanwhile is shown, and not written over.
 * What is refused is complained of, unless `isBeside`: then its field says so.
 */
export function changer(path, loaded) {
  const change = async (changes, isBeside) => {
    const last = answered.get(path);
    const one = last?.revision > loaded.value.revision ? last : loaded.value;
    const sent = typeof changes === "function" ? changes(one) : changes;
    const before = Object.fromEntries(Object.keys(sent).map((name) => [name, one[name]]));
    const show = (next) => { answered.set(path, next); loaded.set(next); };
    try {
      show(await send("PATCH", path, one.revision ? { ...sent, revision: one.revision } : sent));
      if (said) unsay(said); // one at a time: the last change is the one to take back
      said = say(t("saved"), { action: [t("undo"), () => send("PATCH", path, before).then(show, complain)],
        forMs: BACK_MS });
    } catch (problem) {
      const isOld = problem.code === "Changed";
      if (isOld) show(problem.present);
      if (!isBeside || !isRefusal(problem)) complain(isOld ? { detail: t("changed.meanwhile") } : problem);
      throw problem;
    }
  };
  return (changes, isBeside = false) => {
    const mine = turn.then(() => change(changes, isBeside));
    turn = mine.catch(() => {});
    return mine;
  };
}

const isRefusal = ({ code, field }) => code === "InvalidInput" || Boolean(field);

/**
 * Settings of one thing. `fields`: by name what kind each is, and `words` if others are told by another name; `may`:
 * whether they can be changed.
 */
export function Settings({ fields, value, change, may }) {
  return Object.entries(fields).map(([name, field]) => {
    const isGroup = field.kind === "some";
    const Field = FIELDS[field.kind];
    const Name = isGroup ? "span" : "label";
    const id = `set-${name}`;
    const words = `set.${field.words ?? name}`;
    return html`<div key=${name} class="setting" role=${isGroup ? "group" : null}
      aria-labelledby=${isGroup ? id : null}>
      <div><${Name} class="label" id=${isGroup ? id : null} for=${isGroup ? null : id}>${t(words)}</${Name}>
        <p id=${`${id}-says`} class="soft small">${t(`${words}.says`)}</p></div>
      <${Held} Field=${Field} id=${id} name=${name} field=${field} value=${value[name]} disabled=${!may}
        change=${change} />
    </div>`;
  });
}

/** Shows what was chosen until that is answered, then what holds. What was typed and is refused stays, and says why. */
export function Held({ Field, value, change, name, ...more }) {
  const [chosen, setChosen] = useState(/** @type {any} */ (null));
  const stays = Field === Typed;
  const set = (next) => {
    const mine = { next };
    const end = (then) => setChosen((now) => (now === mine ? then : now));
    setChosen(mine);
    change({ [name]: next }, stays).then(() => end(null),
      (problem) => end(stays && isRefusal(problem) ? { next, problem } : null));
  };
  return html`<${Field} ...${more} name=${name} value=${chosen ? chosen.next : value} set=${set}
    problem=${chosen?.problem} forget=${() => setChosen(null)} />`;
}

function Switch({ id, value, set, disabled }) {
  return html`<input type="checkbox" role="switch" class="switch" id=${id} aria-describedby=${`${id}-says`}
    checked=${value} disabled=${disabled}
    onChange=${(event) => set(event.target.checked)} />`;
}

/** A number or a text, set when it is left or by Enter. Empty is null if the field has a word `none` for that. */
export function Typed({ id, value, set, disabled, field, label = undefined, problem = null, forget = () => {} }) {
  const { kind, min, max, step = 1, per = 1, unit, none, list } = field;
  const isNumber = kind === "number";
  const shown = value == null ? "" : isNumber ? String(Number((value / per).toFixed(6))) : value;
  const [typed, setTyped] = useState(/** @type {string | null} */ (null)); // it stays if another value comes meanwhile
  const text = typed ?? shown;
  const [invalid, setWrong] = useState("");
  const wrong = invalid || (problem && typed === null ? explain(problem) : "");
  const { marks, says } = useRefused(wrong);
  const described = [!label && `${id}-says`, marks["aria-describedby"]].filter(Boolean).join(" ");
  const done = ({ target }) => {
    const unfit = whyUnfit(target);
    setWrong(unfit);
    if (unfit) return;
    setTyped(null);
    const said = text.trim();
    const next = isNumber ? (said === "" ? null : Number((Number(said) * per).toFixed(6))) : said;
    if (next !== value && said !== shown) set(next);
  };
  const keys = (event) => {
    if (event.key === "Enter" && !event.isComposing) done(event);
    if (event.key === "Escape") { setTyped(null); setWrong(""); forget(); }
  };
  return html`<span class="typed"><input type=${kind} id=${id} aria-label=${label}
      ...${marks} aria-describedby=${described || null}
      value=${text} disabled=${disabled} required=${!none} placeholder=${none ? t(none) : null}
      list=${list ? `${id}-list` : null}
      min=${min} max=${isNumber ? max : null} maxlength=${isNumber ? null : max} step=${isNumber ? step : null}
      onInput=${(event) => setTyped(event.target.value)} onBlur=${done} onKeyDown=${keys} />
    ${list && html`<${Offered} id=${id} text=${text}
      pairs=${list.filter((item) => item !== text).map((one) => [one, one])} />`}
    ${unit && html`<span class="soft">${t(unit)}</span>`}
    ${says}</span>`;
}

/** What a field offers for what was typed. */
function Offered({ id, text, pairs }) {
  const fits = pairs.filter((pair) => pair.join(" ").toLowerCase().includes(text.toLowerCase())).slice(0, MOST_OFFERED);
  return html`<datalist id=${`${id}-list`}>${fits.map(([one, name]) => html`
    <option key=${one} value=${name}></option>`)}</datalist>`;
}

/** Some of a few: boxes. `value`: those that are chosen, null for all; with `off`, those that are not. */
function Some({ name, value, set, disabled, field: { options, off } }) {
  const on = options.filter((one) => (value === null ? true : value.includes(one) !== Boolean(off)));
  const turn = (one, isOn) => {
    const chosen = options.filter((each) => (each === one ? isOn : on.includes(each)));
    set(off ? options.filter((each) => !chosen.includes(each)) : chosen.length === options.length ? null : chosen);
  };
  return html`<div class="boxes">${options.map((one) => html`<label key=${one} class="inline">
    <input type="checkbox" checked=${on.includes(one)}
      disabled=${disabled || (!off && on.length === 1 && on[0] === one)}
      onChange=${(event) => turn(one, event.target.checked)} />
    ${t(`set.${name}.${one}`)}</label>`)}</div>`;
}

/** Some of many, added by name. null: all. `pairs`: of what is kept and what it is called. */
function Many({ id, value, set, disabled, field: { pairs, all = "", empty = null } }) {
  const [text, setText] = useState("");
  const left = pairs.filter(([one]) => !value?.includes(one));
  const called = new Map(pairs);
  const typed = (event) => {
    const said = event.target.value;
    const found = left.find((pair) => pair.includes(said));
    setText(found ? "" : said);
    if (found) set([...(value ?? []), found[0]]);
  };
  const remove = (one) => {
    const rest = value.filter((each) => each !== one);
    set(rest.length ? rest : empty);
  };
  return html`<div class="many"><span class="chips">
      ${value === null && html`<span class="tag">${t(all)}</span>`}
      ${value?.map((one) => html`<span key=${one} class="tag">${called.get(one) ?? one}
        ${!disabled && html`<button class="plain" aria-label=${t("many.remove", { name: called.get(one) ?? one })}
          onClick=${() => remove(one)}><${Icon} name="close" size=${12} /></button>`}</span>`)}
      ${all && value !== null && !disabled && html`<button class="plain small" onClick=${() => set(null)}>
        ${t("many.all")}</button>`}</span>
    ${!disabled && html`<input id=${id} aria-describedby=${`${id}-says`} list=${`${id}-list`}
      placeholder=${t("many.add")} value=${text} onInput=${typed} />
      <${Offered} id=${id} text=${text} pairs=${left} />`}</div>`;
}

/** One of a few, by their names: texts of the setting's name and of each, or what `called` returns. */
function One({ id, name, value, set, disabled, field: { options, called = (one) => t(`${name}.${one}`) } }) {
  return html`<${Select} id=${id} label=${t(`set.${name}`)} aria-describedby=${`${id}-says`} value=${value} set=${set}
    disabled=${disabled} options=${options.map((one) => [one, called(one)])} />`;
}

const FIELDS = { one: One, switch: Switch, number: Typed, text: Typed, url: Typed, some: Some, many: Many };

/** A text to copy: with the button, or by hand if the browser does not let a page do it. */
export function Copy({ text, label, rows = 1, copied = () => {} }) {
  const [done, setDone] = useState(false);
  const copy = async (event) => {
    const area = event.currentTarget.previousElementSibling;
    area.select();
    await navigator.clipboard?.writeText(text).then(() => { setDone(true); copied(); }, () => {});
  };
  return html`<div class="copy"><textarea readonly wrap=${rows > 1 ? "off" : null} rows=${rows} aria-label=${label}
    spellcheck="false" value=${text} onCopy=${copied}
      onFocus=${(event) => event.target.select()}></textarea>
    <button onClick=${copy}>${t(done ? "copied" : "copy")}</button></div>`;
}
