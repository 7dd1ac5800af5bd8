"""A dry run is the run without the deed: it refuses what the run refuses, by the same words, and
changes nothing.

The walk finds each command that has --dry-run. What it cannot try here is in ELSEWHERE.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from regulars.cli import commands, main
from tests.support.book.book import Book, shot
from tests.support.fakes import Person
from tests.support.faults.stored import stored

Captured = pytest.CaptureFixture[str]

ELSEWHERE = {"import", "deploy", "uninstall"}
"""Two need a service: transfer/tests/test_rehearsal.py tries ten folders, and the account
of AWS is not asked, which the dry run says. tests/regulars/test_uninstall.py tries the third."""


class Case(NamedTuple):
    """A command line below a command.

    `prepare`: makes what it is about; its answer takes the place of `{}`.

    `code`: how both end.
    """

    line: str
    code: int
    prepare: Callable[[Book], str] = lambda _: ""


def enrol(book: Book) -> str:
    return book.enrol(Person(1), name="Ann").faceid


def enrol_held(book: Book) -> str:
    book.services.faces.holds.set(book.tenant, faceid := enrol(book), "case 7")
    return faceid


def merge(book: Book) -> str:
    other = book.enrol(Person(2), name="Bo").faceid
    book.services.merges.merging.merge(book.tenant, enrol(book), other)
    return other


def see_long_ago(book: Book, number: int = 6) -> str:
    book.clock.advance(timedelta(days=-900))
    book.see(*(shot(minute, minute) for minute in range(number)))
    return ""


CASES: dict[str, list[Case]] = {
    "erase": [  # who goes takes minutes: tests/regulars/test_privacy.py
        Case("--face {}", 1, enrol_held),
        Case("--face {}", 1, merge),
        Case("--face nobody", 1),
        Case("--face {} --former", 1, enrol),
    ],
    "retention": [
        Case("", 0),
        Case("", 0, see_long_ago),
        Case("--all", 0, see_long_ago),
        Case("", 0, lambda book: see_long_ago(book, 2)),
        Case("--tenant nobody", 1),
    ],
    "tenants rotate": [Case("shop", 0), Case("nobody", 1)],
}


def list_rehearsals(command: click.Command = commands, path: str = "") -> Iterator[str]:
    """Yield the commands that have --dry-run."""
    for name, below in command.commands.items() if isinstance(command, click.Group) else ():
        yield from list_rehearsals(below, f"{path} {name}".strip())
    if any("--dry-run" in option.opts for option in command.params):
        yield path


def test_each_command_that_has_a_dry_run_is_tried() -> None:
    assert {*list_rehearsals()} == {*CASES, *ELSEWHERE}


@pytest.mark.parametrize(
    ("command", "case"),
    [
        pytest.param(command, case, id=f"{command} {case.line} {number}")
        for command, cases in CASES.items()
        for number, case in enumerate(cases)
    ],
)
def test_a_dry_run_ends_as_the_run_does(
    command: str, case: Case, tmp_path: Path, capsys: Captured
) -> None:
    data = tmp_path / "shop"
    with closing(Book(data)) as book:
        about = case.prepare(book)
    line = [*command.split(), *case.line.format(about).split(), "--data", str(data)]
    if command == "erase":
        line += ["--tenant", "shop", "--receipt", str(tmp_path / "receipt.json")]
    before = stored(data)
    codes, said = [], []
    for mode in ("--dry-run", "--yes"):
        codes.append(main([*line, mode]))
        said.append(capsys.readouterr())
        if mode == "--dry-run":
            assert stored(data) == before, "it changes something"
    assert codes == [case.code, case.code], said
    assert case.code == 0 or said[0].err == said[1].err
    dry_lines = said[0].out.splitlines()
    assert said[1].out.splitlines()[: len(dry_lines)] == dry_lines, "the run says something else"
