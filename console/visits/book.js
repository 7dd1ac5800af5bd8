// The visits of a day: the newest are asked for again and again while it is today, the others as somebody scrolls.
import { useEffect, useRef, useState } from "preact/hooks";
import { get } from "../api.js";
import { usePolled } from "../shared/polled.js";
import { extended, held, joined, question } from "./day.js";

const EVERY_MS = 2000;
const PAGE = 50;
const TOTALS_MS = 10_000;
const SCROLLED_PX = 240;

/** Return what lists the visits that were chosen. */
const listing = (chosen) => ({ ...question(chosen), group: chosen.group, only: chosen.only });

/** A day's visits as they are known. Use it in a component with the choice as its key. */
export function useVisits(chosen) {
  const pause = !chosen.isToday;
  const [came] = usePolled("arrivals", { ...listing(chosen), limit: PAGE }, EVERY_MS, { pause, isUnseen: true });
  const [known, setKnown] = useState(/** @type {{ rows: any[], token?: string | null }} */ ({ rows: [] }));
  const [problem, setProblem] = useState(null);
  const isAsked = useRef(false);
  useEffect(() => { if (came.value) setKnown((before) => joined(before, came.value)); }, [came.value]);
  const more = async () => {
    const { token } = known;
    if (!token || isAsked.current) return;
    isAsked.current = true;
    setProblem(null);
    try {
      const page = await get("arrivals", { ...listing(chosen), limit: PAGE, token });
      setKnown((before) => (before.token === token ? extended(before, page) : before));
    } catch (failure) {
      setProblem(failure);
    } finally {
      isAsked.current = false;
    }
  };
  const change = (patch) => setKnown((before) => ({ ...before, rows: patch(before.rows) }));
  return { ...known, more, change, newest: came.value?.arrivals, heard: came.heard, problem: came.problem ?? problem,
    waits: known.token === undefined && !came.problem };
}

/** The totals of a day, whatever part of it is listed. */
export function useTotals(chosen) {
  const query = { ...question(chosen), limit: 1, totals: true };
  const [found] = usePolled("arrivals", query, TOTALS_MS, { pause: !chosen.isToday });
  return found.value?.totals;
}

/** Hold back who comes while somebody reads further down. */
export function useHeld(rows) {
  const [top, setTop] = useState(null);
  const newest = useRef(null);
  newest.current = rows[0]?.sighting ?? null;
  useEffect(() => {
    const scrolled = () => setTop((before) => (scrollY > SCROLLED_PX ? before ?? newest.current : null));
    addEventListener("scroll", scrolled, { passive: true });
    return () => removeEventListener("scroll", scrolled);
  }, []);
  return held(rows, top);
}
