// The start: words, session, and then the frame with its page, or the sign-in.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { forget, get, Problem, send, whenSessionIsOver } from "./api.js";
import { Frame } from "./frame.js";
import { html } from "./html.js";
import { replace } from "./router.js";
import { SignIn } from "./signin.js";
import { language, session, showBlur, showTheme, useValue } from "./store.js";
import { load, spoken } from "./words.js";

function Console({ problem: first }) {
  const known = useValue(session);
  const words = useValue(spoken);
  const [problem, setProblem] = useState(first);
  useEffect(() => language.listen(load), []);
  const enter = (begun) => {
    setProblem(null);
    session.set(begun);
  };
  return known ? html`<${Frame} key=${words} />` : html`<${SignIn} key=${words} problem=${problem} enter=${enter} />`;
}

/** Sign in by the code of the link, or find out who is signed in. */
async function begun() {
  const code = /^#code=([\w-]+)$/.exec(location.hash)?.[1];
  if (!code) return get("session");
  replace("visits");
  return send("POST", "session", { code });
}

showTheme();
showBlur();
whenSessionIsOver(() => {
  forget();
  session.set(null);
});
const byLink = location.hash.startsWith("#code=");
const [, found] = await Promise.all([load(), begun().catch((problem) => problem)]);
const isProblem = found instanceof Problem;
if (!isProblem) session.set(found);
const isNews = isProblem && (byLink || found.status !== 401);
render(html`<${Console} problem=${isNews ? found : null} />`, document.getElementById("console"));
