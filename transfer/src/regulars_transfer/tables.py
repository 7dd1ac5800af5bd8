"""The rows of a table, as spreadsheets save it.

CSV has no rules that all programs keep: this module detects the encoding, the delimiter, and the
lines above and below the table. Workbooks follow a standard (workbooks).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from msgspec import Struct
from regulars_client.errors import DamagedFile

from regulars_transfer import workbooks
from regulars_transfer.texts import unmark_text

Row = Mapping[int, str]
"""The cells of a row that have a text, by their places from 0, without spaces around them."""

_DIVIDERS = ";\t|,"
"""Signs that divide cells. Of two that are as frequent, the comma may be part of a number."""
_DIVIDER_LINE = re.compile(r'"?sep=(.)\1*"?\s*[\r\n]', re.IGNORECASE)
"""The first line by which Excel knows what divides cells."""
MOST_BYTES = 8 * 2**20
"""Of a table's file: 100,000 people in rows of 80 bytes have as many."""
MOST_COLUMNS = 1_000
MOST_ROWS = 200_000
"""Of a table, blank ones too."""
MOST_CELLS = 500_000
"""Of a table that have a text: 100,000 people in five columns have as many."""

_UNSEEN = r"[\s\ufeff\u200b-\u200f\u202a-\u202e\u2066-\u2069]+"
_EDGES = re.compile(rf"\A{_UNSEEN}|{_UNSEEN}\Z")
"""Spaces around a cell's text, and marks of order and direction that nobody sees."""

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
    if file.stat().st_size > MOST_BYTES:
        raise DamagedFile(f"{file} has more than {MOST_BYTES >> 20} MB: divide the table")
    data = file.read_bytes()
    if data.startswith(_WORKBOOK_OF_1997):
        raise DamagedFile(
            f"{file} is a workbook from before 2007 (.xls), or one with a password: save it as "
            ".xlsx without a password, or as CSV"
        )
    form = "a workbook" if workbooks.is_workbook(data) else "CSV"
    try:
        if workbooks.is_workbook(data):
            form, rows = workbooks.read_sheet(data)
        else:
            text, form = _decode_table(data)
            rows = _split_text(text)
        filled_rows: list[tuple[int, Row]] = [
            (number, filled) for number, cells in _bound(rows) if (filled := _trim_row(cells))
        ]
    except (csv.Error, workbooks.NoWorkbook) as error:
        raise DamagedFile(f"{file} is no table in {form}: {error}") from error
    head = filled_rows[0][1] if filled_rows else {}
    return Table(form, head, filled_rows[1:])


