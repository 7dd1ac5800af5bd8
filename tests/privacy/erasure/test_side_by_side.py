"""Erasures of several people on one capture, beside each other and beside workers on it."""

import json
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from chalicelib.domain.captures import ERASED, Capture, Instead, sighting_id
from chalicelib.storage import keys
from tests.support.book import person
from tests.support.book.book import MONDAY, Book, Shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import HIDDEN, Person
from tests.support.storage.failing import Calls

pytestmark = pytest.mark.disk
EVA, GUS = 1, 2
"""Their numbers on the capture; Finn, who is enrolled, has 0."""

Act = Callable[[Book, str, Capture], object]
"""What somebody does with the capture, and with the id of Finn's face."""


def begin(book: Book) -> tuple[Capture, str]:
    """Finn is known, and is seen beside Eva and Gus. Return the capture, and the id of his face."""
    finn = book.enrol(Person(person.FINN), name="Finn").faceid
    people = (
        Person(person.FINN, likeness=0.8),
        *(Person(one, side_px=70.0) for one in (person.EVA, person.GUS)),
    )
    return book.see(Shot(MONDAY, people))[0], finn


def hide(book: Book, capture: Capture, *numbers: int) -> None:
    """Take people out of the capture one by one, as a step of their erasures does."""
    for number in numbers:
        book.services.erasure.captures.hide(book.tenant, capture.camera_id, capture.id, {number})


def is_hidden(book: Book, capture: Capture, number: int) -> bool:
    """Tell whether somebody is neither on the record nor on the picture of the capture."""
    left = book.services.captures.get(book.tenant, capture.camera_id, capture.id).sightings[number]
    data = book.services.storage.uploads.get(
        keys.capture_picture("shop", capture.camera_id, capture.id)
    )
    shown = json.loads(data)[number]["seed"] if data else None
    return (left.faceid, left.reason) == (None, ERASED) and shown in (None, HIDDEN.seed)


def beside(folder: Path, before: tuple[int, ...], first: Act, meanwhile: tuple[int, ...]) -> None:
    """Erase others just before each call of an act on the capture. All are hidden in the end."""
    for at in count(1):
        calls, seen = Calls(), list[bool]()
        data = folder / str(at)
        with closing(Book(data, wrap=calls.wrap)) as book, closing(Book(data)) as other:
            capture, finn = begin(book)
            hide(other, capture, *before)

            def erase(
                other: Book = other, capture: Capture = capture, seen: list[bool] = seen
            ) -> None:
                hide(other, capture, *meanwhile)
                seen.append(True)

            calls.let(at, erase)
            first(book, finn, capture)
            if not seen:
                break
            assert [
                one for one in (*before, *meanwhile) if not is_hidden(other, capture, one)
            ] == [], at
            assert not list_disagreements(other.services, "shop")
    assert at > 4, "calls"


def erase_eva(book: Book, finn: str, capture: Capture) -> None:
    hide(book, capture, EVA)


def reject(book: Book, finn: str, capture: Capture) -> None:
    sighting = sighting_id(capture.id, 0)
    book.services.sightings.rejection.reject(book.tenant, finn, sighting, instead=Instead.NOBODY)


def add_by_hand(book: Book, finn: str, capture: Capture) -> None:
    pictures = book.services.enrolment.pictures
    pictures.add_sighting(book.tenant, finn, sighting_id(capture.id, 0), is_vouched_for=True)


@pytest.mark.parametrize("meanwhile", [(GUS,), (EVA, GUS)], ids=["another", "the same and another"])
def test_an_erasure_undoes_none_beside_it(tmp_path: Path, meanwhile: tuple[int, ...]) -> None:
    """Each had read the picture before the other hid somebody."""
    beside(tmp_path, (), erase_eva, meanwhile)


@pytest.mark.parametrize(
    ("act", "before", "meanwhile"),
    [(reject, (EVA,), (GUS,)), (reject, (), (EVA, GUS)), (add_by_hand, (EVA,), (GUS,))],
)
def test_a_worker_brings_back_nobody(
    tmp_path: Path, act: Act, before: tuple[int, ...], meanwhile: tuple[int, ...]
) -> None:
    """Also if somebody else on the capture was erased before it was read."""
    beside(tmp_path, before, act, meanwhile)
