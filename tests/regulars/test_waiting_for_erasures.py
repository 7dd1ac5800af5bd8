"""A command that waits for erasures drives all that wait for each other, and says what it waits
for."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest

from chalicelib.privacy.erasure_progress import SETTLED
from regulars.privacy import wait_for_erasures
from tests.support.book.book import Book
from tests.support.fakes import Person
from tests.support.waiting import PATIENCE_S, until

APART = timedelta(seconds=50)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path / "data")) as book:
        for seed, faceid in enumerate(("ann", "ben")):
            book.enrol(Person(seed), faceid=faceid)
        yield book


def ask_for_erasure(book: Book, faceid: str) -> list[str]:
    return book.services.deletion.delete_faces(
        book.tenant, [faceid], by="first", erase=True
    ).erasures


def test_two_that_were_asked_for_together_are_done_as_soon_as_no_request_runs_on(
    book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody serves the folder, so nobody else would drive the second, for which the first
    waits."""
    first = ask_for_erasure(book, "ann")
    may_end_at = book.clock.now() + SETTLED
    book.clock.advance(APART)
    ask_for_erasure(book, "ben")
    said = list[str]()
    waiting = Thread(
        target=wait_for_erasures, args=(book.services, book.tenant, first), daemon=True
    )
    waiting.start()

    def is_said(text: str) -> bool:
        said.append(capsys.readouterr().err)
        return text in "".join(said)

    until(lambda: is_said(f"waiting until {may_end_at:%H:%M:%S} UTC: "))
    book.clock.advance(SETTLED - APART)
    until(
        lambda: is_said(f"waiting until {may_end_at + timedelta(minutes=8):%H:%M:%S} UTC at most")
    )
    book.clock.advance(APART)
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive(), "".join(said)
    assert not [*book.services.erasure.records.list_unfinished(book.tenant.name)]
    assert "".join(said).count("waiting until") == 2, "each reason is said once"
