"""The rows of the first sheet of a workbook (.xlsx; ECMA-376, Office Open XML).

Cells are the texts that the spreadsheet shows: days as 2026-11-20, times as 09:30, zeros before a
number if its format has them. Of merged cells each row has the text.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from xml.etree import ElementTree as ET

from msgspec import Struct

MOST_BYTES = 16 * 2**20
"""Of the parts of a workbook that are read, unpacked, all together: those of 25,000 people have
about half as many."""
MOST_SIGNS = 700_000
"""Signs of MARKS in these parts, all together: 17,000 people in five columns have as many, or
25,000 if most texts come often.
Each costs 1 us and 100 bytes, also those of a zip of 20 KB."""
MARKS = (b"<", b"&", b"\n", b"\r", b"_x")
"""Signs at which a part's XML, or a text in it, is taken apart."""
MOST_ATTRIBUTES = 700_000
"""Of these parts, all together."""
MOST_MERGED = 100_000
"""Cells that get the text of another one, with which they are merged."""
MOST_FORMATS = 10_000
"""Formats that somebody chose: Excel takes some 250."""
_FORMAT_LENGTH = 255
"""Signs of a format, as Excel bounds it."""
_LONG_TEXT = re.compile(rb"(?:\A|<)[^<]{262144}")
"""An element or a text that no spreadsheet writes: a cell has 32,767 letters at most. It is looked
for at the begin of each alone, or it would take time with the square of their lengths."""

_EPOCH, _EPOCH_OF_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 -- of no zone
_FORMATS = {
    **dict.fromkeys([*range(14, 23), *range(27, 37), *range(50, 59)], "day"),
    **dict.fromkeys([*range(18, 22), *range(32, 36), 45, 47, 55, 56], "time"),
    46: "hours",
}
"""Kinds of the formats of days and times that every spreadsheet has, by their ids."""
_NO_LEAP_DAY = 60
"""29 February 1900, which Excel has: days before it are one more behind the epoch."""
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LAST_COLUMN = "XFD"
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
    """Parts that cells refer to: `texts` of the book, `formats` of cells by their style.

    `form`: how messages call it.
    """

    texts: list[str]
    formats: list[str]
    epoch: datetime
    form: str


def is_workbook(data: bytes) -> bool:
    return data.startswith(b"PK\x03\x04")


