"""Tables as spreadsheets save them are read, or refused in words that name the row."""

import base64
import io
import json
import re
import unicodedata
from pathlib import Path
from typing import Literal

import pytest
from regulars_client.errors import DamagedFile
from regulars_transfer import sources, workbooks
from regulars_transfer.texts import write_rows

from chalicelib.api.console_files import locate_folder
from testing.reported import replays
from tests.support.node import node
from tests.support.workbook import (
    DAY,
    HOURS,
    OWN_DAY,
    OWN_HOURS,
    OWN_TIME,
    TIME,
    ZEROS,
    Styled,
    make_workbook,
)

ANN_AND_BO = {"Ann Müßig": ["ann.jpg"], "Bo": ["bo.jpg"]}
HEAD = "path;name\r\n"
ROWS = "ann.jpg;Ann Müßig\r\nbo.jpg;Bo\r\n"
TABLES = {
    "as it should be": HEAD + ROWS,
    "blank rows below": HEAD + ROWS + ";\r\n;\r\n",
    "blank rows above and amid": ";\r\n\r\n" + HEAD + ";\r\n" + ROWS,
    "blank lines below": HEAD + ROWS + "\r\n\r\n",
    "blank columns at the right": "path;name;;\r\nann.jpg;Ann Müßig;;\r\nbo.jpg;Bo;;\r\n",
    "a blank column amid": "path;;name\r\nann.jpg;;Ann Müßig\r\nbo.jpg;;Bo\r\n",
    "dividers left out at the end": "path;name;note\r\nann.jpg;Ann Müßig\r\nbo.jpg;Bo;\r\n",
    "spaces in the head": "path ; name\r\n" + ROWS,
    "spaces that do not break in the head": "\xa0path\xa0;name\r\n" + ROWS,
    "spaces in cells": HEAD + " ann.jpg ; Ann Müßig \r\n bo.jpg; Bo\r\n",
    "capitals in the head": "Path;Name\r\n" + ROWS,
    "one capital": "path;Name\r\n" + ROWS,
    "all capitals": "PATH;NAME\r\n" + ROWS,
    "another program's name with a capital": "Picture;Person\r\n" + ROWS,
    "sep=;": "sep=;\r\n" + HEAD + ROWS,
    "sep=; in quotes": '"sep=;"\r\n' + HEAD + ROWS,
    "SEP=,": "SEP=,\r\n" + (HEAD + ROWS).replace(";", ","),
    "commas": (HEAD + ROWS).replace(";", ","),
    "tabs": (HEAD + ROWS).replace(";", "\t"),
    "all in quotes": '"path";"name"\r\n"ann.jpg";"Ann Müßig"\r\n"bo.jpg";"Bo"\r\n',
    "the ends of lines of old": (HEAD + ROWS).replace("\r\n", "\r"),
    "no end of the last line": (HEAD + ROWS).rstrip(),
    "a backslash": HEAD + ".\\ann.jpg;Ann Müßig\r\nbo.jpg;Bo\r\n",
    "bars": (HEAD + ROWS).replace(";", "|"),
    "sep=;; and the ends of lines of old": ("sep=;;\r\n" + HEAD + ROWS).replace("\r\n", "\r"),
    "spaces before quotes": 'path; "name"\r\nann.jpg; "Ann Müßig"\r\nbo.jpg; "Bo"\r\n',
    "texts as formulas": '="path";name\r\n="ann.jpg";="Ann Müßig"\r\n"=""bo.jpg""";Bo\r\n',
    "ü as two signs": "path;name\r\nann.jpg;Ann Mu\u0308ßig\r\nbo.jpg;Bo\r\n",
    "marks of direction": HEAD + "ann.jpg;\u202aAnn Müßig\u202c\r\n\u200ebo.jpg;Bo\u200b\r\n",
    "the mark of UTF twice": "\ufeff" + HEAD + ROWS,
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ann.jpg", "bo.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def read(folder: Path, data: bytes) -> sources.Source:
    (folder / "people.csv").write_bytes(data)
    return sources.read_table(folder / "people.csv")


def people(source: sources.Source) -> dict[str, list[str]]:
    return {
        person.name: [photo.name.lstrip("./\\") for photo in person.photos]
        for person in source.people
    }


@replays(
    61,
    *("manage-vaccinations-in-schools 2186", "argo 4316", "ganttproject 1634"),
    *("firefly-iii 691", "Postico 550", "openpetra 596", "overview-server 248"),
    *("pelias/csv-importer 30", "ng-csv 28", "export-to-csv 119"),
)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_table_is_read_as_a_spreadsheet_saves_it(folder: Path, encoding: str) -> None:
    for what, text in TABLES.items():
        if encoding != "cp1252" or not re.search("[\xa0\u0308\u200b-\u202f\ufeff]", text):
            source = read(folder, text.encode(encoding))
            assert people(source) == ANN_AND_BO, what
            assert not any(person.other_fields.get("attributes") for person in source.people), what


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path;name;Name\r\nann.jpg;Ann;Ann\r\n", "has the column 'name' twice"),
        ("path;name;Team;Team\r\nann.jpg;Ann;a;b\r\n", "has the column 'Team' twice"),
        ("path;name;\r\nann.jpg;Ann;x\r\n", "line 2 has more cells than the first line has names"),
        ("path;id\r\nann.jpg;1,23457E+18\r\n", r"line 2 .* '1,23457E\+18'.* rounded"),
        (HEAD + ";Ann\r\n", "line 2 names a file, and there is no picture ''"),
        ("\r\n;\r\n", "no column `path`"),
        ("path;id\r\nann.jpg;1.23457e+18\r\n", r"line 2 .* '1.23457e\+18'.* rounded"),
        (HEAD + "bo.jpg;Bo\r\nann.jpg;#NAME?\r\n", "line 3 says name '#NAME[?]', which a spread"),
        ("path;id\r\nbo.jpg;7\r\nann.jpg;a b/c\r\n", "line 3 says id 'a b/c': an id is 1 to 64"),
        ("path;born\r\nann.jpg;########\r\n", "line 2 says born '########', which a spread"),
        (HEAD + 'ann.jpg;"Ann "the boss" Lee"\r\n', "no table in UTF-8: line 2: "),
    ],
)
def test_a_table_that_would_be_misread_is_refused_by_its_row(
    folder: Path, text: str, says: str
) -> None:
    with pytest.raises(DamagedFile, match=says):
        read(folder, text.encode())


