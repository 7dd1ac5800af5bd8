"""What systems leave in a folder is nobody, however the folder came into the console."""

import json

import pytest

from chalicelib.api.console_files import locate_folder
from tests.support.node import node

PROGRAM = f"""
    const {{ isClutter, picturesOf }} =
      await import("{locate_folder().as_uri()}/shared/files.js");
    const [paths, names] = JSON.parse(process.argv[1]);
    const files = paths.map((path) => (
      {{ name: path.split("/").pop(), type: "image/jpeg", webkitRelativePath: path }}));
    const alone = names.map((name) => ({{ name, type: "image/jpeg", webkitRelativePath: "" }}));
    console.log(JSON.stringify([
      picturesOf(files).map(([path]) => path), picturesOf(alone).map(([path]) => path),
      names.map(isClutter),
    ]));
"""

DROP = f"""
    const {{ dropped }} = await import("{locate_folder().as_uri()}/shared/files.js");
    const paths = JSON.parse(process.argv[1]);
    const entryOf = (path, below) => {{
      const name = path.split("/").pop();
      const inner = below.filter((one) => one.startsWith(path + "/"));
      if (!inner.length)
        return {{ name, isFile: true, isDirectory: false, fullPath: "/" + path,
          file: (done) => done({{ name, type: "image/jpeg" }}) }};
      const depth = path.split("/").length + 1;
      const names = [...new Set(inner.map((one) => one.split("/").slice(0, depth).join("/")))];
      return {{ name, isFile: false, isDirectory: true, createReader: () => ({{
        readEntries: (done) => done(names.splice(0).map((one) => entryOf(one, inner))) }}) }};
    }};
    const roots = [...new Set(paths.map((path) => path.split("/")[0]))];
    const items = roots.map((root) => ({{ webkitGetAsEntry: () => entryOf(root, paths) }}));
    const found = await dropped({{ items, files: [] }});
    console.log(JSON.stringify(found.map(([path]) => path)));
"""


@pytest.mark.parametrize("root", ["Thumbs", ".photos", "thumbnails", "people"])
def test_a_dropped_folder_is_taken_whatever_its_name(root: str) -> None:
    paths = [
        f"{root}/Ann/1.jpg",
        f"{root}/Ann/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg",
        f"{root}/._1.jpg",
        "2.jpg",
        "._2.jpg",
    ]
    found = json.loads(node("--input-type=module", "--eval", DROP, json.dumps(paths)))
    assert found == [f"{root}/Ann/1.jpg", "2.jpg"]


def test_a_chosen_folder_is_taken_without_what_systems_left_in_it() -> None:
    paths = [
        ".people/Ann/1.jpg",
        ".people/Ann/@eaDir/1.jpg/SYNOPHOTO_THUMB_XL.jpg",
        ".people/Ann/._1.jpg",
        ".people/$RECYCLE.BIN/2.jpg",
    ]
    names = ["2.jpg", "._2.jpg", "System Volume Information", "#recycle"]
    asked = json.dumps([paths, names])
    folder, alone, are_clutter = json.loads(node("--input-type=module", "--eval", PROGRAM, asked))
    assert folder == [".people/Ann/1.jpg"]
    assert alone == ["2.jpg"]
    assert are_clutter == [False, True, True, True]
