// Age and gender as they were set, else as they are estimated, which is said; then what the group notes, and labels.
import { useKept } from "../kept.js";
import { html } from "../html.js";
import { Line } from "../shared/line.js";
import { Select } from "../shared/parts.js";
import { PERSON_TEXTS } from "../store.js";
import { t } from "../words.js";

const LABELS = ["a", "b", "c", "d"];

export function titled(name) {
  if (LABELS.includes(name)) return t("label", { name: name.toUpperCase() });
  if (name in PERSON_TEXTS) return t(`person.${name}`);
  return { name: t("person.name"), note: t("person.note"), age: t("age"), gender: t("gender"),
    hidden: t("person.hidden"), portrait: t("visits.portrait") }[name] ?? name;
}

const row = (name, content) => html`<div key=${name}><dt>${titled(name)}</dt><dd>${content}</dd></div>`;
const estimated = () => html`<small class="soft"> ${t("estimated")}</small>`;
const gendered = (one) => (["male", "female"].includes(one) ? t(`gender.${one}`) : "–");

/** `noted`: what the group notes; `set(name, was)`: returns what saves a value. */
export function Facts({ face, noted, set, operator }) {
  const [open, setOpen] = useKept("labels", false);
  const names = [...new Set([...noted, ...Object.keys(face.attributes)])];
  const lines = names.map((name) => ["attributes", name, face.attributes[name] ?? "", 50]);
  const texts = Object.entries(PERSON_TEXTS).map(([name, max]) => [name, name, face[name] ?? "", max]);
  const labels = LABELS.filter((name) => open || face.labels[name])
    .map((name) => ["labels", name, face.labels[name], 100]);
  /** @param {any[]} one */
  const line = ([kind, name, value, max]) => (operator || value) && row(name, html`<${Line} value=${value}
    label=${titled(name)} placeholder="–" max=${max} disabled=${!operator}
    save=${kind === name ? set(name) : (text) => set(kind, { [name]: value })({ [name]: text })} />`);
  const isMore = operator && !open && labels.length < LABELS.length;
  return html`${(operator || face.age != null) && html`<${Age} face=${face} set=${set} operator=${operator} />`}
    ${(operator || gendered(face.gender) !== "–") && html`<${Gender} face=${face} set=${set} operator=${operator} />`}
    ${[...texts, ...lines, ...labels].map(line)}
    ${isMore && html`<div><dt></dt><dd><button class="plain small" onClick=${() => setOpen(true)}>
      ${t("person.label.add")}</button></dd></div>`}`;
}

function Age({ face, set, operator }) {
  const guess = face.estimates.age;
  const isGuess = guess != null && Math.round(guess.value) === face.age;
  const read = (text) => (text === "" ? null : /^\d+$/.test(text) ? Number(text) : text);
  return row("age", html`<${Line} value=${face.age == null ? "" : String(face.age)} label=${t("age")} placeholder="–"
    inputmode="numeric" max=${3} save=${(text) => set("age", isGuess ? null : face.age)(read(text))}
    disabled=${!operator} />${isGuess && estimated()}`);
}

function Gender({ face, set, operator }) {
  const guess = face.estimates.gender;
  const isGuess = face.gender === (guess?.value ?? "unknown");
  const save = (value) => set("gender", isGuess ? null : face.gender)(value || null).catch(() => {});
  const unset = guess ? t("gender.estimated", { value: gendered(guess.value) }) : "–";
  const choice = () => html`<${Select} class="line" label=${t("gender")} value=${isGuess ? "" : face.gender} set=${save}
    options=${[["", unset], ...["female", "male"].map((one) => [one, gendered(one)])]} />`;
  return row("gender", operator ? choice() : html`${gendered(face.gender)}${isGuess && estimated()}`);
}
