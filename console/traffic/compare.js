// What may be said beside an amount, and what a bar leads to.

/**
 * Return by how many per cent an amount grew; null if the earlier time had nothing, or the book began in it.
 * `begun`: the first day of the book.
 */
export function growth(now, earlier, { first }, begun) {
  if (!earlier || !begun || begun > first) return null;
  return Math.round((now / earlier - 1) * 100);
}

/** Say whether the book began within a time that ends behind `end`. */
export const beganWithin = ({ first, end }, begun) => Boolean(begun) && begun > first && begun < end;

/** Return the visits of a bar, as the place of another page: [page, query]. */
export function behind(by, bucket, split, value, staff) {
  if (by === "week" || by === "month") return ["traffic", { span: by, at: by === "month" ? `${bucket}-01` : bucket }];
  const part = { camera: { camera: value }, group: { group: value } }[split] ?? {};
  const kind = split === "visit" && value === "new" ? { only: "first" } : {};
  return ["visits", { day: bucket.slice(0, 10), hour: bucket.slice(11, 13), staff, ...part, ...kind }];
}