def read_sheet(data: bytes) -> tuple[str, Iterator[tuple[int, Mapping[int, str]]]]:
    """Read the first sheet that is shown. Return how it was read, such as "a workbook", and the
    rows: each one's number, and texts by place from 0.

    Raises NoWorkbook, also while the rows are read.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened_zip:
            parts = _Parts(opened_zip)
            book = parts.read_xml("xl/workbook.xml")
            relations = parts.read_xml("xl/_rels/workbook.xml.rels")
            targets = {one.get("Id"): one.get("Target", "") for one in relations}
            shown = [one for one in book.iter("sheet") if one.get("state", "visible") == "visible"]
            id_ = next(value for name, value in shown[0].items() if name.endswith("}id"))
            target = targets[id_]
            sheet = parts.read_xml(target[1:] if target[0] == "/" else f"xl/{target}")
            is_of_1904 = any(one.get("date1904") in ("1", "true") for one in book)
            reading = _Book(
                _read_texts(parts),
                _read_formats(parts),
                _EPOCH_OF_1904 if is_of_1904 else _EPOCH,
                _name_sheet(shown),
            )
    except _DAMAGES as error:
        raise NoWorkbook(
            f"it is a zip, and no workbook (.xlsx), so save it as one, or as CSV: {error}"
        ) from error
    return reading.form, _read_rows(sheet, reading)


def _name_sheet(shown: Sequence[ET.Element]) -> str:
    """Say which sheet is read, if others are shown, too: their people do not come in."""
    others = f", by its sheet {shown[0].get('name', '')!r} alone" if len(shown) > 1 else ""
    return f"a workbook{others}"


def _read_rows(sheet: ET.Element, book: _Book) -> Iterator[tuple[int, Mapping[int, str]]]:
    """Yield the rows of a sheet. Raises NoWorkbook."""
    number, merged_count = "0", 0
    try:
        merged_by_row, above = _read_merged(sheet), dict[int, tuple[int, str]]()
        for place, row in enumerate(_list_rows(sheet), start=1):
            number = row.get("r", f"{place}")
            cells = {
                _find_column(cell.get("r", ""), index): _read_cell(cell, book)
                for index, cell in enumerate(row.findall("c"))
            }
            merged = {column: text for column, (last, text) in above.items() if int(number) <= last}
            merged_count += len(merged)
            if merged_count > MOST_MERGED:
                raise NoWorkbook(
                    f"over {MOST_MERGED:,} cells are merged: end that, or save the table as CSV"
                )
            cells |= merged
            above = {column: above[column] for column in merged} | {
                column: (last, cells[column])
                for column, last in merged_by_row.get(int(number), ())
                if cells.get(column)
            }
            yield int(number), cells
    except (ValueError, IndexError, OverflowError) as error:
        raise NoWorkbook(f"row {number} has a cell that cannot be read: {error}") from error


def _list_rows(sheet: ET.Element) -> Iterator[ET.Element]:
    """Yield the rows of a sheet, and none that stands in another one."""
    yield from sheet.findall("row")
    for data in sheet.findall("sheetData"):
        yield from data.findall("row")


def _read_merged(sheet: ET.Element) -> dict[int, list[tuple[int, int]]]:
    """Return the columns of cells that are merged downwards, each with its last row, by the first
    row. Raises ValueError."""
    found = dict[int, list[tuple[int, int]]]()
    for one in sheet.iter("mergeCell"):
        begin, _, end = one.get("ref", "").partition(":")
        first, last = (int(place.lstrip(_LETTERS)) for place in (begin, end or begin))
        if last > first:
            found.setdefault(first, []).append((_find_column(begin, 0), last))
    return found


class _Parts:
    """The parts of a workbook, with what is left of the limits of all together."""

    def __init__(self, opened_zip: zipfile.ZipFile) -> None:
        self._zip = opened_zip
        self._left_bytes, self._left_signs = MOST_BYTES, MOST_SIGNS
        self._left_attributes = MOST_ATTRIBUTES

    def read_xml(self, path: str) -> ET.Element:
        """Read a part, with names without their namespaces. Raises KeyError, NoWorkbook."""
        with self._zip.open(path) as part:
            data = part.read(self._left_bytes + 1)
        self._left_bytes -= len(data)
        self._left_signs -= sum(map(data.count, MARKS))
        self._left_attributes -= data.count(b"=")
        if self._left_bytes < 0:
            raise NoWorkbook(f"it has more than {MOST_BYTES >> 20} MB: save the table as CSV")
        if self._left_signs < 0 or self._left_attributes < 0:
            raise NoWorkbook("it has more cells and texts than may be read: save the table as CSV")
        if _LONG_TEXT.search(data):
            raise NoWorkbook(f"{path} has a text of a size as no spreadsheet writes it")
        if b"<!DOCTYPE" in data or b"\0" in data:  # which alone declares what makes XML dangerous
            raise NoWorkbook(f"{path} is no XML as spreadsheets write it")
        try:
            root = ET.fromstring(data)  # noqa: S314 -- see above
        except (ET.ParseError, LookupError) as error:  # the latter of an unknown encoding
            raise NoWorkbook(f"{path} is no XML: {error}") from error
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    def read_optional_xml(self, path: str) -> ET.Element | None:
        """Read a part as `read_xml`; None: the workbook has none. Raises NoWorkbook."""
        return self.read_xml(path) if path in self._zip.namelist() else None


def _read_texts(parts: _Parts) -> list[str]:
    items = parts.read_optional_xml("xl/sharedStrings.xml")
    return [] if items is None else [_join_text(item) for item in items]


def _join_text(item: ET.Element) -> str:
    """Return a text of several fonts as one, without how Japanese is pronounced."""
    runs = [item, *(run for run in item if run.tag == "r")]
    text = "".join(part.text or "" for run in runs for part in run if part.tag == "t")
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda code: chr(int(code[1], 16)), text)


def _read_formats(parts: _Parts) -> list[str]:
    """Return the format of each style: `day`, `time`, `hours` that may be more than a day's, zeros
    such as `000`, or nothing that matters."""
    styles = parts.read_optional_xml("xl/styles.xml")
    if styles is None:
        return []
    chosen = [*styles.iter("numFmt")]
    if len(chosen) > MOST_FORMATS:
        raise NoWorkbook(f"it has over {MOST_FORMATS:,} formats: save the table as CSV")
    codes = {
        one.get("numFmtId"): _simplify(one.get("formatCode", "")[:_FORMAT_LENGTH]) for one in chosen
    }
    lists = [one for one in styles if one.tag == "cellXfs"]
    ids = [style.get("numFmtId", "0") for one in lists for style in one]
    return [_FORMATS.get(int(id_)) or codes.get(id_, "") for id_ in ids]


def _simplify(code: str) -> str:
    bare = re.sub(r'"[^"]*"|\\.|\[(?![hms]+\])[^]]*\]|_.|\*.', "", code.partition(";")[0].lower())
    if "[" in bare:
        return "hours"
    if re.search("[yd]", bare):
        return "day"
    return "time" if re.search("[hs]", bare) else "day" if "m" in bare else bare


def _find_column(reference: str, index: int) -> int:
    """Return the place of a cell, from 0: `AA7` is in column 26; without a reference `index`."""
    return _number_column(reference.rstrip("0123456789")) if reference else index


@lru_cache(maxsize=1_000)
def _number_column(letters: str) -> int:
    """Return the place of a column, from 0: `AA` is 26. Raises ValueError."""
    number = 0
    if len(letters) > len(_LAST_COLUMN):
        raise ValueError(f"{letters[:9]} is no column: the last one is {_LAST_COLUMN}")
    for letter in letters:
        number = 26 * number + _LETTERS.index(letter) + 1
    return number - 1


def _read_cell(cell: ET.Element, book: _Book) -> str:
    """Return the text of a cell. Raises ValueError, IndexError, OverflowError."""
    kind = cell.get("t", "n")
    value = cell.findtext("v", "")
    match kind:
        case "inlineStr":
            return "".join(_join_text(part) for part in cell if part.tag == "is")
        case "s":
            return book.texts[int(value)]
        case "e":
            raise ValueError(f"the error {value[:20]}")
        case "b":
            return "TRUE" if value == "1" else "FALSE"
        case "d":  # 2026-11-20T00:00:00, in place of a number
            return value.removesuffix(":00").replace("T", " ").removesuffix(" 00:00")
        case "n" if value:
            style = int(cell.get("s", "0"))
            form = book.formats[style] if style < len(book.formats) else ""
            return _write_number(value, form, book.epoch)
        case "n" if any(part.tag == "f" for part in cell):
            raise ValueError("a formula without its value: open and save it in a spreadsheet")
    return value


def _write_number(value: str, form: str, epoch: datetime) -> str:
    match form:
        case "day":
            return _write_day(float(value), epoch)
        case "time":
            return _write_time(float(value) % 1)
        case "hours":
            return _write_time(float(value))
    return _write(value, form)


def _write_time(days: float) -> str:
    minutes, seconds = divmod(round(days * 86_400), 60)
    shown = f"{minutes // 60:02}:{minutes % 60:02}"
    return f"{shown}:{seconds:02}" if seconds else shown


def _write_day(days: float, epoch: datetime) -> str:
    is_of_1900 = epoch == _EPOCH and days < _NO_LEAP_DAY
    at = epoch + timedelta(seconds=round(days * 86_400), days=is_of_1900)
    return at.isoformat(" ", "minutes") if at.time() != time.min else at.date().isoformat()


def _write(value: str, form: str) -> str:
    """Write a number as the sheet shows it; one that was rounded is refused, since it was an id."""
    number = float(value)
    if abs(number) >= 10**_MOST_DIGITS:
        raise ValueError(f"{value} was rounded: a number of over 15 digits is written as text")
    text = f"{number:.{_MOST_DIGITS}g}"
    return text.zfill(len(form)) if form and not form.strip("0") else text
