// Who is listed: the ids of all of them, what is known of those in sight, and who of them is chosen.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../api.js";
import { useLoaded } from "../shared/parts.js";
import { isMeant, spellOtherwise } from "../shared/spellings.js";
import { useValue } from "../store.js";
import { complain } from "../undo.js";
import { AT_ONCE, gone } from "./many.js";

/** Choices beside the groups. No group's name begins with a space. */
export const KNOWN = "";
export const ALL = "*";
export const HIDDEN = " ";
export const ORDERS = {
  lately: ["arrived", true], name: ["name", false], most: ["visits", true], newest: ["enrolled", true],
  away: ["arrived", false], oldest: ["enrolled", false],
};
const SETTLED_MS = 60;

/** Read the ids of a group, or all of a name, so that "select all" is all. */
async function read(group, name, sort, signal) {
  const [order, desc] = ORDERS[sort];
  const isHidden = group === HIDDEN;
  const shown = isHidden ? { hidden: true } : { listed: true };
  const wanted = group === KNOWN ? { known: true } : { group: [ALL, HIDDEN].includes(group) ? "" : group };
  if (!name) return (await get("face-ids", { ...wanted, ...shown, order, desc }, { signal })).ids;
  const listed = !isHidden;
  const found = [];
  for (let token; token !== null;) {
    const page = await get("faces", { name, listed, limit: AT_ONCE, token }, { signal });
    found.push(...page.faces);
    token = page.next_token;
  }
  const other = spellOtherwise(name);
  const spelt = other ? (await get("faces", { name: other, listed, limit: AT_ONCE }, { signal })).faces : [];
  found.push(...spelt.filter((face) => isMeant(face.name, name)));
  const isOf = (face) => (isHidden ? face.hidden : [KNOWN, ALL, face.group].includes(group));
  return [...new Set(found.filter(isOf).map((face) => face.id))];
}

/** The ids that are listed: those that are deleted, or will be, are not. */
export function useListed(group, name, sort) {
  const loaded = useLoaded((signal) => read(group, name, sort, signal), [group, name, sort]);
  const hidden = useValue(gone);
  const ids = useMemo(() => loaded.value?.filter((id) => !hidden.has(id)), [loaded.value, hidden]);
  return { ...loaded, ids };
}

/** What is known of faces. `inSight`: asks for those who came in sight, once it stands still; `forget`: asks anew. */
export function useDetails(ids) {
  const [details, setDetails] = useState(new Map());
  const asked = useRef(new Set());
  const timer = useRef();
  const load = async (missing) => {
    missing.forEach((id) => asked.current.add(id));
    try {
      const { faces } = await get("faces", { ids: missing, limit: AT_ONCE });
      setDetails((before) => new Map([...before, ...faces.map((face) => /** @type {const} */ ([face.id, face]))]));
    } catch (problem) {
      missing.forEach((id) => asked.current.delete(id));
      complain(problem);
    }
  };
  const inSight = useCallback((first, last) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      const missing = ids.slice(first, last).filter((id) => !asked.current.has(id)).slice(0, AT_ONCE);
      if (missing.length) load(missing);
    }, details.size ? SETTLED_MS : 0);
  }, [ids, details]);
  const forget = () => { asked.current = new Set(); setDetails(new Map()); };
  return { details, inSight, forget };
}

/** Who is chosen: one by one, or all from the one that was chosen before. Another list has nobody chosen. */
export function useChosen(ids, listed) {
  const [chosen, setChosen] = useState(new Set());
  const anchor = useRef(0);
  useEffect(() => setChosen(new Set()), listed);
  const from = (index) => { anchor.current = index; };
  const choose = (index, range) => setChosen((before) => {
    const next = new Set(before);
    const [low, high] = [Math.min(anchor.current, index), Math.max(anchor.current, index)];
    if (range) ids.slice(low, high + 1).forEach((id) => next.add(id));
    else if (!next.delete(ids[index])) next.add(ids[index]);
    if (!range) from(index);
    return next;
  });
  return { chosen, setChosen, choose, from };
}
