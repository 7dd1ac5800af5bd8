"""A workbook as a reader of zip and XML sees it."""

import zipfile
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
DAY_0 = datetime(1899, 12, 30)  # noqa: DTZ001 -- a workbook's days have no zone
FORMATS = {14: "day", 22: "minute"}
"""Number formats that every spreadsheet has (18.8.30)."""


def read(workbook: zipfile.ZipFile, path: str) -> ElementTree.Element:
    return ElementTree.fromstring(workbook.read(path))


def read_cells(workbook: zipfile.ZipFile) -> list[list[Any]]:
    """Read the sheet as a spreadsheet does: numbers, texts, and days and minutes by their
    styles."""
    formats = [
        FORMATS.get(int(one.get("numFmtId", "0")))
        for one in read(workbook, "xl/styles.xml").iterfind(f"{MAIN}cellXfs/{MAIN}xf")
    ]

    table = read(workbook, "xl/sharedStrings.xml")
    texts = [item.findtext(f"{MAIN}t") for item in table.iter(f"{MAIN}si")]

    def value_of(cell: ElementTree.Element) -> Any:
        if (text := cell.findtext(f"{MAIN}v")) is None:
            return None
        if cell.get("t") == "s":
            return texts[int(text)]
        is_time = formats[int(cell.get("s", "0"))]
        return DAY_0 + timedelta(seconds=round(float(text) * 86_400)) if is_time else float(text)

    sheet = read(workbook, "xl/worksheets/sheet1.xml")
    return [[*map(value_of, row)] for row in sheet.iter(f"{MAIN}row")]