@pytest.mark.parametrize(
    "head",
    ["path;1,5;2,5", 'path;name;"Seen, heard, met"', 'path,"a;b;c"', '"path"|"a,b;c|d"'],
)
def test_what_divides_cells_is_told_from_what_stands_in_them(folder: Path, head: str) -> None:
    divider = "|" if "|" in head else ";" if ";" in head.replace("a;b;c", "") else ","
    source = read(folder, f"{head}\r\n{divider.join(['ann.jpg', 'x'])}\r\n".encode())
    assert [photo.name for person in source.people for photo in person.photos] == ["ann.jpg"]


UNREADABLE = {
    "cp1250": "Łukasz Żak",
    "cp1251": "Иван Петров",
    "cp1253": "Γιώργος",
    "cp1255": "שלום כהן",
    "cp1256": "محمد علي",
    "big5": "王小明",
    "shift_jis": "田中太郎",
    "cp850": "Jörg",
    "cp437": "Müßig",
    "mac_roman": "Zoë Müller",
}


@pytest.mark.parametrize("encoding", UNREADABLE)
def test_a_table_whose_letters_nobody_told_is_refused(folder: Path, encoding: str) -> None:
    with pytest.raises(DamagedFile, match=r"not readable: save it as \.xlsx, or as CSV in UTF-8"):
        read(folder, f"path;name\r\nann.jpg;{UNREADABLE[encoding]}\r\n".encode(encoding))


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp1252", "Sæþór Hjálmarsson"), ("cp1252", "O’Neil – 5 €"), ("gb18030", "王小明")],
)
def test_a_table_whose_letters_are_guessed_says_an_example(
    folder: Path, encoding: str, name: str
) -> None:
    source = read(folder, f"path;name\r\nann.jpg;{name}\r\n".encode(encoding))
    assert [*people(source)] == [name]
    assert source.about.endswith(f", as in {name!r}")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_picture_is_found_whether_its_name_has_two_signs_for_one(
    folder: Path, forms: tuple[Literal["NFC", "NFD"], ...]
) -> None:
    stored, written = (unicodedata.normalize(form, "zoë.jpg") for form in forms)
    (folder / stored).write_bytes(b"zoe")
    assert len(read(folder, f"path;name\r\n{written};Zoë\r\n".encode()).people[0].photos) == 1


