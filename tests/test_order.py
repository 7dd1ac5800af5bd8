from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.order import LONGEST, ordered

ROOT = Path(__file__).parents[1]


def test_the_files_that_take_longest_are_there() -> None:
    assert [file for file in LONGEST if not (ROOT / file).is_file()] == []
    assert len({*LONGEST}) == len(LONGEST)


def test_they_come_first_and_then_files_of_few_tests() -> None:
    names = ["many.py::b", "many.py::a", "one.py::a", f"{LONGEST[1]}::a", f"{LONGEST[0]}::b", f"{LONGEST[0]}::a"]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    assert [one.nodeid for one in ordered(items)] == [*names[4:], names[3], names[2], *names[:2]]
