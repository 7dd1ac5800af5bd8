// The start: words, session, and then the frame with its page, or the sign-in.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { forget, get, Problem, send, whenSessionIsOver } from "./api.js";
import { Frame } from "./frame.js";
import { html } from "./html.js";
import { forgetPlaces } from "./kept.js";
import { placeShop, replace, toShop } from "./router.js";
import { bookOf, hasSeveral, inAddress, language, session, showBlur, shownHere, showTheme, useValue, Value }
  from "./store.js";
import { dressed } from "./styled.js";
import { loaded, renew } from "./renewal.js";
import { complain } from "./undo.js";
import { isLater, sendLeft, untilAnswered } from "./unsent.js";
import { load, spoken } from "./words.js";

/** The session that has ended while its page is open, and what is told once somebody signs in again. */
/** @type {Value<{ known: any, isOther: boolean, done: (isBack: boolean) => void, told: Promise<boolean> }>} */
const over = new Value(null);
let isLeft = false;

const signing = (module) => loaded(() => Promise.all([module(), dressed("shared"), dressed("signin")]));
const signIn = () => signing(() => import("./signin/signin.js")).then(([{ SignIn, Over }]) => ({ SignIn, Over }));
const allShops = () => loaded(() => Promise.all([import("./shops/shops.js"), dressed("shops")]))
  .then(([{ Shops }]) => ({ Shops }));
const own = () => signing(() => import("./signin/own.js")).then(([{ Own }]) => ({ Own }));

/** Have the page loaded again if it is of an earlier version; else say so. */
const orRenew = (problem) => renew(problem) || complain(problem);

/** Components that are loaded when they are needed: nothing until then. */
function useLazy(wanted, load) {
  const [loaded, setLoaded] = useState(/** @type {any} */ ({}));
  useEffect(() => { if (wanted) load().then(setLoaded, orRenew); }, [wanted]);
  return wanted ? loaded : {};
}

/** Return the session with which a page goes on once somebody signed in: its own shop's, if that is among them. */
function ofThisPage(begun) {
  const meant = bookOf(session.now) ?? inAddress;
  const isThere = meant !== bookOf(begun) && begun.books.includes(meant);
  return isThere ? get("session", {}, { book: meant }) : Promise.resolve(begun);
}

function Console({ problem: first, invitation: link, isNew: byCode, shops: several }) {
  const known = useValue(session);
  const words = useValue(spoken);
  const ended = useValue(over);
  const [problem, setProblem] = useState(first);
  const [invitation, setInvitation] = useState(link);
  const [isNew, setIsNew] = useState(byCode);
  const [shops, setShops] = useState(several);
  const { Shops } = useLazy(Boolean(shops), allShops);
  const { SignIn, Over } = useLazy((!known && !shops) || Boolean(invitation) || Boolean(ended), signIn);
  const asks = isNew && known?.role === "admin" && !known.member;
  const { Own } = useLazy(asks, own);
  useEffect(() => language.listen(load), []);
  useEffect(() => {
    if (!first || !isLater(first)) return;
    untilAnswered(() => get("session"))
      .then((begun) => { if (!session.now) goOn(begun); }, () => setProblem(null)); // somebody may sign in meanwhile
  }, []);
  const enter = async (begun) => {
    const isAll = !known && !invitation && !inAddress && begun.books.length > 1;
    const now = isAll || invitation ? begun : await ofThisPage(begun);
    setProblem(null);
    setInvitation(null);
    setIsNew(!known && !begun.member);
    isLeft = false;
    if (isAll) {
      shownHere.set("");
      return setShops(begun.books);
    }
    if (known && known.book !== now.book) return location.assign(toShop(bookOf(now)));
    goOn(now);
    ended?.done(true);
  };
  if (shops) return Shops && html`<${Shops} key=${words} books=${shops} add=${() => setShops(null)} />`;
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
  shownHere.set(bookOf(begun));
  if (hasSeveral()) placeShop(bookOf(begun));
  sendLeft();
}

const isReload = performance.getEntriesByType("navigation").some((one) => "type" in one && one.type === "reload");
const isOfThisTab = (found) => isReload && !inAddress && bookOf(found) === shownHere.now;

/** Return the session of the shop that this tab showed before another tab signed in to more. */
function ofThisTab(found) {
  const wanted = isReload && !inAddress && !isOfThisTab(found) && found.books.includes(shownHere.now);
  return wanted ? get("session", {}, { book: shownHere.now }) : found;
}

/** Sign in by the code of the link, or find out who is signed in. */
async function begun() {
  const code = /^#code=([\w-]+)$/.exec(location.hash)?.[1];
  if (!code) return ofThisTab(await get("session"));
  replace("visits");
  return send("POST", "session", { code });
}

showTheme();
showBlur();
whenSessionIsOver(signedOut);
session.listen((known) => {
  if (known) return;
  forget();
  forgetPlaces();
});
const byLink = location.hash.startsWith("#code=");
const invitation = /^#invitation=([\w.-]+)$/.exec(location.hash)?.[1];
if (invitation) replace("visits");
const [, found] = await Promise.all([untilAnswered(load), begun().catch((problem) => problem)]);
const isProblem = found instanceof Problem;
const isAll = !isProblem && !byLink && !invitation && !inAddress && found.books.length > 1 && !isOfThisTab(found);
if (isAll) shownHere.set("");
else if (!isProblem) goOn(found);
const isNews = isProblem && (byLink || found.status !== 401);
render(html`<${Console} problem=${isNews ? found : null} invitation=${invitation} isNew=${byLink}
    shops=${isAll ? found.books : null} />`,
  document.getElementById("console"));
