"""People to import, named by folders, by files or by a table.

A folder: a folder a person, `name_1.jpg` beside each other, or what Frigate and Double Take keep. A
table: CSV with a line a picture. An archive: the file of an export (exports).
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from regulars.errors import DamagedFile, NoPictures


class Photo(Struct, frozen=True):
    """One picture. `name`: what reports call it."""

    name: str
    read: Callable[[], bytes]

    @classmethod
    def from_file(cls, file: Path, folder: Path) -> Photo:
        """Make the photo of a file, named by its place below the folder."""
        name = file.relative_to(folder) if file.is_relative_to(folder) else file
        return cls(escape_name(str(name)), file.read_bytes)


class Person(Struct, frozen=True):
    """A person of a source, who becomes a face in the book.

    `key`: the person's name in the journal, unique within a source. `id`: of the face; None: any.
    `group`: of the face; None: the group that the import names. `other_fields`: further members of
    the request, such as age. `is_vouched_for`: whether the photos were one face already. Then their
    order stays, and their likeness is not judged.
    """

    key: str
    name: str
    photos: tuple[Photo, ...]
    id: str | None = None
    group: str | None = None
    other_fields: Mapping[str, Any] = field(default_factory=dict)
    is_vouched_for: bool = False


class Source(Struct, frozen=True):
    """All people of a source, and the groups that it describes. `about`: what it was taken for."""

    about: str
    people: Sequence[Person]
    groups: Sequence[Mapping[str, Any]] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)

    @property
    def photo_count(self) -> int:
        return sum(len(person.photos) for person in self.people)


def escape_name(name: str) -> str:
    """Return a file's name as a text that can be written; bytes that are no UTF-8 become
    `\\xfc`."""
    return os.fsencode(name).decode(errors="backslashreplace")


def make_photo_id(data: bytes) -> str:
    """Return the id that the service gives this photo: the same bytes have the same id."""
    return hashlib.sha256(data).hexdigest()[:32]


SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".heic", ".heif"})

FRIGATE, DOUBLE_TAKE = Path("clips/faces"), Path(".storage/train")
UNNAMED = "train"
"""Frigate keeps the faces that nobody has named yet in a folder of this name, beside those of
people."""


def read_folder(folder: Path) -> Source:
    """Read the people of a folder, which is Frigate's, Double Take's, has a folder a person, or
    pictures by name.

    Pictures outside of the folders of people are left out. If there are no such folders, a file's
    name says whose it is: `Ann_2.jpg` is Ann's. Raises NoPictures if there are no pictures of
    people.
    """
    for inner, about in ((FRIGATE, "Frigate's faces"), (DOUBLE_TAKE, "Double Take's faces")):
        if (folder / inner).is_dir():
            return Source(
                f"{folder}, {about}", _make_people(_group_by_folder(folder / inner), folder / inner)
            )
    by_folder = _group_by_folder(folder)
    if by_folder:
        other_count = len(list_pictures(folder)) + _count_deeper_pictures(folder)
        left_out = (
            f", without the {other_count:,} pictures beside the folders or deeper"
            if other_count
            else ""
        )
        source = Source(f"{folder}, a folder a person{left_out}", _make_people(by_folder, folder))
    else:
        source = Source(
            f"{folder}, by file name", _make_people(_group_by_prefix(list_pictures(folder)), folder)
        )
    if not source.people:
        raise NoPictures(
            f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))}), nor has a folder right in "
            "it: "
            "name a folder that has one for each person, or files NAME_1.jpg"
        )
    return source


def list_pictures(folder: Path) -> list[Path]:
    """List the pictures in a folder by name, without those in folders below it."""
    return sorted(path for path in folder.iterdir() if _is_picture(path))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _count_deeper_pictures(folder: Path) -> int:
    """Count the pictures in folders within people's folders."""
    deeper_paths = (
        path.relative_to(folder) for path in folder.glob("*/*/**/*") if _is_picture(path)
    )
    return sum(not any(part.startswith(".") for part in path.parts) for path in deeper_paths)


