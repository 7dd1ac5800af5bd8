// Sign in with a key. The link of `regulars serve` or `regulars console` needs no typing at all.
import { useRef, useState } from "preact/hooks";
import { send } from "./api.js";
import { html } from "./html.js";
import { Trouble } from "./shared/parts.js";
import { t } from "./words.js";

const LOCAL = ["localhost", "127.0.0.1", "[::1]"];

export function SignIn({ problem: first, enter }) {
  const [problem, setProblem] = useState(first);
  const [waits, setWaits] = useState(false);
  const ref = useRef();
  const submit = async (event) => {
    event.preventDefault();
    setWaits(true);
    try {
      enter(await send("POST", "session", { api_key: ref.current.value.trim() }));
    } catch (failed) {
      setProblem(failed);
      setWaits(false);
      ref.current.select();
    }
  };
  const open = location.protocol === "http:" && !LOCAL.includes(location.hostname);
  return html`<main class="signin">
    <form onSubmit=${submit}>
      <h1><span class="mark" aria-hidden="true"></span>Regulars</h1>
      <p class="soft">${t("signin.what")}</p>
      ${problem && html`<${Trouble} problem=${problem} />`}
      <label>${t("signin.key")}
        <input ref=${ref} type="password" autocomplete="current-password" required maxlength="100" placeholder="rk_…" autofocus spellcheck="false" />
      </label>
      <button class="strong" disabled=${waits}>${t("signin")}</button>
      <p class="soft small">${t("signin.where")} <code>regulars console --tenant NAME</code></p>
      ${open && html`<p class="notice small">${t("signin.open")}</p>`}
    </form>
  </main>`;
}
