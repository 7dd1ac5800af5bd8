"""Folders of pictures: a folder a person, `name_1.jpg` beside each other, and what Frigate and Double Take keep."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from regulars.errors import NoPictures
from regulars.transfer.people import Person, Photo, Source, shown

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".heic", ".heif"})

FRIGATE, DOUBLE_TAKE = Path("clips/faces"), Path(".storage/train")
UNNAMED = "train"
"""Frigate keeps the faces that nobody has named yet in a folder of this name, beside those of people."""


def read(folder: Path) -> Source:
    """Read a folder. Raises NoPictures if it has no pictures of people.

    In a file's name, the part before the last `_` is the person's.
    """
    for inner, about in ((FRIGATE, "Frigate's faces"), (DOUBLE_TAKE, "Double Take's faces")):
        if (folder / inner).is_dir():
            return Source(f"{folder}, {about}", _people(_by_folder(folder / inner), folder / inner))
    by_folder = _by_folder(folder)
    if by_folder:
        nobodys = len(pictures(folder)) + _deeper(folder)
        left = f", without the {nobodys:,} pictures beside the folders or deeper" if nobodys else ""
        source = Source(f"{folder}, a folder a person{left}", _people(by_folder, folder))
    else:
        source = Source(f"{folder}, by file name", _people(_by_prefix(pictures(folder)), folder))
    if not source.people:
        raise NoPictures(
            f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))}), nor has a folder right in it: "
            "name a folder that has one for each person, or files NAME_1.jpg"
        )
    return source


def pictures(folder: Path) -> list[Path]:
    """List the pictures in a folder by name, without those in folders below it."""
    return sorted(path for path in folder.iterdir() if _is_picture(path))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _deeper(folder: Path) -> int:
    """Count the pictures in folders within people's folders."""
    below = (path.relative_to(folder) for path in folder.glob("*/*/**/*") if _is_picture(path))
    return sum(not any(part.startswith(".") for part in path.parts) for path in below)


def _by_folder(folder: Path) -> dict[str, list[Path]]:
    inside = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    is_frigates = folder.parts[-2:] == FRIGATE.parts
    return {
        path.name: found for path in inside if not (is_frigates and path.name == UNNAMED) and (found := pictures(path))
    }


def _by_prefix(files: Iterable[Path]) -> dict[str, list[Path]]:
    people: dict[str, list[Path]] = {}
    for file in files:
        people.setdefault(file.stem.rpartition("_")[0] or file.stem, []).append(file)
    return people


def _people(files: dict[str, list[Path]], folder: Path) -> list[Person]:
    return [
        Person(key=shown(name), name=shown(name), photos=tuple(Photo.of(file, folder) for file in found))
        for name, found in files.items()
    ]
