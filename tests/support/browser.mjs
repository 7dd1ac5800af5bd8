// What a module of the console finds in a browser, as far as its rules need it: `node --import ./browser.mjs`.
import { readFile } from "node:fs/promises";
import { registerHooks } from "node:module";

const libraries = JSON.parse(process.env.CONSOLE_LIBRARIES);
registerHooks({ resolve: (name, context, next) => next(libraries[name] ?? name, context) });

/** What the page says of the service, by the names of its meta elements. */
const said = JSON.parse(process.env.CONSOLE_SAID);
const page = new EventTarget();
const kept = new Map();
/** Return where the words lie as the service serves them, in a folder a language: de/admin.json. */
const wordsAt = (url) => `${process.env.CONSOLE_WORDS}/${url.match(/\w+\/\w+\.json$/)[0]}`;
Object.assign(globalThis, {
  addEventListener: page.addEventListener.bind(page),
  dispatchEvent: page.dispatchEvent.bind(page),
  document: {
    documentElement: { dataset: {} },
    querySelector: (asked) => ({ content: said[asked.match(/^meta\[name=([\w-]+)\]$/)?.[1]] }),
  },
  fetch: async (url) => new Response(await readFile(wordsAt(url))),
  localStorage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) },
  location: { hash: "" },
});
