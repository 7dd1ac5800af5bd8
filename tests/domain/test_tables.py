"""No cell of a table for spreadsheets is a formula or a rounded number, whatever divides cells in a
country."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from regulars_transfer.texts import unmark_text

from chalicelib.storage.values import write_rows
from testing.reported import replays

FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
TEXTS = st.text("=+-@\uff1d;,\t\r\n\"' a", max_size=12)


def written(*rows: list[str]) -> str:
    file = io.StringIO()
    write_rows(rows, file)
    mark, table = file.getvalue()[:1], file.getvalue()[1:]
    assert mark == "\ufeff", "by which Excel knows UTF-8"
    return table


@given(st.lists(TEXTS, min_size=1, max_size=4), st.sampled_from(",;\t"))
def test_no_cell_begins_as_a_formula(texts: list[str], divider: str) -> None:
    cells = [
        cell
        for row in csv.reader(io.StringIO(written(texts), newline=""), delimiter=divider)
        for cell in row
    ]
    assert not [cell for cell in cells if cell.strip(' "\t\r\n').startswith(FORMULAS)]


@replays(62, "MyExpenses 1432", "getodk/central 752", "civicrm-core 15968")
@given(TEXTS)
def test_what_is_written_comes_back_as_it_was(text: str) -> None:
    [cell] = next(csv.reader(io.StringIO(written([text]), newline="")))
    assert unmark_text(cell) == text


@pytest.mark.parametrize(
    "text",
    [
        "Ann",
        "O'Brien",
        "Smith, Jr.",
        "a;b",
        'the "one"',
        "1-2",
        "x @ y",
        "Müller; geb. Meier",
        "a, -b",
    ],
)
def test_a_name_that_is_no_formula_stays_as_it_is(text: str) -> None:
    assert next(csv.reader(io.StringIO(written([text])))) == [text]


def test_an_id_stays_text() -> None:
    assert (
        written(["1234567890123456789", "123456789012345"])
        == '"\'1234567890123456789","123456789012345"\r\n'
    )


def test_a_second_half_that_would_be_a_formula_gets_an_apostrophe() -> None:
    assert (
        written(["2026-11-25", "x;=1+cmd|' /C calc'!A0"])
        == '"2026-11-25","x;\'=1+cmd|\' /C calc\'!A0"\r\n'
    )
