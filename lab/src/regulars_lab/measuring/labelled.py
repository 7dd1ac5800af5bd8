"""A labelled folder, as LFW's: a folder of pictures for each person."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from regulars.demo.album import SUFFIXES
from regulars.errors import NoPictures


class LabelledFolder(Struct, frozen=True):
    """Pictures in the order of their persons' names, which are made readable (`make_readable`).

    `person_of`: each picture's person, as a number into `persons`.
    """

    folder: Path
    persons: tuple[str, ...]
    files: tuple[Path, ...]
    person_of: tuple[int, ...]

    def name(self, index: int) -> str:
        return f"{self.persons[self.person_of[index]]}/{make_readable(self.files[index].name)}"


def describe_folder(labelled: LabelledFolder) -> str:
    return f"{len(labelled.files):,} pictures of {len(labelled.persons):,} persons"


def read_folder(folder: Path, *, alone: bool = False) -> LabelledFolder:
    """Read the names of a labelled folder.

    `alone`: a picture that lies in no person's folder is a person's only one.

    Raises NoPictures if no folder in it has pictures.
    """
    if not folder.is_dir():
        raise NoPictures(
            f"there is no folder {folder}: name one that holds a folder of pictures for each person"
        )
    files_by_name = {
        make_readable(path.stem): [path]
        for path in sorted(folder.iterdir())
        if alone and _is_picture(path)
    }
    files_by_name |= {
        make_readable(path.name): sorted(file for file in path.iterdir() if _is_picture(file))
        for path in sorted(folder.iterdir())
        if path.is_dir()
    }
    people = {name: files for name, files in files_by_name.items() if files}
    if not people:
        raise NoPictures(
            f"{folder} holds no folder with pictures ({', '.join(sorted(SUFFIXES))}): make one "
            "folder a person, "
            "such as Ann_Lee/Ann_Lee_0001.jpg"
        )
    persons = tuple(people)
    return LabelledFolder(
        folder=folder,
        persons=persons,
        files=tuple(file for name in persons for file in people[name]),
        person_of=tuple(number for number, name in enumerate(persons) for _ in people[name]),
    )


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def make_readable(name: str) -> str:
    """Make a file's name encodable: a byte that is no UTF-8 becomes a backslash, an x and two
    digits."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