@pytest.mark.parametrize("name", ["\uf90a.jpg", f"{unicodedata.normalize('NFD', 'ü')}/ö.jpg"])
def test_a_picture_is_found_by_the_very_name_that_the_table_has(folder: Path, name: str) -> None:
    """Of Korea's old signs, or of two systems: neither way of writing has it."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"zoe")
    assert len(read(folder, f"path;name\r\n{name};Zoë\r\n".encode()).people[0].photos) == 1


def test_a_table_of_before_2007_says_how_to_save_it(folder: Path) -> None:
    with pytest.raises(DamagedFile, match=r"before 2007 \(\.xls\), or one with a password: save"):
        read(folder, b"\xd0\xcf\x11\xe0\xa1\xb1")


def test_a_dry_run_says_which_columns_are_attributes(folder: Path) -> None:
    source = read(folder, b"Path;Name;Member since;age\r\nann.jpg;Ann;2020;40.0\r\n")
    assert source.about.endswith("in UTF-8, with the attributes Member since")
    assert source.people[0].other_fields == {"age": 40, "attributes": {"Member since": "2020"}}


def test_what_we_write_comes_back_as_it_was(folder: Path) -> None:
    names = ["=1+1", "'=1+1", "O'Neil", "@a;=b", "1234567890123456", "Zoë, geb. -x", '"q"']
    file = io.StringIO(newline="")
    write_rows([["path", "name"], *(["ann.jpg", name] for name in names)], file)
    assert [one.name for one in read(folder, file.getvalue().encode()).people] == names


# --- workbooks


def test_a_workbook_is_read_as_it_is_shown(folder: Path) -> None:
    rows = [
        ["Path", " NAME", None, "id", "Member since", "Left", "Number"],
        [],
        ["ann.jpg", "Ann Müßig", None, "007", Styled((46_346, DAY)), Styled((46_346.5, OWN_DAY))],
        ["bo.jpg", "Bo", None, 12.0, None, None, Styled((7, ZEROS))],
        [None, None],
    ]
    source = read(folder, make_workbook(rows, hidden_first=True))
    ann, bo = source.people
    assert people(source) == ANN_AND_BO
    assert (ann.id, bo.id) == ("007", "12")
    assert ann.other_fields["attributes"] == {
        "Member since": "2026-11-20",
        "Left": "2026-11-20 12:00",
    }
    assert bo.other_fields["attributes"]["Number"] == "007"
    assert source.about.endswith("in a workbook, with the attributes Left, Member since, Number")


SHEET, TEXTS = "xl__worksheets__sheet1.xml", "xl__sharedStrings.xml"
STYLES = "xl__styles.xml"
MERGED = "</sheetData><mergeCells><mergeCell ref='B2:B3'/><mergeCell ref='A5:B5'/></mergeCells>"


def test_of_merged_cells_each_row_has_the_text(folder: Path) -> None:
    data = make_workbook(
        [["path", "name"], ["ann.jpg", "Ann"], ["bo.jpg", None], ["ann.jpg"]], replacing=MERGED
    )
    assert people(read(folder, data)) == {"Ann": ["ann.jpg", "bo.jpg"], "": ["ann.jpg"]}


@pytest.mark.parametrize(
    ("style", "number", "shown"),
    [
        (TIME, 9.5 / 24, "09:30"),
        (TIME, 0.0, "00:00"),
        (TIME, 46_346 + 9.5 / 24, "09:30"),
        (OWN_TIME, 61.0 / 86_400, "00:01:01"),
        (HOURS, 1.25, "30:00"),
        (OWN_HOURS, 2.0, "48:00"),
        (OWN_DAY, 46_346.0, "2026-11-20"),
        (DAY, 15.0, "1900-01-15"),
        (DAY, 61.0, "1900-03-01"),
    ],
)
def test_a_time_of_a_workbook_is_no_day_of_1899(
    folder: Path, style: int, number: float, shown: str
) -> None:
    data = make_workbook([["path", "At"], ["ann.jpg", Styled((number, style))]])
    assert read(folder, data).people[0].other_fields["attributes"] == {"At": shown}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-11-20T00:00:00", "2026-11-20"),
        ("2026-11-20T09:30:00", "2026-11-20 09:30"),
        ("09:30:00", "09:30"),
    ],
)
def test_a_day_that_is_written_as_a_text_is_shown_as_others(
    folder: Path, written: str, shown: str
) -> None:
    row = "".join(
        f'<c t="{kind}">{text}</c>'
        for kind, text in (("inlineStr", "<is><t>ann.jpg</t></is>"), ("d", f"<v>{written}</v>"))
    )
    head = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("path", "At"))
    data = make_workbook([], **{SHEET: f"<a><row>{head}</row><row>{row}</row></a>"})
    assert read(folder, data).people[0].other_fields["attributes"] == {"At": shown}


@pytest.mark.parametrize(
    ("code", "form"),
    [
        ("General", "general"),
        ('[$Rs]#,##0 "days"', "#,##0 "),
        ("[Red]000", "000"),
        ("d\\. mmm", "day"),
        ("mmmm", "day"),
        ("mm:ss.0", "time"),
        ("[mm]:ss", "hours"),
        ('h "o\'clock"', "time"),
        ('yyyy"年"m"月"', "day"),
    ],
)
def test_a_format_is_known_by_what_it_shows(code: str, form: str) -> None:
    assert workbooks._simplify(code) == form


def inline(*texts: str) -> str:
    return "".join(f"<c t='inlineStr'><is><t>{text}</t></is></c>" for text in texts)


def named(xml: str, prefix: str) -> str:
    """Write each element's name with a prefix."""
    return xml.replace("</", "\0").replace("<", f"<{prefix}").replace("\0", f"</{prefix}")


