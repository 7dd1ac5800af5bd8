"""Tables of people: CSV with a line a picture."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regulars.errors import DamagedFile
from regulars.transfer.people import Person, Photo, Source

TEXTS = ("name", "id", "group", "note", "gender")
LABELS = ("a", "b", "c", "d")
_LABEL = "label_"

Row = Mapping[str, str]


def read(file: Path) -> Source:
    """Read a table with the columns path, and as many as are wanted of name, id, group, age, gender, note, label_a to
    label_d. Any other column is an attribute of that name.

    Lines with the same id are one person, and so are those without id that have the same name and group. Raises
    DamagedFile, which names the line.
    """
    rows: dict[tuple[str, str], list[tuple[int, Row]]] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            reader = csv.DictReader(stream, delimiter=";" if first.count(";") > first.count(",") else ",", strict=True)
            if "path" not in (reader.fieldnames or ()):
                raise DamagedFile(
                    f"{file} has no column `path`: its first line names the columns, with path among them"
                )
            for row in reader:
                if None in row or None in row.values():
                    raise DamagedFile(f"line {reader.line_num} of {file} has not as many cells as the first line")
                cells = {name: value.strip() for name, value in row.items()}
                rows.setdefault(_who(cells, reader.line_num), []).append((reader.line_num, cells))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DamagedFile(f"{file} is no table in UTF-8: {error}") from error
    return Source(f"{file}, a line a picture", [_person(file, key, lines) for key, lines in rows.items()])


def _who(cells: Row, line: int) -> tuple[str, str]:
    """Tell whose line it is. A line without id and name is a person of its own."""
    if cells.get("id"):
        return ("id", cells["id"])
    return (cells.get("group", ""), cells["name"]) if cells.get("name") else ("line", str(line))


def _person(file: Path, key: tuple[str, str], lines: list[tuple[int, Row]]) -> Person:
    said: dict[str, str] = {}
    for line, cells in lines:
        for name, value in cells.items():
            if name != "path" and value and said.setdefault(name, value) != value:
                raise DamagedFile(
                    f"line {line} of {file} says {name} {value[:40]!r}, a line before {said[name][:40]!r}: "
                    "all lines of a person say the same, or nothing"
                )
    photos = []
    for line, cells in lines:
        picture = file.parent / cells["path"]
        if not cells["path"] or not picture.is_file():
            raise DamagedFile(f"line {line} of {file}: there is no picture {cells['path']!r}")
        photos.append(Photo.of(picture, file.parent))
    return Person(
        key=":".join(key),
        name=said.get("name", ""),
        photos=tuple(photos),
        id=said.get("id"),
        group=said.get("group"),
        more=_more(file, lines[0][0], said),
    )


def _more(file: Path, line: int, said: Row) -> dict[str, Any]:
    more: dict[str, Any] = {name: said[name] for name in ("note", "gender") if name in said}
    if "age" in said:
        if not said["age"].isascii() or not said["age"].isdigit():
            raise DamagedFile(f"line {line} of {file} says age {said['age'][:40]!r}: an age is a whole number of years")
        more["age"] = int(said["age"])
    labels = {letter: said[_LABEL + letter] for letter in LABELS if _LABEL + letter in said}
    known = {*TEXTS, "path", "age", *(_LABEL + letter for letter in LABELS)}
    attributes = {name: value for name, value in said.items() if name not in known}
    return {**more, **({"labels": labels} if labels else {}), **({"attributes": attributes} if attributes else {})}
