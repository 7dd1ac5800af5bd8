// Forms: each field says below itself, in the reader's language, why what was typed is refused. It stays as it is.
import { createContext } from "preact";
import { useContext, useId, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { day, explain, number, t } from "../words.js";
import { Trouble } from "./parts.js";

/** What a browser finds wrong, the worst first: a field that holds no number is empty to it, too. */
const FLAWS = ["badInput", "valueMissing", "typeMismatch", "patternMismatch", "tooShort", "rangeUnderflow",
  "rangeOverflow", "stepMismatch"];

const Refused = createContext(/** @type {Record<string, string>} */ ({}));

/** Return the problem of a picture whose face the service finds unfit. `detail`: its sentence. */
export const unusable = (detail) => ({ status: 422, code: "Unusable", detail });

/** Write the least or the most that a field takes. */
function bound(type, value) {
  if (type === "date") return day(`${value}T12:00Z`);
  return type === "number" ? number(Number(value), value.split(".")[1]?.length) : value.replace("T", " ");
}

/** Say why a field's text can not be sent; "" if it can. */
export function whyUnfit({ validity, type, min, max, minLength }) {
  const flaw = FLAWS.find((one) => validity?.[one]);
  if (!flaw) return "";
  return t(`unfit.${flaw}`, { least: min && bound(type, min), most: max && bound(type, max), count: minLength });
}

/** Find the field of a form that a problem is about, by the last of its names: "channel.url" is "url". */
const fieldOf = (form, { field = "" }) => form.elements[field.split(".").at(-1).split("[")[0]]?.name;

/** A form. `send`: is given what was typed by the names of its fields; `done` gets the answer; else it says why not. */
export function Form({ send, done = null, children, ...more }) {
  const [problem, setProblem] = useState(null);
  const [refused, setRefused] = useState({});
  const waits = useRef(false);
  const submit = (event) => {
    event.preventDefault();
    if (waits.current) return; // pressed twice
    const form = event.currentTarget;
    const refuse = (by, problem = null) => {
      setRefused(by);
      setProblem(problem);
      form.elements[Object.keys(by)[0]]?.focus();
    };
    const unfit = [...form.elements].filter((one) => one.name && whyUnfit(one));
    if (unfit.length) return refuse(Object.fromEntries(unfit.map((one) => [one.name, whyUnfit(one)])));
    waits.current = true;
    const typed = Object.fromEntries(new FormData(form));
    Promise.resolve(typed).then(send).finally(() => { waits.current = false; }).then(
      (answer) => { refuse({}); done?.(answer); },
      (failed) => (fieldOf(form, failed) ? refuse({ [fieldOf(form, failed)]: explain(failed) }) : refuse({}, failed)));
  };
  return html`<form noValidate ...${more} onSubmit=${submit}>
    ${problem && html`<${Trouble} problem=${problem} />`}
    <${Refused.Provider} value=${refused}>${children}<//></form>`;
}

/** What a field needs that says why it is refused: its attributes, and the text. */
export function useRefused(why) {
  const id = `${useId()}-why`;
  const marks = why ? { "aria-invalid": "true", "aria-describedby": id } : {};
  return { marks, says: why && html`<small id=${id} class="danger" role="alert">${why}</small>` };
}

/** A field with its name. `as`: what it is, if no input; `why`: why it is refused, if its form does not say so. */
export function Field({ label, as = "input", why = "", children = null, ...more }) {
  const refused = useContext(Refused)[more.name];
  const { marks, says } = useRefused(why || refused);
  const named = says ? { "aria-label": label } : {}; // else its name would end in why it is refused
  return html`<label>${label}<${as} ...${more} ...${named} ...${marks}>${children}<//>${says}</label>`;
}
