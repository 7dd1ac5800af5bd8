"""Which rows has the first sheet of a workbook (.xlsx; ECMA-376, Office Open XML)?

Cells are the texts that the spreadsheet shows: days as 2026-11-20, zeros before a number if its
format has them.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from xml.etree import ElementTree as ET

from msgspec import Struct

MOST_BYTES = 16 * 2**20
"""Of a part of a workbook, unpacked: a sheet of 100,000 pictures has about as many."""

_EPOCH, _EPOCH_OF_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 -- of no zone
_DAY_FORMATS = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
"""Ids of the formats of days and times that every spreadsheet has."""
_MOST_DIGITS = 15
"""Digits of a number that a spreadsheet keeps."""


_DAMAGES = (
    *(KeyError, IndexError, ValueError, StopIteration, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError),
)
"""What a zip raises that is damaged, encrypted, or another program's."""


class NoWorkbook(Exception):
    """A workbook that cannot be read, with the reason."""


class _Book(Struct, frozen=True):
    """Parts that cells refer to: `texts` of the book, `formats` of cells by their style."""

    texts: list[str]
    formats: list[str]
    epoch: datetime


def is_workbook(data: bytes) -> bool:
    return data.startswith(b"PK\x03\x04")


def read_sheet(data: bytes) -> Iterator[tuple[int, Mapping[int, str]]]:
    """Yield the rows of the first sheet that is shown: its number, and texts by place from 0.

    Raises NoWorkbook.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            book = _read_xml(parts, "xl/workbook.xml")
            relations = _read_xml(parts, "xl/_rels/workbook.xml.rels")
            targets = {one.get("Id"): one.get("Target", "") for one in relations}
            shown = [one for one in book.iter("sheet") if one.get("state", "visible") == "visible"]
            id_ = next(value for name, value in shown[0].items() if name.endswith("}id"))
            target = targets[id_]
            sheet = _read_xml(parts, target[1:] if target[0] == "/" else f"xl/{target}")
            is_of_1904 = any(one.get("date1904") in ("1", "true") for one in book)
            reading = _Book(
                _read_texts(parts), _read_formats(parts), _EPOCH_OF_1904 if is_of_1904 else _EPOCH
            )
    except _DAMAGES as error:
        raise NoWorkbook(f"it is a zip, and no workbook (.xlsx): {error}") from error
    for place, row in enumerate(sheet.iter("row"), start=1):
        number = row.get("r", f"{place}")
        try:
            yield (
                int(number),
                {
                    _find_column(cell.get("r", ""), index): _read_cell(cell, reading)
                    for index, cell in enumerate(row.iter("c"))
                },
            )
        except (ValueError, IndexError, OverflowError) as error:
            raise NoWorkbook(f"row {number} has a cell that cannot be read: {error}") from error


def _read_xml(parts: zipfile.ZipFile, path: str) -> ET.Element:
    """Read a part, with names without their namespaces. Raises NoWorkbook."""
    with parts.open(path) as part:
        data = part.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise NoWorkbook(f"{path} has more than {MOST_BYTES >> 20} MB: save the table as CSV")
    if b"<!DOCTYPE" in data or b"\0" in data:  # which alone declares what makes XML dangerous
        raise NoWorkbook(f"{path} is no XML as spreadsheets write it")
    try:
        root = ET.fromstring(data)  # noqa: S314 -- see above
    except ET.ParseError as error:
        raise NoWorkbook(f"{path} is no XML: {error}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _read_texts(parts: zipfile.ZipFile) -> list[str]:
    path = "xl/sharedStrings.xml"
    if path not in parts.namelist():
        return []
    return [_join_text(item) for item in _read_xml(parts, path)]


def _join_text(item: ET.Element) -> str:
    """Return a text of several fonts as one, without how Japanese is pronounced."""
    runs = [item, *(run for run in item if run.tag == "r")]
    text = "".join(part.text or "" for run in runs for part in run if part.tag == "t")
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), text)


def _read_formats(parts: zipfile.ZipFile) -> list[str]:
    """Return the format of each style: `day`, zeros such as `000`, or nothing that matters."""
    path = "xl/styles.xml"
    if path not in parts.namelist():
        return []
    styles = _read_xml(parts, path)
    codes = {one.get("numFmtId"): one.get("formatCode", "") for one in styles.iter("numFmt")}
    lists = [one for one in styles if one.tag == "cellXfs"]
    ids = [style.get("numFmtId", "0") for one in lists for style in one]
    return ["day" if int(id_) in _DAY_FORMATS else _simplify(codes.get(id_, "")) for id_ in ids]


def _simplify(code: str) -> str:
    bare = re.sub(r'"[^"]*"|\\.|\[[^]]*\]|_.|\*.', "", code.partition(";")[0])
    return "day" if re.search("[ymdhs]", bare, re.IGNORECASE) else bare


def _find_column(reference: str, index: int) -> int:
    """Return the place of a cell, from 0: `AA7` is in column 26; without a reference `index`."""
    number = 0 if reference else index + 1
    for letter in reference.rstrip("0123456789"):
        number = 26 * number + "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(letter) + 1
    return number - 1


def _read_cell(cell: ET.Element, book: _Book) -> str:
    """Return the text of a cell. Raises ValueError, IndexError, OverflowError."""
    kind = cell.get("t", "n")
    value = next((part.text or "" for part in cell if part.tag == "v"), "")
    match kind:
        case "inlineStr":
            return "".join(_join_text(part) for part in cell if part.tag == "is")
        case "s":
            return book.texts[int(value)]
        case "e":
            raise ValueError(f"the error {value[:20]}")
        case "b":
            return "TRUE" if value == "1" else "FALSE"
        case "n" if value:
            style = int(cell.get("s", "0"))
            form = book.formats[style] if style < len(book.formats) else ""
            return _write_day(float(value), book.epoch) if form == "day" else _write(value, form)
    return value


def _write_day(days: float, epoch: datetime) -> str:
    at = epoch + timedelta(seconds=round(days * 86_400))
    return f"{at:%Y-%m-%d}" if at.time() == datetime.min.time() else f"{at:%Y-%m-%d %H:%M}"


def _write(value: str, form: str) -> str:
    """Write a number as the sheet shows it; one that was rounded is refused, since it was an id."""
    number = float(value)
    if abs(number) >= 10**_MOST_DIGITS:
        raise ValueError(f"{value} was rounded: a number of over 15 digits is written as text")
    text = f"{number:.{_MOST_DIGITS}g}"
    return text.zfill(len(form)) if form and not form.strip("0") else text
