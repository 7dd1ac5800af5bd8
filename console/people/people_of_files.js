// Whose pictures they are, by the paths of files: a folder a person, or `name_1.jpg` beside `name_2.jpg`.

const BY_A_CAMERA = /^(img|dscn?|dscf|pxl|photo|image|picture|p|scan)?[ _-]*[\d _-]*$/i;
const NUMBERED = /^(.+?)[ _-]+\(?\d{1,4}\)?$/;

/** Return a Map from each person's name to the files: `pairs` of a path and a file. */
export function peopleOf(pairs) {
  const folders = new Set(pairs.map(([path]) => folderOf(path)));
  const isOneFolder = folders.size === 1;
  const people = new Map();
  for (const [path, file] of pairs) {
    const name = isOneFolder ? nameOfFile(path) : spaced(folderOf(path).split("/").pop()) || nameOfFile(path);
    people.set(name, [...(people.get(name) ?? []), file]);
  }
  return people;
}

function nameOfFile(path) {
  const stem = path.split("/").pop().replace(/\.[^.]*$/, "");
  if (BY_A_CAMERA.test(stem)) return spaced(folderOf(path).split("/").pop() ?? "");
  return spaced(NUMBERED.exec(stem)?.[1] ?? stem);
}

const folderOf = (path) => path.split("/").slice(0, -1).join("/");
const spaced = (text = "") => text.replace(/_+/g, " ").trim().slice(0, 100);
