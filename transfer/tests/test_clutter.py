"""A folder has more in it than people put there, and all three walkers pass that over."""

import re
from pathlib import Path

import pytest
from folders import people, pictures
from regulars_client import clutter
from regulars_client.errors import OperatorError
from regulars_transfer import sources

ROOT = Path(__file__).parents[2]
SYSTEMS = (
    "@eaDir",
    "@Recycle",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "__MACOSX",
    "lost+found",
    "thumbnails",
    ".thumbnails",
    ".Trashes",
    ".AppleDouble",
)
FILES = ("._front.jpg", ".DS_Store", "Thumbs.db", "desktop.ini")


def of_a_nas(folder: Path) -> Path:
    pictures(folder, *(f"{system}/old.jpg" for system in SYSTEMS))
    pictures(folder, "Ann Lee/@eaDir/front.jpg/SYNOPHOTO_THUMB_XL.jpg", *FILES)
    return pictures(folder, *(f"Ann Lee/{file}" for file in (*FILES, "front.jpg")), "Bo/front.jpg")


def test_the_bin_of_a_nas_is_nobody(tmp_path: Path) -> None:
    source = sources.read_folder(of_a_nas(tmp_path))
    assert people(source) == {"Ann Lee": ["Ann Lee/front.jpg"], "Bo": ["Bo/front.jpg"]}
    assert source.about == f"{tmp_path}, a folder a person"
    assert source.passed_over == (
        "passed over, since no person put it there: #recycle (1), $RECYCLE.BIN (1), @Recycle (1), "
        "@eaDir (2), System Volume Information (1), Thumbs.db (2), __MACOSX (1), desktop.ini (2), "
        "lost+found (1), names that begin with a dot (7), thumbnails (1)"
    )


def test_pictures_by_name_have_no_clutter_either(tmp_path: Path) -> None:
    source = sources.read_folder(pictures(tmp_path, "Ann_1.jpg", "._Ann_1.jpg", "#recycle/Bo.txt"))
    assert people(source) == {"Ann": ["Ann_1.jpg"]}
    assert source.passed_over.endswith(": #recycle (1), names that begin with a dot (1)")


def test_what_a_system_left_alone_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(OperatorError):
        sources.read_folder(pictures(tmp_path, "@eaDir/front.jpg", "._a.jpg"))


def test_a_folder_that_was_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    source = sources.read_folder(pictures(tmp_path / ".people", "Ann/1.jpg", "thumbnail/1.jpg"))
    assert sorted(people(source)) == ["Ann", "thumbnail"]
    assert source.passed_over == ""


def test_the_console_has_the_same_names() -> None:
    script = (ROOT / "console/shared/files.js").read_text()
    [listed] = re.findall(r"CLUTTER = new Set\(\[(.*?)\]\)", script, re.DOTALL)
    assert set(re.findall(r'"(.*?)"', listed)) == clutter.NAMES