def _group_by_folder(folder: Path) -> dict[str, list[Path]]:
    inner_folders = sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    is_frigates = folder.parts[-2:] == FRIGATE.parts
    return {
        path.name: paths
        for path in inner_folders
        if not (is_frigates and path.name == UNNAMED) and (paths := list_pictures(path))
    }


def _group_by_prefix(files: Iterable[Path]) -> dict[str, list[Path]]:
    people: dict[str, list[Path]] = {}
    for file in files:
        people.setdefault(file.stem.rpartition("_")[0] or file.stem, []).append(file)
    return people


def _make_people(files: dict[str, list[Path]], folder: Path) -> list[Person]:
    return [
        Person(
            key=escape_name(name),
            name=escape_name(name),
            photos=tuple(Photo.from_file(file, folder) for file in paths),
        )
        for name, paths in files.items()
    ]


TEXTS = ("name", "id", "group", "note", "gender")
LABELS = ("a", "b", "c", "d")
_LABEL = "label_"

_OTHER_NAMES = {"path": ("file", "picture", "image"), "name": ("subject", "person")}
_MAX_FAULTS_SHOWN = 20
"""Faults of a file that are named; the others are counted."""

Row = Mapping[str, str]
Fault = tuple[int, str]
"""A line of a table, and its fault."""


def read_table(file: Path) -> Source:
    """Read a table with the columns path, and as many as are wanted of name, id, group, age,
    gender, note, label_a to label_d. Any other column is an attribute of that name. UTF-8, UTF-16,
    GB18030 and Windows-1252 are told apart.

    Lines with the same id are one person, and so are those without id that have the same name and
    group. Raises DamagedFile, which names every line that is wrong.
    """
    if _is_picture(file):
        raise DamagedFile(f"{file} is a picture: name the folder that has it, or a table")
    text, encoding = _decode_table(file.read_bytes())
    lines_by_person: dict[tuple[str, str], list[tuple[int, Row]]] = {}
    faults: list[Fault] = []
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    try:
        if "\0" in text:
            raise csv.Error("it has bytes that are no text")
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = _name_columns(reader.fieldnames or ())
        if "path" not in columns.values():
            raise DamagedFile(
                f"{file} has no column `path`: its first line names the columns, with path among "
                "them, and says "
                f"{first_line.strip()[:80]!r}"
            )
        for row in reader:
            if None in row or None in row.values():
                faults.append((reader.line_num, "has not as many cells as the first line"))
                continue
            cells = {columns[name]: value.strip() for name, value in row.items()}
            lines_by_person.setdefault(_identify_person(cells, reader.line_num), []).append(
                (reader.line_num, cells)
            )
    except csv.Error as error:
        raise DamagedFile(f"{file} is no table in {encoding}: {error}") from error
    people = [_make_person(file, key, lines, faults) for key, lines in lines_by_person.items()]
    if faults:
        unlisted = (
            f"; and {len(faults) - _MAX_FAULTS_SHOWN:,} more"
            if len(faults) > _MAX_FAULTS_SHOWN
            else ""
        )
        fault_list = "; ".join(
            f"line {line} {fault}" for line, fault in sorted(faults)[:_MAX_FAULTS_SHOWN]
        )
        raise DamagedFile(f"{file}, read as {encoding}: {fault_list}{unlisted}")
    return Source(f"{file}, a line a picture, in {encoding}", people)


