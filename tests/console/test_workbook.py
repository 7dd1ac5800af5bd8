"""A table's workbook is one by the standard's parts (ECMA-376), as a reader of zip and XML sees
it."""

import io
import json
import zipfile
from datetime import datetime

import pytest

from chalicelib.api.console_files import locate_folder
from testing.reported import replays
from tests.console.workbooks import MAIN, read, read_cells
from tests.support.node import node

RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
DOCUMENT = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
TYPES = "{http://schemas.openxmlformats.org/package/2006/content-types}"
HEAD = ["Name", "Erste & letzte"]
TEXTS = [
    '=HYPERLINK("x")',
    "1234567890123456789",
    '<b>"&"</b>',
    "_x0041_",
    "王芳 👩🏽",
    " two  spaces ",
    "a\rb\nc",
]
HARD = "\\u0000\\u0007\\ud800\\uffff"
"""What no XML can hold, as JavaScript writes it."""


@pytest.fixture(scope="module")
def workbook() -> zipfile.ZipFile:
    rows = json.dumps([[text] for text in TEXTS])
    told = node(
        "--input-type=module",
        "--eval",
        f"""
        const {{ workbook }} = await import("{locate_folder().as_uri()}/shared/xlsx.js");
        const {{ Moment }} = await import("{locate_folder().as_uri()}/shared/tables.js");
        const rows = [{json.dumps(HEAD)}, ...{rows}, ["x{HARD}y"], [0.25, -3, null, "", Infinity],
          [new Moment("2026-11-20"), new Moment("2026-11-20 14:05")]];
        const blob = new Blob(workbook(rows));
        console.log(JSON.stringify([...new Uint8Array(await blob.arrayBuffer())]));
        """,
    )
    return zipfile.ZipFile(io.BytesIO(bytes(json.loads(told))))


def test_each_part_is_whole_has_a_type_and_is_reached_from_the_package(
    workbook: zipfile.ZipFile,
) -> None:
    assert workbook.testzip() is None
    types = read(workbook, "[Content_Types].xml")
    typed = {one.get("PartName", "").lstrip("/") for one in types.iter(f"{TYPES}Override")}
    reached: dict[str | None, str] = {}
    for path, folder in (("_rels/.rels", ""), ("xl/_rels/workbook.xml.rels", "xl/")):
        for one in read(workbook, path).iter(RELATION):
            reached[folder + str(one.get("Id"))] = folder + str(one.get("Target"))
    assert (
        typed
        == {*reached.values()}
        == {name for name in workbook.namelist() if "rels" not in name} - {"[Content_Types].xml"}
    )
    [sheet] = read(workbook, "xl/workbook.xml").iter(f"{MAIN}sheet")
    assert reached[f"xl/{sheet.get(f'{DOCUMENT}id')}"] == "xl/worksheets/sheet1.xml"


@replays(132, "box/spout 53", "Cadasta/cadasta-platform 1496")
def test_texts_stand_in_the_table_of_texts_which_numbers_reads(
    workbook: zipfile.ZipFile,
) -> None:
    sheet = read(workbook, "xl/worksheets/sheet1.xml")
    assert {cell.get("t", "n") for cell in sheet.iter(f"{MAIN}c")} == {"n", "s"}
    items = [*read(workbook, "xl/sharedStrings.xml").iter(f"{MAIN}si")]
    assert len(items) == len({item.findtext(f"{MAIN}t") for item in items}), "each stands once"


def test_texts_are_texts_numbers_numbers_and_days_days(workbook: zipfile.ZipFile) -> None:
    head, *texts, hard, numbers, days = read_cells(workbook)
    assert head == HEAD
    marked = [f"'{text}" if text[0] in "=1" else text for text in TEXTS]
    coded = [text.replace("_x0041_", "_x005F_x0041_") for text in marked]
    assert [text for [text] in texts] == coded
    assert hard == ["x    y"]
    assert numbers == [0.25, -3, None, None, "Infinity"]
    assert days == [datetime(2026, 11, 20), datetime(2026, 11, 20, 14, 5)]  # noqa: DTZ001 -- as above
