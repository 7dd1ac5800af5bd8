"""Text from other programs: files in the encodings of spreadsheets, file names in any encoding."""

from __future__ import annotations

import codecs
from pathlib import Path

from regulars.errors import OperatorError


def content(path: Path) -> str:
    """Read a file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises OperatorError, with the line, if it is neither.
    """
    data = path.read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding, name = ("utf-16", "UTF-16") if wide else ("utf-8-sig", "UTF-8")
    wrong = -1
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = data[: error.start].decode(encoding, "ignore")
        wrong = len(text)
    if "\0" in text:  # UTF-16 without its mark mostly decodes as UTF-8
        wrong = text.index("\0")
    if wrong < 0:
        return text
    line = text.count("\n", 0, wrong) + 1
    raise OperatorError(
        f"line {line} of {path} is no {name}: save it as UTF-8, or as UTF-16 with a byte order mark"
    )
