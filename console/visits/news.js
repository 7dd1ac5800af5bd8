// Who comes while the page is open: told aloud, in the tab's title, and to screen readers.
import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../html.js";
import { nameOf } from "../shared/parts.js";
import { which } from "./day.js";

/** Call `tell` with the visits that begin while the page is open. Who is somebody came before, by a name. */
export function useNews(visits, tell) {
  const known = useRef();
  const since = useRef("");
  useEffect(() => {
    if (!visits) return;
    const isFirst = !known.current;
    known.current ??= new Set();
    if (isFirst) since.current = visits[0]?.first ?? "";
    const isNew = ({ sighting, first, name }) => name !== null && first > since.current && !known.current.has(sighting);
    const news = visits.filter(isNew);
    for (const one of visits) known.current.add(one.sighting);
    if (!isFirst && news.length) tell(news);
  }, [visits]);
}

/** Count in the tab's title who came while it was hidden. */
export function useTitle() {
  const missed = useRef(0);
  useEffect(() => {
    const seen = () => { if (!document.hidden) { missed.current = 0; document.title = plain(document.title); } };
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, []);
  return (count) => {
    if (!document.hidden) return;
    missed.current += count;
    document.title = `(${missed.current}) ${plain(document.title)}`;
  };
}

const plain = (title) => title.replace(/^\(\d+\) /, "");

/** Tells screen readers who came, as long as the list has them. */
export function LiveRegion({ rows }) {
  const [news, setNews] = useState([]);
  useNews(rows, (came) => setNews(came.slice(0, 3)));
  const listed = news.filter((one) => rows?.some((row) => row.sighting === one.sighting));
  const text = listed.map((one) => [nameOf(one), which(one)].filter(Boolean).join(", ")).join("; ");
  return html`<p class="unseen" aria-live="polite">${text}</p>`;
}
