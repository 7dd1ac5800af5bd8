"""People to import, named by folders, by files or by a table.

A folder: a folder a person, `name_1.jpg` beside each other, or what Frigate and Double Take keep. A
table: CSV or a workbook, with a line a picture. An archive: the file of an export (exports).
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from regulars_client.clutter import describe_clutter, name_clutter, walk
from regulars_client.errors import DamagedFile, OperatorError

from regulars_transfer.genders import choose_words, find_gender, is_unread
from regulars_transfer.tables import read_rows
from regulars_transfer.texts import normalise_name


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
    passed_over: str = ""
    """Says what nobody put into a folder, or which genders a table has that are none of ours."""

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
    name says whose it is: `Ann_2.jpg` is Ann's. Raises OperatorError if there are no pictures of
    people.
    """
    for inner, about in ((FRIGATE, "Frigate's faces"), (DOUBLE_TAKE, "Double Take's faces")):
        if (folder / inner).is_dir():
            return Source(
                f"{folder}, {about}",
                _make_people(_group_by_folder(folder / inner), folder / inner),
                passed_over=describe_clutter(folder / inner),
            )
    by_folder = _group_by_folder(folder)
    if by_folder:
        other_count = len(list_pictures(folder)) + _count_deeper_pictures(folder)
        left_out = (
            f", without the {other_count:,} pictures beside the folders or deeper"
            if other_count
            else ""
        )
        about = f"{folder}, a folder a person{left_out}"
    else:
        by_folder = _group_by_prefix(list_pictures(folder))
        about = f"{folder}, by file name"
    source = Source(about, _make_people(by_folder, folder), passed_over=describe_clutter(folder))
    if not source.people:
        raise OperatorError(
            f"{folder} has no pictures ({', '.join(sorted(SUFFIXES))}), nor has a folder right in "
            "it: "
            "name a folder that has one for each person, or files NAME_1.jpg"
        )
    return source


def list_pictures(folder: Path) -> list[Path]:
    """List the pictures in a folder by name, without those in folders below it."""
    return sorted(
        path for path in folder.iterdir() if _is_picture(path) and not name_clutter(path.name)
    )


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def _count_deeper_pictures(folder: Path) -> int:
    """Count the pictures in folders within people's folders."""
    files = (where / name for where, _, names, _ in walk(folder) for name in names)
    return sum(_is_picture(file) and len(file.relative_to(folder).parts) > 2 for file in files)


