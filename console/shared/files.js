// Which files are pictures.
const NAMED = /\.(jpe?g|png|bmp|webp|hei[cf])$/i;

export const isPicture = (file) => file.type.startsWith("image/") || NAMED.test(file.name);

// What systems leave in a folder, as in regulars_client/clutter.py: nobody put it there.
const CLUTTER = new Set(["#recycle", "#snapshot", "$recycle.bin", "@eadir", "@recently-snapshot", "@recycle",
  "__macosx", "desktop.ini", "ehthumbs.db", "lost+found", "system volume information", "thumbnails", "thumbs",
  "thumbs.db"]);

export const isClutter = (name) => name.startsWith(".") || CLUTTER.has(name.toLowerCase());

// Who chose a folder meant it, whatever its name.
const belowChosen = (file) => (file.webkitRelativePath ? file.webkitRelativePath.split("/").slice(1) : [file.name]);

/** Return the pictures that somebody chose: pairs of a path and a file. */
export const picturesOf = (files) => [...files].filter((file) => isPicture(file) && !belowChosen(file).some(isClutter))
  .map((file) => [file.webkitRelativePath || file.name, file]);

/** Return the pictures of a drop, folders read to their ends: pairs of a path and a file. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return picturesOf(transfer.files);
  const found = [];
  for (const entry of entries) if (entry.isDirectory || !isClutter(entry.name)) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    if (isPicture(file)) found.push([entry.fullPath.replace(/^\//, ""), file]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const one of some) if (!isClutter(one.name)) await walk(one, found);
  }
}
