// The start. The service may refuse a file for a moment, so it is asked for until it comes, and the page says so.
(() => {
  const FIRST_MS = 500;
  const LATEST_MS = 15_000;
  const { main } = document.currentScript.dataset;
  const said = (language) => document.querySelector(`.waits-for-files[lang=${language}]`);
  const waits = () => /** @type {HTMLElement} */ (said(navigator.language.slice(0, 2)) ?? said("en"));
  const isAnswered = (url) => fetch(url).then(({ ok }) => ok, () => false);

  /** Ask for a file that was refused until it comes. */
  async function fetched(url) {
    waits().hidden = false;
    let wait = FIRST_MS;
    do {
      await new Promise((go) => { setTimeout(go, wait * (0.5 + Math.random() / 2)); });
      wait = Math.min(2 * wait, LATEST_MS);
    } while (!(await isAnswered(url)));
  }

  addEventListener("error", ({ target: link }) => {
    if (link instanceof HTMLLinkElement && link.id === "style") {
      fetched(link.href).then(() => link.replaceWith(link.cloneNode()));
    }
  }, { capture: true });
  // A page never asks again for a module that was refused.
  document.head.append(Object.assign(document.createElement("link"), {
    rel: "modulepreload", href: main,
    onload: () => import(main).then(() => { waits().hidden = true; }),
    onerror: () => fetched(main).then(() => location.reload()),
  }));
})();