def _group_by_folder(folder: Path) -> dict[str, list[Path]]:
    inner_folders = sorted(
        path for path in folder.iterdir() if path.is_dir() and not name_clutter(path.name)
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


TEXTS = ("name", "id", "group", "note", "counter_note", "gender")
LABELS = ("a", "b", "c", "d")
_LABEL = "label_"
_LONGEST = 500
"""Most characters of any of these texts."""
_FACEID = re.compile("[A-Za-z0-9_-]{1,64}")

_OTHER_NAMES = {"path": ("file", "picture", "image"), "name": ("subject", "person")}
KNOWN_COLUMNS = frozenset({*TEXTS, "path", "age", *(_LABEL + letter for letter in LABELS)})
_ALL_NAMES = KNOWN_COLUMNS.union(*_OTHER_NAMES.values())
_SHOWN, _MOST_EXAMPLES = 40, 5
"""Characters of a cell, and cells, that a report repeats."""
_MAX_FAULTS_SHOWN = 20
"""Faults of a file that are named; the others are counted."""

_ROUNDED = r"\d([.,]\d+)?E\+\d+"
"""A number of many digits, as a spreadsheet writes it: 1,23457E+18."""

_NO_VALUE = re.compile(
    "#{2,}|#N/?[ABDV]|#[¡¿]?(NAME|REF|VALUE|DIV/0|NUM|NULL|BEZUG|WERT|ZAHL|NOM|VALEUR|NOMBRE|NUL|"
    "VALOR|NULO|RIF|VALORE|NOME|NAAM|VERW|WAARDE|GETAL|LEEG|DEEL/0|NÚM)[!?]"
)
"""Text that a spreadsheet shows for a formula that fails, or for a day in a narrow column. A CSV
that it saves has this text, too."""

Row = Mapping[str, str]
Fault = tuple[int, str]
"""A line of a table, and its fault."""


def read_table(file: Path) -> Source:
    """Read a table with the columns path, and as many as are wanted of name, id, group, age,
    gender, note, label_a to label_d. Any other column is an attribute of that name.

    Lines with the same id are one person, and so are those without id that have the same name and
    group. Raises DamagedFile, which names every line that is wrong.
    """
    if _is_picture(file):
        raise DamagedFile(f"{file} is a picture: name the folder that has it, or a table")
    table = read_rows(file)
    columns, faults = _name_columns(f"{file}, read as {table.form},", table.head), list[Fault]()
    lines_by_person: dict[tuple[str, str], list[tuple[int, Row]]] = {}
    gender_places = [place for place, name in columns.items() if name == "gender"]
    gender_words = choose_words(
        row.get(place, "") for _, row in table.rows for place in gender_places
    )
    unread_by_person: dict[tuple[str, str], str] = {}
    for line, row in table.rows:
        if not row.keys() <= columns.keys():
            faults.append((line, "has more cells than the first line has names of columns"))
        typed = {
            name: text if name == "path" else normalise_name(text, _LONGEST)
            for place, name in columns.items()
            for text in (row.get(place, ""),)
        }
        faults += [
            (line, f"says {name} {value!r}, which a spreadsheet shows in place of a value")
            for name, value in typed.items()
            if _NO_VALUE.fullmatch(value)
        ]
        person, gender = _identify_person(typed, line), typed.get("gender", "")
        if is_unread(gender, gender_words):
            unread_by_person[person] = gender
        cells = {**typed, "gender": find_gender(gender, gender_words)} if gender else typed
        lines_by_person.setdefault(person, []).append((line, cells))
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
        raise DamagedFile(f"{file}, read as {table.form}: {fault_list}{unlisted}")
    attributes = ", ".join(sorted({*columns.values()} - KNOWN_COLUMNS))
    with_attributes = f", with the attributes {attributes}" if attributes else ""
    return Source(
        f"{file}, a line a picture, in {table.form}{with_attributes}",
        people,
        passed_over=_describe_unread(unread_by_person.values()),
    )


def _describe_unread(genders: Collection[str]) -> str:
    """Say of how many people a table has a gender that is none of ours; "": of nobody."""
    if not genders:
        return ""
    examples = ", ".join(repr(one[:_SHOWN]) for one in sorted(set(genders))[:_MOST_EXAMPLES])
    people = "1 person" if len(genders) == 1 else f"{len(genders):,} people"
    return f"gender unknown of {people}, of whom it says {examples}"


def _name_columns(about: str, head: Mapping[int, str]) -> dict[int, str]:
    """Return our name of each column of a table, by its place. `about`: the file, in errors.

    Our names count in any case, with spaces in place of underlines. Another program's names are
    taken unless ours are there. Raises DamagedFile.
    """
    name_by_place = {
        place: plain if (plain := text.casefold().replace(" ", "_")) in _ALL_NAMES else text
        for place, text in head.items()
    }
    our_name_by_other = {
        other: name
        for name, other_names in _OTHER_NAMES.items()
        if name not in name_by_place.values()
        for other in other_names
    }
    columns = {place: our_name_by_other.get(name, name) for place, name in name_by_place.items()}
    if "path" not in columns.values():
        raise DamagedFile(
            f"{about} has no column `path`: its first line names the columns, with path among "
            f"them, and says {', '.join(head.values())[:80]!r}"
        )
    if twice := [name for name, count in Counter(columns.values()).items() if count > 1]:
        raise DamagedFile(f"{about} has the column {twice[0]!r} twice: leave one of them")
    return columns


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
    if re.fullmatch(_ROUNDED, key[1], re.IGNORECASE):
        fault = f"says id {key[1]!r}, which a spreadsheet has rounded: make the column one of texts"
        faults.append((lines[0][0], fault))
    elif key[0] == "id" and not _FACEID.fullmatch(key[1]):
        fault = f"says id {key[1][:70]!r}: an id is 1 to 64 letters, digits, `_` and `-`"
        faults.append((lines[0][0], fault))
    for line, cells in lines:
        for name, value in cells.items():
            if name != "path" and value and value_by_name.setdefault(name, value) != value:
                earlier_line = (
                    f"a line before {value_by_name[name][:40]!r}: all lines of a "
                    "person say the same, or nothing"
                )
                faults.append((line, f"says {name} {value[:40]!r}, {earlier_line}"))
        candidate_paths = [file.parent / path for path in _list_spellings(cells["path"])]
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


def _list_spellings(path: str) -> list[str]:
    """List how a file's name may be written: as it is, with the slashes of Windows, and with ü or
    u and two dots."""
    return [
        spelling
        for slashed in (path, path.replace("\\", "/"))
        for spelling in (
            slashed,
            *(unicodedata.normalize(form, slashed) for form in ("NFC", "NFD")),
        )
        if path
    ]


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
    # A table of numbers, some of which are missing, has 40.0.
    if age := re.fullmatch("([0-9]{1,9})([.,]0+)?", cells.get("age", "")):
        fields["age"] = int(age[1])
    elif "age" in cells:
        faults.append((line, f"says age {cells['age'][:40]!r}: an age is a whole number of years"))
    labels = {letter: cells[_LABEL + letter] for letter in LABELS if _LABEL + letter in cells}
    attributes = {name: value for name, value in cells.items() if name not in KNOWN_COLUMNS}
    return {
        **fields,
        **({"labels": labels} if labels else {}),
        **({"attributes": attributes} if attributes else {}),
    }
