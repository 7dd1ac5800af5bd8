// The shops of one owner, of those that this browser is signed in to: papers for a person name them.
import { get } from "../api.js";
import { bookOf, session } from "../store.js";

/** Return what the other shops are called that have the controller of this one, if that is set. */
export async function sisters(book = session.now?.book) {
  const { books } = await get("session", {}, { book });
  if (books.length < 2) return [];
  const read = (one) => Promise.all([get("session", {}, { book: one }), get("settings", {}, { book: one })]);
  const all = (await Promise.all(books.map((one) => read(one).catch(() => null)))).filter(Boolean);
  const controllerOf = ([, settings]) => settings.controller.trim().toLowerCase();
  const isOwn = ([known]) => bookOf(known) === book.split(".")[0];
  const own = all.find(isOwn);
  if (!own || !controllerOf(own)) return [];
  const others = all.filter((one) => !isOwn(one) && controllerOf(one) === controllerOf(own));
  return others.map(([known]) => known.display_name);
}
