// The start, which stands in the page itself. The service may refuse a file for a moment: a new account on AWS answers
// ten requests at once. So what the page begins with is asked for until it comes, and the page says that it waits.
(() => {
  const FIRST_MS = 500;
  const LATEST_MS = 15_000;
  const { main } = document.currentScript.dataset;
  const said = (language) => document.querySelector(`.waits-for-files[lang=${language}]`);
  const waits = () => /** @type {HTMLElement} */ (said(navigator.language.slice(0, 2)) ?? said("en"));
  const isAnswered = (url) => fetch(url).then(({ ok }) => ok, () => false);

  /** Ask for a file until it is answered. The browser then has it for good. */
  async function fetched(url) {
    for (let wait = FIRST_MS; !(await isAnswered(url)); wait = Math.min(2 * wait, LATEST_MS)) {
      waits().hidden = false;
      await new Promise((go) => { setTimeout(go, wait * (0.5 + Math.random() / 2)); });
    }
  }

  addEventListener("error", ({ target: link }) => {
    if (link instanceof HTMLLinkElement && link.id === "style") {
      fetched(link.href).then(() => link.replaceWith(link.cloneNode()));
    }
  }, { capture: true });
  fetched(main).then(() => import(main)).then(() => { waits().hidden = true; });
})();
