// What figures are split by, in words.
import { cameraName } from "../shared/known.js";
import { groupName } from "../shared/parts.js";
import { t, tOr } from "../words.js";

/** Say what a split is called. */
export const nameOfSplit = (split) => (split.startsWith("labels.")
  ? t("label", { name: split.slice(7).toUpperCase() }) : t(`traffic.split.${split}`));

/** Say what a value of a split is called. */
export function nameOfValue(split, value, cameras) {
  if (value === "" || value === "unknown") return t("traffic.unknown");
  if (split === "age") return t("traffic.age", { first: value, last: Number(value) + 9 });
  if (split === "camera") return cameraName(cameras, value);
  if (split === "group") return groupName(value);
  if (["visit", "stay", "again", "entry"].includes(split)) return t(`traffic.${split}.${value}`);
  return split === "gender" ? tOr(`gender.${value}`, value) : value;
}