@replays(
    131,
    "akeneo-labs/spreadsheet-parser 46",
    "tidyverse/readxl 26",
    "dilshod/xlsx2csv 311",
    "nuovo/spreadsheet-reader 147",
)
@pytest.mark.parametrize(
    ("prefix", "space"), [("", ' xmlns="urn:main"'), ("x:", ' xmlns:x="urn:main"')]
)
def test_a_workbook_of_other_programs_is_read(folder: Path, prefix: str, space: str) -> None:
    """Without dimension, places of cells and the table of texts, and with a prefix, as Power BI's,
    Google's and Numbers'."""
    lines = [("path", "name"), ("ann.jpg", "Ann Müßig"), ("bo.jpg", "Bo")]
    rows = "".join(f"<row>{inline(*line)}</row>" for line in lines)
    sheet = named(f"<worksheet{space}><sheetData>{rows}</sheetData></worksheet>", prefix)
    assert people(read(folder, make_workbook([], **{SHEET: sheet}))) == ANN_AND_BO


def test_a_workbook_of_several_sheets_says_which_is_read(folder: Path) -> None:
    data = make_workbook([["path", "name"], ["ann.jpg", "Ann"]], others=["More"])
    assert read(folder, data).about.endswith("in a workbook, by its sheet 'Sheet1' alone")


def test_a_workbook_that_the_console_wrote_is_read(folder: Path) -> None:
    written = node(
        "--input-type=module",
        "--eval",
        f"""
        const {{ workbook }} = await import("{locate_folder().as_uri()}/shared/xlsx.js");
        const rows = {json.dumps([["path", "name"], ["ann.jpg", "Ann Müßig"], ["bo.jpg", "Bo"]])};
        const blob = new Blob(workbook(rows));
        console.log(JSON.stringify(Buffer.from(await blob.arrayBuffer()).toString("base64")));
        """,
    )
    assert people(read(folder, base64.b64decode(json.loads(written)))) == ANN_AND_BO


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (make_workbook([["path"], ["ann.jpg", None, "x"]]), "line 2 has more cells"),
        (make_workbook([["path", "id"], ["ann.jpg", 1.23456789012346e18]]), "row 2 .* was rounded"),
        (make_workbook([["path"]], **{SHEET: "<!DOCTYPE a><a/>"}), "no XML as spreadsheets write"),
        (make_workbook([["path"]], **{SHEET: "<a>"}), "sheet1.xml is no XML"),
        (
            make_workbook([["path"]], **{SHEET: "<?xml version='1.0' encoding='x'?><a/>"}),
            "sheet1.xml is no XML: unknown encoding",
        ),
        (
            make_workbook([["path"]], **{SHEET: '<a><row><c t="e"><v>#N/A</v></c></row></a>'}),
            "row 1 has a cell that cannot be read: the error #N/A",
        ),
        (
            make_workbook([["path"]], **{SHEET: '<a><row><c t="s"><v>9</v></c></row></a>'}),
            "row 1 has a cell that cannot be read",
        ),
        (
            make_workbook([["path"]], **{SHEET: '<a><row><c><f>A2&amp;"x"</f><v/></c></row></a>'}),
            "row 1 .* a formula without its value: open and save it in a spreadsheet",
        ),
        (
            make_workbook([["path"]], **{SHEET: " " * (workbooks.MOST_BYTES + 1)}),
            "more than 16 MB: save the table as CSV",
        ),
        (make_workbook([["path"]], xl__workbook__xml="x")[:300], "no workbook"),
        (make_workbook([["path"]]).replace(b"workbook.xml", b"workbook.xmm"), "no workbook"),
    ],
    ids=[
        "beside",
        "rounded",
        "entities",
        "torn",
        "encoding",
        "an error",
        "no text",
        "no value",
        "bomb",
        "cut",
        "another",
    ],
)
def test_a_workbook_that_cannot_be_read_says_why(folder: Path, data: bytes, says: str) -> None:
    with pytest.raises(DamagedFile, match=says):
        read(folder, data)