def _bound(rows: Iterator[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a table; raise csv.Error at the first that is too many."""
    cell_count = 0
    for count, (number, cells) in enumerate(rows, start=1):
        cell_count += len(cells)
        if count > MOST_ROWS or cell_count > MOST_CELLS:
            raise csv.Error(
                f"it has over {MOST_ROWS:,} rows, or {MOST_CELLS:,} cells: divide the table"
            )
        yield number, cells


def _trim_row(cells: Row) -> Row:
    """Return the cells that have a text, without spaces around it."""
    trimmed = {place: _trim_text(cell) for place, cell in cells.items()}
    return {place: text for place, text in trimmed.items() if text}


def _trim_text(text: str) -> str:
    return text.strip() if text.isascii() else _EDGES.sub("", text)


def _split_text(text: str) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a table in CSV, each with the number of its last line.

    Raises csv.Error, which names the line.
    """
    if "\0" in text:
        raise csv.Error("it has bytes that are no text")
    told = _DIVIDER_LINE.match(text)
    first_line = next(filter(str.strip, io.StringIO(text, newline=None)), "")
    bare = re.sub('"[^"]*"', "", first_line)
    divider = told[1] if told else max(_DIVIDERS, key=bare.count)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=divider, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if len(cells) > MOST_COLUMNS:
                raise csv.Error(f"it has over {MOST_COLUMNS:,} cells")
            if not (told and reader.line_num == 1):
                yield (
                    reader.line_num,
                    {n: _parse_cell(cell) for n, cell in enumerate(cells) if cell},
                )
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {error}") from error


def _parse_cell(cell: str) -> str:
    """Return the text of a cell: `="007"` is 007, by which programs keep its zeros in Excel."""
    if "'" not in cell and not cell.startswith("="):
        return cell
    formula = re.fullmatch('="(.*)"', cell, re.DOTALL)
    return formula[1].replace('""', '"') if formula else unmark_text(cell)


def _decode_table(data: bytes) -> tuple[str, str]:
    """Decode a spreadsheet's table. Return the text and the name of its encoding.

    A table that is not in UTF is in Chinese (GB18030) or of a western Windows (1252). Nothing in
    such a table names the encoding, so the encoding is guessed. The returned name has an example,
    by which people see whether the guess is right. Raises csv.Error.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), "UTF-16"
    # without a mark: every other byte of its first letters is 0
    for encoding, zeros in (("utf-16-le", data[1:8:2]), ("utf-16-be", data[:8:2])):
        if len(data) > 1 and not any(zeros):
            return data.decode(encoding, "replace"), "UTF-16"
    with suppress(UnicodeDecodeError):
        return data.decode("utf-8").lstrip("\ufeff"), "UTF-8"
    for encoding, name, is_likely in (
        ("gb18030", "GB18030", _is_chinese),
        ("cp1252", "Windows-1252", _is_western),
    ):
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if is_likely(text):
                example = re.search(r'[^,;|"\t\r\n]*[^\0-\x7f][^,;|"\t\r\n]*', text)
                shown = example[0].strip()[:_EXAMPLE_LENGTH] if example else ""
                return text, f"{name}, as in {shown!r}"
    raise csv.Error("its letters are not readable: save it as .xlsx, or as CSV in UTF-8")


_EXAMPLE_LENGTH = 40
_MOST_WORDS, _WORD_LENGTH = 5_000, 100
"""Words, and letters of each, by which the encoding of a table is guessed."""

_NOISE = re.compile(
    r"[^\W\d_\0-\x7f]{4}|[†‡\u02c6\u02dc¤¥¦¨¬¯¶\xb8¹¢£][A-Za-z]|"
    r"[A-Za-z][\u201a„“”…‰\u2039\u203a™ŠŽŸ][a-z]"
)
"""Rows of signs that appear if letters of another code are read as Windows-1252."""


def _is_chinese(text: str) -> bool:
    """Tell whether a table in GB18030 makes sense: `Müßig` of Windows-1252 is `M` and a sign that
    nobody has, `Müller` is `M黮ler`, and in Chinese most words stand apart from letters.

    Russian is a row of signs, too, but of rare ones. In Chinese most are of GB 2312's first level.
    """
    found = islice(re.finditer("[A-Za-z]?[^\0-\x7f]+[A-Za-z]?", text), _MOST_WORDS)
    words = [word[0] for word in found]
    mixed = [word for word in words if re.search("[A-Za-z\ue000-\uf8ff]", word)]
    letters = "".join(word[:_WORD_LENGTH] for word in words)
    signs = [sign.encode("gb18030") for sign in letters if not sign.isascii()]
    common = [code for code in signs if 0xA1 <= code[0] <= 0xD7 and code[1] >= 0xA1]
    return 2 * len(mixed) < len(words) and 2 * len(common) > len(signs)


def _is_western(text: str) -> bool:
    """Tell whether a table in Windows-1252 makes sense: no name of western Europe has four letters
    with marks in a row, a sign before a letter, or a quote or capital amid letters.

    Other letters that are read so have: `Γιώργος` is `Ãéþñãïò`, `Łukasz` is `£ukasz`, and `小明` is
    `¤p©ú`; `Jörg` of DOS is `J”rg`, `Müller` of old Macs `MŸller`.
    """
    return not _NOISE.search(text)
