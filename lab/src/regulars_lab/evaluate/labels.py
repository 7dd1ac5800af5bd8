"""Files that name pairs and groups of a labelled folder's pictures."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from msgspec import Struct

from regulars.errors import OperatorError
from regulars_lab.evaluate import text
from regulars_lab.measuring.labelled import LabelledFolder

KEYS = ("person", "identity", "file")
DELIMITERS = ",;\t"
MOST_GROUPS = 12
"""A column with more values is a measurement, such as an age, and makes no groups."""
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_NUMBER = re.compile(r"_0*([0-9]+)$")


class IllegalPairs(OperatorError):
    """Error: the file is no list of pairs, or names a picture that the folder lacks."""


class Pair(Struct, frozen=True):
    """Two pictures by index, whether they show one person, and the fold that the pair is in."""

    one: int
    other: int
    mated: bool
    fold: int


def read_pairs(path: Path, labelled: LabelledFolder) -> list[Pair]:
    """Read pairs in the format of LFW's pairs.txt, with tabs or spaces.

    The first line is `folds pairs`. Each fold has so many mated pairs `name n m`, then as many
    non-mated ones `name n name m`. A file with one fold, such as pairsDevTest.txt, is refused: a
    fold's threshold comes from the other folds. Raises IllegalPairs, which names the line if one is
    wrong, and OperatorError if the file is no text.
    """
    lines = [
        line.split("\t") if "\t" in line else line.split()
        for line in text.content(path).splitlines()
    ]
    lines = [line for line in lines if line]
    folds, each = _folds_and_pairs(path, lines[0] if lines else [])
    if len(lines) - 1 != 2 * folds * each:
        raise IllegalPairs(
            f"{path} announces {folds} folds of {each} mated and {each} non-mated pairs, and has "
            f"{len(lines) - 1} lines"
        )
    positions = _positions(labelled)
    return [
        _pair(path, number + 2, line, positions, number // (2 * each))
        for number, line in enumerate(lines[1:])
    ]


def _folds_and_pairs(path: Path, line: Sequence[str]) -> tuple[int, int]:
    numbers = [int(number) for number in line if _COUNT.fullmatch(number)]
    if not numbers or len(numbers) != len(line) or len(numbers) > 2:
        raise IllegalPairs(
            f"{path} begins with the numbers of folds and of pairs, such as `10 300`"
        )
    folds, each = numbers if len(numbers) == 2 else (1, *numbers)
    if folds == 1:
        raise IllegalPairs(
            f"{path} has one fold, as LFW's development sets do, and a fold's threshold comes from "
            "the others: "
            "name pairs in two folds or more, with a first line such as `10 300`"
        )
    return folds, each


def _positions(labelled: LabelledFolder) -> dict[str, dict[int, int]]:
    """Index the pictures by person and number.

    Without a number in each name, a person's pictures count from 1.
    """
    positions: dict[str, dict[int, int]] = {}
    for owner, pictures in groupby(range(len(labelled.files)), labelled.person_of.__getitem__):
        own = list(pictures)
        named = {int(found[1]): i for i in own if (found := _NUMBER.search(labelled.files[i].stem))}
        positions[labelled.persons[owner]] = (
            named if len(named) == len(own) else dict(enumerate(own, start=1))
        )
    return positions


def _pair(
    path: Path,
    line_number: int,
    line: Sequence[str],
    positions: Mapping[str, Mapping[int, int]],
    fold: int,
) -> Pair:
    try:
        one, n, other, m = line if len(line) != 3 else (line[0], line[1], line[0], line[2])
        return Pair(positions[one][int(n)], positions[other][int(m)], len(line) == 3, fold)
    except (KeyError, ValueError) as error:
        raise IllegalPairs(
            f"line {line_number} of {path}, {' '.join(line)!r}, is no pair of pictures that the "
            "folder has: "
            "a pair is `name n m` or `name n name m`"
        ) from error


def read_groups(path: Path, labelled: LabelledFolder) -> dict[str, list[str | None]]:
    """Read each picture's group, by column, from a CSV file.

    Its key is a column `person` or `identity`, or `file`, such as Ann_Lee/Ann_Lee_0001.jpg. Every
    other column divides the people or pictures into groups. A column `notes` may hold several:
    `gender=female;light=dim`. Raises OperatorError if the file has no key, no line, or is no CSV.
    """
    header, rows = _table(path)
    key = next((name for name in KEYS if name in header), None)
    if key is None:
        raise OperatorError(
            f"{path} has no column {', '.join(KEYS[:2])} or {KEYS[2]}: a labels file needs one of "
            "them"
        )
    if not rows:
        raise OperatorError(
            f"{path} has no line below its header: a labels file has one for each {key}"
        )
    by_key = {row[key]: _groups_of(row) for row in rows if row[key]}
    keys = [
        labelled.name(i) if key == "file" else labelled.persons[owner]
        for i, owner in enumerate(labelled.person_of)
    ]
    columns = sorted({column for groups in by_key.values() for column in groups})
    found = {column: [by_key.get(key, {}).get(column) for key in keys] for column in columns}
    return {
        name: values
        for name, values in found.items()
        if 2 <= len({v for v in values if v}) <= MOST_GROUPS
    }


def _table(path: Path) -> tuple[Sequence[str], list[dict[str, str | None]]]:
    """Read a CSV file: its header, and each line's values by column.

    The delimiter is the first of DELIMITERS that gives the header a key.
    """
    content = text.content(path)
    reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=_delimiter(content))
    try:
        return reader.fieldnames or (), list(_rows(path, reader))
    except csv.Error as error:
        raise OperatorError(f"line {reader.line_num + 1} of {path} is no CSV: {error}") from error


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[dict[str, str | None]]:
    for row in reader:
        if None in row:
            raise OperatorError(
                f"line {reader.line_num} of {path} has more values than the header has columns: "
                "put a value that holds the delimiter in quotes"
            )
        yield row


def _delimiter(content: str) -> str:
    header = content.partition("\n")[0].rstrip("\r")
    return next(
        (each for each in DELIMITERS if set(KEYS) & set(header.replace('"', "").split(each))),
        DELIMITERS[0],
    )


def _groups_of(row: Mapping[str, str | None]) -> dict[str, str]:
    groups = {
        name: value
        for name, value in row.items()
        if value and name not in (*KEYS, "notes", "faces")
    }
    for note in (row.get("notes") or "").split(";"):
        name, _, value = note.partition("=")
        if value:
            groups[name.strip()] = value.strip()
    return groups
