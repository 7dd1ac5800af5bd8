"""Workbooks that the console saves, as programs read them that people have: openpyxl, pandas and
LibreOffice."""

import csv
import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from chalicelib.api.console_files import locate_folder
from tests.support.node import node

openpyxl = pytest.importorskip("openpyxl", reason="`make spreadsheets` installs it")
pandas = pytest.importorskip("pandas", reason="`make spreadsheets` installs it")

HEAD = ["Name", "Seen", "Day", "Score", "Visits"]
ROWS = [
    ["Ann <Lee> & Co", "2026-11-20 14:05", "2026-11-20", 0.25, 12],
    ["王芳 👩🏽", "2024-02-29 00:00", "1970-01-01", -1234.5, 0],
    ["مرحبا", "2026-12-31 23:59", "2099-12-31", 0.1, 1_234_567],
]
CONVERT_S = 120


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    folder = locate_folder().as_uri()
    told = node(
        "--input-type=module",
        "--eval",
        f"""
        const {{ workbook }} = await import("{folder}/shared/xlsx.js");
        const {{ Moment }} = await import("{folder}/shared/tables.js");
        const rows = {json.dumps(ROWS)}.map(([name, seen, day, ...numbers]) =>
          [name, new Moment(seen), new Moment(day), ...numbers]);
        const blob = new Blob(workbook([{json.dumps(HEAD)}, ...rows]));
        console.log(JSON.stringify([...new Uint8Array(await blob.arrayBuffer())]));
        """,
    )
    path = tmp_path / "table.xlsx"
    path.write_bytes(bytes(json.loads(told)))
    return path


def test_openpyxl_reads_texts_figures_and_times(workbook: Path) -> None:
    sheet = openpyxl.load_workbook(workbook).active
    head, *rows = sheet.iter_rows(values_only=True)
    assert [*head] == HEAD
    assert [*rows] == [
        (name, datetime.fromisoformat(seen), datetime.fromisoformat(day), *numbers)
        for name, seen, day, *numbers in ROWS
    ]


def test_pandas_reads_texts_figures_and_times(workbook: Path) -> None:
    table = pandas.read_excel(workbook)
    assert [*table.columns] == HEAD
    assert [str(kind)[:8] for kind in table.dtypes][1:] == [
        *("datetime", "datetime"),
        *("float64", "int64"),
    ]
    assert [
        [name, f"{seen:%Y-%m-%d %H:%M}", f"{day:%Y-%m-%d}", *numbers]
        for name, seen, day, *numbers in table.itertuples(index=False)
    ] == ROWS


def test_libreoffice_reads_texts_figures_and_times(workbook: Path) -> None:
    if not (office := shutil.which("soffice")):
        pytest.skip("needs apt-get install libreoffice-calc-nogui")
    subprocess.run(
        [
            office,
            f"-env:UserInstallation={(workbook.parent / 'profile').as_uri()}",
            *("--headless", "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033"),
            *("--outdir", str(workbook.parent), str(workbook)),
        ],
        check=True,
        capture_output=True,
        timeout=CONVERT_S,
    )
    with workbook.with_suffix(".csv").open(encoding="utf-8-sig", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == HEAD
    assert [
        [
            name,
            f"{parse_american(seen):%Y-%m-%d %H:%M}",
            f"{parse_american(day):%Y-%m-%d}",
            float(score),
            int(visits),
        ]
        for name, seen, day, score, visits in rows
    ] == ROWS


def parse_american(text: str) -> datetime:
    """Read a day, with a time or without, as LibreOffice writes it in American English."""
    day, _, clock = text.partition(" ")
    month, number, year = day.split("/")
    return datetime.fromisoformat(f"{year}-{month:0>2}-{number:0>2} {clock or '0:00':0>5}")
