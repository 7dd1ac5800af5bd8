"""Which rows has a table, as a spreadsheet saves it?

CSV has no rules that all keep: its bytes, its dividers and what stands before and below the table
are told apart here. A workbook has (workbooks).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from chalicelib.storage.values import unmark_text
from regulars.errors import DamagedFile
from regulars.transfer import workbooks

Row = Mapping[int, str]
"""The cells of a row that have a text, by their places from 0, without spaces around them."""

_ENCODINGS = {"utf-8-sig": "UTF-8", "gb18030": "GB18030", "cp1252": "Windows-1252"}
_DIVIDERS = ",;\t"
_DIVIDER_LINE = re.compile(r'"?sep=(.)"?\s*\n', re.IGNORECASE)
"""The first line by which Excel knows what divides cells."""


_WORKBOOK_OF_1997 = b"\xd0\xcf\x11\xe0"


class Table(Struct, frozen=True):
    """`head`: the first row with a text; `rows`: those below it, with their numbers in the file.

    `form`: how the file was read, such as `UTF-8`.
    """

    form: str
    head: Row
    rows: list[tuple[int, Row]]


def read_rows(file: Path) -> Table:
    """Read a table, without blank rows. Raises DamagedFile."""
    data = file.read_bytes()
    if data.startswith(_WORKBOOK_OF_1997):
        raise DamagedFile(
            f"{file} is a workbook of before 2007 (.xls): save it as .xlsx, or as CSV"
        )
    if workbooks.is_workbook(data):
        form = "a workbook"
        rows: Iterator[tuple[int, Row]] = workbooks.read_sheet(data)
    else:
        text, form = _decode_table(data)
        rows = _split_text(text)
    try:
        filled_rows: list[tuple[int, Row]] = [
            (number, filled)
            for number, cells in rows
            if (filled := {place: text for place, cell in cells.items() if (text := cell.strip())})
        ]
    except (csv.Error, workbooks.NoWorkbook) as error:
        raise DamagedFile(f"{file} is no table in {form}: {error}") from error
    head = filled_rows[0][1] if filled_rows else {}
    return Table(form, head, filled_rows[1:])


def _split_text(text: str) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a table in CSV, each with the number of its last line. Raises
    csv.Error."""
    if "\0" in text:
        raise csv.Error("it has bytes that are no text")
    told = _DIVIDER_LINE.match(text)
    first_line = next(filter(str.strip, text.splitlines()), "")
    divider = told[1] if told else max(_DIVIDERS, key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=divider, strict=True)
    for cells in reader:
        if not (told and reader.line_num == 1):
            yield reader.line_num, {n: unmark_text(cell) for n, cell in enumerate(cells)}


def _decode_table(data: bytes) -> tuple[str, str]:
    """Decode a spreadsheet's table. Return the text and the name of its encoding.

    A table that is not in UTF is in Chinese (GB18030) or of a European Windows (1252).
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), "UTF-16"
    # without a mark: every other byte of its first letters is 0
    for encoding, zeros in (("utf-16-le", data[1:8:2]), ("utf-16-be", data[:8:2])):
        if len(data) > 1 and not any(zeros):
            return data.decode(encoding, "replace"), "UTF-16"
    for encoding, name in _ENCODINGS.items():
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if encoding != "gb18030" or _is_chinese(text):
                return text, name
    return data.decode("latin-1"), "Latin-1"


def _is_chinese(text: str) -> bool:
    """Tell whether a table in GB18030 makes sense: `Müßig` of Windows-1252 is `M` and a sign that
    nobody has, `Müller` is `M黮ler`, and in Chinese most words stand apart from letters."""
    words = re.findall("[A-Za-z]?[^\0-\x7f]+[A-Za-z]?", text)
    mixed = [word for word in words if re.search("[A-Za-z\ue000-\uf8ff]", word)]
    return 2 * len(mixed) < len(words)