def _decode_table(data: bytes) -> tuple[str, str]:
    """Decode a spreadsheet's table. Return the text and the name of its encoding.

    A table that is not in UTF has bytes above 127. If most of them stand in pairs, it is taken for
    Chinese (GB18030). In European names (Windows-1252) most stand alone.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), "UTF-16"
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", data)]
    chinese = ("gb18030",) if sum(run > 1 for run in runs) * 2 > len(runs) else ()
    for encoding in ("utf-8-sig", *chinese, "cp1252"):
        with suppress(UnicodeDecodeError):
            return data.decode(encoding), _ENCODINGS[encoding]
    return data.decode("latin-1"), "Latin-1"


_ENCODINGS = {"utf-8-sig": "UTF-8", "gb18030": "GB18030", "cp1252": "Windows-1252"}


def _name_columns(names: Sequence[str]) -> dict[str, str]:
    """Return our name of each column of a table; another program's names are taken unless ours are
    there."""
    our_name_by_other = {
        other: name
        for name, other_names in _OTHER_NAMES.items()
        if name not in names
        for other in other_names
    }
    return {name: our_name_by_other.get(name, name) for name in names}


def _identify_person(cells: Row, line: int) -> tuple[str, str]:
    """Tell whose line it is. A line without id and name is a person of its own."""
    if cells.get("id"):
        return ("id", cells["id"])
    return (cells.get("group", ""), cells["name"]) if cells.get("name") else ("line", str(line))


def _make_person(
    file: Path, key: tuple[str, str], lines: list[tuple[int, Row]], faults: list[Fault]
) -> Person:
    """Make a person of all their lines. Add to `faults` what is wrong with a line.

    All lines of a person have the same values, or none. Each names a picture below the table's
    folder.
    """
    value_by_name: dict[str, str] = {}
    photos = []
    for line, cells in lines:
        for name, value in cells.items():
            if name != "path" and value and value_by_name.setdefault(name, value) != value:
                earlier_line = (
                    f"a line before {value_by_name[name][:40]!r}: all lines of a "
                    "person say the same, or nothing"
                )
                faults.append((line, f"says {name} {value[:40]!r}, {earlier_line}"))
        candidate_paths = [
            file.parent / path for path in (cells["path"], cells["path"].replace("\\", "/")) if path
        ]
        found_path = next(filter(_is_file, candidate_paths), None)
        if found_path is None:
            faults.append((line, f"names a file, and there is no picture {cells['path']!r}"))
        elif not found_path.resolve().is_relative_to(file.parent.resolve()):
            # Another's table may name our own pictures.
            faults.append(
                (
                    line,
                    f"names {cells['path']!r}, which is not below the table's folder: copy it "
                    "there",
                )
            )
        else:
            photos.append(Photo.from_file(found_path, file.parent))
    return Person(
        key=":".join(key),
        name=value_by_name.get("name", ""),
        photos=tuple(photos),
        id=value_by_name.get("id"),
        group=value_by_name.get("group"),
        other_fields=_read_other_fields(lines[0][0], value_by_name, faults),
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    # longer than the file system's names, or not to be written in its encoding
    except (OSError, ValueError):
        return False


def _read_other_fields(line: int, cells: Row, faults: list[Fault]) -> dict[str, Any]:
    """Return the fields of a person from a table's row, besides name, id, group and photos.

    Columns that have no meaning of their own become attributes, as `member since`. `line`: the
    row's number; `faults`: a list to which an age that is no whole number is added.
    """
    other_members = ("name", "id", "group")
    fields: dict[str, Any] = {
        name: cells[name] for name in TEXTS if name in cells and name not in other_members
    }
    if re.fullmatch("[0-9]{1,9}", cells.get("age", "")):
        fields["age"] = int(cells["age"])
    elif "age" in cells:
        faults.append((line, f"says age {cells['age'][:40]!r}: an age is a whole number of years"))
    labels = {letter: cells[_LABEL + letter] for letter in LABELS if _LABEL + letter in cells}
    known_columns = {*TEXTS, "path", "age", *(_LABEL + letter for letter in LABELS)}
    attributes = {name: value for name, value in cells.items() if name not in known_columns}
    return {
        **fields,
        **({"labels": labels} if labels else {}),
        **({"attributes": attributes} if attributes else {}),
    }
