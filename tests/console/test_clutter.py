"""What systems leave in a folder is nobody, however the folder came into the console."""

import json

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