MIB = 2**20
MERGED_ALL = "".join(
    f"<mergeCell ref='{letter}1:{letter}9999999'/>" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
FULL_ROW = "".join(f'<c r="{letter}1" t="inlineStr"><is><t>x</t></is></c>' for letter in "ABCDEFG")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"path\n" * 200_001, "over 200,000 rows"),
        (b"\n" * 2 * MIB, "over 200,000 rows"),
        (b";" * 2 * MIB, "line 1: it has over 1,000 cells"),
        ((b"a;" * 999 + b"a\n") * 501, "or 500,000 cells: divide the table"),
        (b" " * 8 * MIB + b"a", "has more than 8 MB: divide the table"),
        (
            make_workbook([["path"]], **{SHEET: "<a>" + "<row/>" * 700_000 + "</a>"}),
            "it has more cells and texts than may be read: save the table as CSV",
        ),
        (
            make_workbook(
                [["path"]],
                **{TEXTS: f"<a>{'<si/>' * 400_000}</a>", STYLES: f"<a>{'<b/>' * 400_000}</a>"},
            ),
            "it has more cells and texts than may be read",
        ),
        (
            make_workbook(
                [["path"]],
                **{
                    SHEET: f"<a><row r='1'>{FULL_ROW}</row>{'<row/>' * 20_000}"
                    f"<mergeCells>{MERGED_ALL}</mergeCells></a>"
                },
            ),
            "over 100,000 cells are merged: end that, or save the table as CSV",
        ),
        (
            make_workbook([["path"]], **{SHEET: f"<a><row><c r='{'A' * 300_000}1'/></row></a>"}),
            "of a size as no spreadsheet writes it",
        ),
        (
            make_workbook([["path"]], **{SHEET: "<a z='>'" + " a=''" * 700_001 + "/>"}),
            "it has more cells and texts than may be read",
        ),
        (
            make_workbook([["path"]], **{SHEET: f"<a><row><c r='{'A' * 30_000}1'/></row></a>"}),
            "AAAAAAAAA is no column: the last one is XFD",
        ),
        (
            make_workbook([["path"]], **{STYLES: f"<a>{'<numFmt/>' * 10_001}</a>"}),
            "it has over 10,000 formats",
        ),
    ],
    ids=[
        *("rows", "blank rows", "columns", "cells", "bytes"),
        *("elements", "texts", "merged cells", "tag", "attributes", "column", "formats"),
    ],
)
def test_a_table_that_would_cost_seconds_is_refused_before_it_does(
    folder: Path, data: bytes, says: str
) -> None:
    """Workbooks of 20 KB took 6 s and 450 MB; 8 MB of CSV took a minute."""
    with pytest.raises(DamagedFile, match=says):
        read(folder, data)


def test_empty_cells_that_are_merged_downwards_cost_nothing(folder: Path) -> None:
    sheet = f"<a><row r='1'/>{'<row/>' * 20_000}<mergeCells>{MERGED_ALL}</mergeCells></a>"
    with pytest.raises(DamagedFile, match="path"):
        read(folder, make_workbook([["path"]], **{SHEET: sheet}))


def test_rows_in_rows_are_none(folder: Path) -> None:
    """Each of them would have the cells of all that stand in it."""
    sheet = f"<a>{'<row>' * 3_000}{'<c/>' * 3_000}{'</row>' * 3_000}</a>"
    _, rows = workbooks.read_sheet(make_workbook([["path"]], **{SHEET: sheet}))
    assert sum(len(cells) for _, cells in rows) == 0


def test_a_long_format_is_read_once_and_to_its_end_as_spreadsheets_have_it(folder: Path) -> None:
    chosen = f"<numFmts><numFmt numFmtId='200' formatCode='{'[' * 60_000}'/></numFmts>"
    used = "<xf numFmtId='200'/>" * 100_000
    styles = f"<a>{chosen}<cellXfs>{used}</cellXfs></a>"
    data = make_workbook([["path"], ["ann.jpg"]], **{STYLES: styles})
    assert people(read(folder, data)) == {"": ["ann.jpg"]}
