// Which files are pictures.
const NAMED = /\.(jpe?g|png|bmp|webp|hei[cf])$/i;

export const isPicture = (file) => file.type.startsWith("image/") || NAMED.test(file.name);

/** Return the pictures that somebody chose: pairs of a path and a file. */
export const picturesOf = (files) =>
  [...files].filter(isPicture).map((file) => [file.webkitRelativePath || file.name, file]);
