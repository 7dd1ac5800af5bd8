// What is asked for again and again: by one tab of several, the one that was looked at last. The others hear of it.
import { useEffect, useState } from "preact/hooks";
import { get } from "../api.js";
import { session } from "../store.js";

const LATEST_MS = 60_000;
const UNSEEN_MS = 15_000;

/** Ask again every while, as long as the page is seen, for what was loaded otherwise. */
export function useAgain({ again }, everyMs = UNSEEN_MS) {
  useEffect(() => {
    const timer = setInterval(() => document.hidden || again(), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
}

/**
 * Ask while the page is seen, ever less often while it fails. `isUnseen`: seldom, too, while the tab is hidden.
 * `heard`: another tab asked. `book`: another than the
 * page's.
 * @template {string} Path
 * @param {Path} path
 * @param {import("v1").Query<"get", Path>} query
 * @param {number} everyMs
 * @param {{ isUnseen?: boolean, pause?: boolean, book?: string }} [options]
 * @returns {[{ value?: import("v1").Answer<"get", Path>, problem?: any, heard?: boolean }, (next: any) => void]}
 */
export function usePolled(path, query, everyMs, { isUnseen = false, pause = false, book } = {}) {
  const [state, setState] = useState(/** @type {{ value?: any, problem?: any, heard?: boolean }} */ ({}));
  const name = JSON.stringify([book ?? session.now?.book, session.now?.key, path, query]);
  useEffect(() => {
    const channel = new BroadcastChannel(name);
    let last, wait = everyMs;
    const take = (next) => setState((before) =>
      (before.value === next.value && !before.problem && !next.problem ? before
        : { ...before, problem: undefined, ...next }));
    channel.onmessage = ({ data }) => { if (!pause) take({ ...data, heard: true }); };
    const tell = (next) => {
      take({ ...next, heard: false });
      channel.postMessage(next);
    };
    const work = (signal) => new Promise((/** @type {(value?: any) => void} */ done) => {
      let timer;
      const ask = async () => {
        clearTimeout(timer);
        try {
          const value = await get(path, query, { signal, book });
          if (signal.aborted) return;
          wait = everyMs;
          if (value === last) take({ value });
          else tell({ value: last = value });
        } catch (problem) {
          if (signal.aborted) return;
          wait = Math.min(wait * 2, LATEST_MS);
          last = undefined;
          tell({ problem: { ...problem } });
        }
        if (!pause) timer = setTimeout(ask, document.hidden ? Math.max(wait, UNSEEN_MS) : wait);
      };
      const end = () => { clearTimeout(timer); removeEventListener("online", ask); done(); };
      if (signal.aborted || (document.hidden && !isUnseen)) return end();
      signal.addEventListener("abort", end);
      addEventListener("online", ask);
      ask();
    });
    const stop = lead(name, work);
    return () => { stop(); channel.close(); };
  }, [name, pause]);
  return [state, setState];
}

/** Have one tab do some work until its signal is aborted: the tab that was looked at last. Return what ends it here. */
function lead(name, work) {
  let now = null;
  const run = (steal) => {
    now?.abort();
    const mine = (now = new AbortController());
    const does = () => work(mine.signal);
    if (!navigator.locks) return does(); // without https each tab works for itself
    navigator.locks.request(name, steal ? { steal } : { signal: mine.signal }, does)
      .catch(() => { if (now === mine) run(false); }); // another tab took it: wait until that one is gone
  };
  const seen = () => run(!document.hidden);
  document.addEventListener("visibilitychange", seen);
  seen();
  return () => {
    document.removeEventListener("visibilitychange", seen);
    now.abort();
    now = null;
  };
}
