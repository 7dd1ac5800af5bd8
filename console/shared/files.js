// Which files are pictures.
const NAMED = /\.(jpe?g|png|bmp|webp|hei[cf])$/i;

export const isPicture = (file) => file.type.startsWith("image/") || NAMED.test(file.name);

// What systems leave in a folder, as in regulars/transfer/clutter.py: nobody put it there.
const CLUTTER = new Set(["#recycle", "#snapshot", "$recycle.bin", "@eadir", "@recently-snapshot", "@recycle",
  "__macosx", "desktop.ini", "ehthumbs.db", "lost+found", "system volume information", "thumbnails", "thumbs",
  "thumbs.db"]);

export const isClutter = (name) => name.startsWith(".") || CLUTTER.has(name.toLowerCase());

// Who chose a folder meant it, whatever its name.
const belowChosen = (file) => (file.webkitRelativePath ? file.webkitRelativePath.split("/").slice(1) : [file.name]);

/** Return the pictures that somebody chose: pairs of a path and a file. */
export const picturesOf = (files) => [...files].filter((file) => isPicture(file) && !belowChosen(file).some(isClutter))
  .map((file) => [file.webkitRelativePath || file.name, file]);
