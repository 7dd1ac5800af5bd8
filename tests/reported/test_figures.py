"""Reports of names, tables and days, from users of other programs, replayed. The page:
docs/reported.md."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from regulars_transfer import sources

from chalicelib.domain.local_time import Granularity, LocalTime, Span
from chalicelib.domain.names import is_found, make_terms, wanted_words
from chalicelib.storage.values import milliseconds
from testing.reported import replays
from tests.support.workbook import DAY, OWN_DAY, ZEROS, Cell, Styled, make_workbook


@replays(
    67,
    *("Competitor-groups 39", "runbox7 1259", "Simple-Contacts 666"),
    *("BrightID 519", "webogram 114", "geniza 1479"),
)
@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Álvaro", ["Alvaro", "alv", "Álvaro"]),
        ("Alvaro", ["Álvaro"]),
        ("Jérôme", ["Jerome", "Jérôme"]),
        ("Petr Šilhavý", ["silh", "petr silhavy"]),
        ("Anežka Nováková", ["anez", "novak"]),
        ("Rémy Roy", ["Remy", "roy rémy"]),
        ("Óscar", ["oscar", "Ó", "o"]),
        ("ʿAbd al-Raḥmān", ["abd", "rahman", "ʿabd"]),
    ],
)
def test_accents_count_neither_in_a_name_nor_in_what_is_typed(name: str, typed: list[str]) -> None:
    terms = make_terms(name)
    assert [one for one in typed if not is_found(terms, wanted_words(one))] == []


def read_people(folder: Path, data: bytes) -> list[sources.Person]:
    (folder / "1.jpg").write_bytes(b"photo")
    (folder / "people.csv").write_bytes(data)
    return [*sources.read_table(folder / "people.csv").people]


@replays(
    68,
    *("mldb 365", "DataHarmonizer 40", "contacts-import 2", "AvS_FastSimpleImport 409"),
    *("xibo 3456", "importX 33", "DataBasic 176"),
)
@pytest.mark.parametrize(
    "text",
    [
        "path,name,note,\n1.jpg,Ann,x,\n",
        ",,\npath,name,note\n1.jpg,Ann,x\n",
        "path;name;note\n1.jpg;Ann;x",
        "path,name,note\r1.jpg,Ann,x\r",
        "path,name,note\n\n1.jpg,Ann,x\n\n",
    ],
)
def test_what_a_spreadsheet_leaves_around_a_table_is_no_part_of_it(
    tmp_path: Path, text: str
) -> None:
    [ann] = read_people(tmp_path, text.encode())
    assert (ann.name, ann.other_fields) == ("Ann", {"note": "x"})


@replays(69, "dbgate 168", "TablePress 81", "ExcelDataReader 506", "PhpSpreadsheet 2832")
@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (Styled((43_102, DAY)), "2018-01-02"),
        (Styled((44_697, DAY)), "2022-05-16"),
        (Styled((44_195.5152777778, OWN_DAY)), "2020-12-30 12:22"),
        (Styled((1, ZEROS)), "001"),
        ("0001", "0001"),
        (0.30000000000000004, "0.3"),
    ],
)
def test_a_cell_of_a_workbook_is_the_text_that_it_shows(
    tmp_path: Path, cell: Cell, shown: str
) -> None:
    rows: list[list[Cell]] = [["path", "name", "value"], ["1.jpg", "Ann", cell]]
    [ann] = read_people(tmp_path, make_workbook(rows))
    assert ann.other_fields["attributes"] == {"value": shown}


@replays(70, "AndroidAPS 2146", "no.sparegris 52", "morganfreeman 2")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Atlantic/Azores", "America/Santiago"])
def test_a_day_on_which_clocks_change_is_one_day(zone: str) -> None:
    span = Span(*(milliseconds(datetime(2026, month, 15, tzinfo=UTC)) for month in (1, 12)))
    days = LocalTime(zone).list_buckets(Granularity.DAY, span)
    assert days == [*range(days[0], days[-1] + 1)]
