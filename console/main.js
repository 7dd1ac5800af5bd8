// The start: words, session, and then the frame with its page, or the sign-in.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { forget, get, Problem, send, whenSessionIsOver } from "./api.js";
import { Frame } from "./frame.js";
import { html } from "./html.js";
import { replace } from "./router.js";
import { language, session, showBlur, showTheme, useValue, Value } from "./store.js";
import { dressed } from "./styled.js";
import { isLater, sendLeft, untilAnswered } from "./unsent.js";
import { load, spoken } from "./words.js";

/** The session that has ended while its page is open, and what is told once somebody signs in again. */
/** @type {Value<{ known: any, isOther: boolean, done: (isBack: boolean) => void, told: Promise<boolean> }>} */
const over = new Value(null);
let isLeft = false;

const signing = (module) => untilAnswered(() => Promise.all([module(), dressed("signin")]));
const signIn = () => signing(() => import("./signin/signin.js")).then(([{ SignIn, Over }]) => ({ SignIn, Over }));
const own = () => signing(() => import("./signin/own.js")).then(([{ Own }]) => ({ Own }));

/** Components that are loaded when they are needed: nothing until then. */
function useLazy(wanted, load) {
  const [loaded, setLoaded] = useState(/** @type {any} */ ({}));
  useEffect(() => { if (wanted) load().then(setLoaded); }, [wanted]);
  return wanted ? loaded : {};
}

function Console({ problem: first, invitation: link, isNew: byCode }) {
  const known = useValue(session);
  const words = useValue(spoken);
  const ended = useValue(over);
  const [problem, setProblem] = useState(first);
  const [invitation, setInvitation] = useState(link);
  const [isNew, setIsNew] = useState(byCode);
  const { SignIn, Over } = useLazy(!known || Boolean(invitation) || Boolean(ended), signIn);
  const asks = isNew && known?.role === "admin" && !known.member;
  const { Own } = useLazy(asks, own);
  useEffect(() => language.listen(load), []);
  useEffect(() => {
    if (!first || !isLater(first)) return;
    untilAnswered(() => get("session"))
      .then((begun) => { if (!session.now) goOn(begun); }, () => setProblem(null)); // somebody may sign in meanwhile
  }, []);
  const enter = (begun) => {
    setProblem(null);
    setInvitation(null);
    setIsNew(!known && !begun.member);
    isLeft = false;
    if (ended && ended.known.book !== begun.book) return location.reload();
    goOn(begun);
    ended?.done(true);
  };
  if (!known || invitation) {
    return SignIn && html`<${SignIn} key=${words} problem=${problem} invitation=${invitation} enter=${enter} />`;
  }
  return html`<${Frame} key=${words} />
    ${Own && html`<${Own} enter=${enter} close=${() => setIsNew(false)} />`}
    ${ended && Over && html`<${Over} ...${ended} enter=${enter} close=${() => ended.done(false)} />`}`;
}

/**
 * Ask over the page to sign in again; what waits for it goes on then. Who closes that is asked at the next change.
 * `isOther`: the browser is signed in to another book than the page shows.
 */
function signedOut(method, isOther) {
  if (!session.now || (isLeft && method === "GET")) return Promise.resolve(false);
  if (!over.now) {
    let done;
    const told = new Promise((tell) => { done = tell; });
    told.then((isBack) => { isLeft = !isBack; over.set(null); });
    over.set({ known: session.now, isOther, done, told });
  }
  return over.now.told;
}

/** Show the book to who is signed in, and send what an earlier page could not. */
function goOn(begun) {
  session.set(begun);
  sendLeft();
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
whenSessionIsOver(signedOut);
session.listen((known) => { if (!known) forget(); });
const byLink = location.hash.startsWith("#code=");
const invitation = /^#invitation=([\w.-]+)$/.exec(location.hash)?.[1];
if (invitation) replace("visits");
const [, found] = await Promise.all([untilAnswered(load), begun().catch((problem) => problem)]);
const isProblem = found instanceof Problem;
if (!isProblem) goOn(found);
const isNews = isProblem && (byLink || found.status !== 401);
render(html`<${Console} problem=${isNews ? found : null} invitation=${invitation} isNew=${byLink} />`,
  document.getElementById("console"));
