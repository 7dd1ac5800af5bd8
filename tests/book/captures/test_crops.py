from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from chalicelib.domain.captures import Capture
from chalicelib.domain.errors import CaptureNotFound, Conflict
from chalicelib.storage import keys
from tests.support.book.book import Book, shot
from tests.support.fakes import FakeVision, Person, picture

TWO = shot(0, 1, 2)


def small(book: Book, capture: Capture) -> str:
    return book.services.captures.pictures.get_thumbnail_url(book.tenant, "door", capture.id)


def crops(book: Book) -> list[str]:
    return [blob.key for blob in book.storage.uploads.walk("shop/-crops/")]


def looked_at(book: Book, capture: Capture, number: int) -> str:
    return book.services.captures.pictures.get_crop_url(book.tenant, "door", capture.id, number)


def test_a_crop_is_made_once_and_shows_that_face(book: Book) -> None:
    [capture] = book.see(TWO)
    assert crops(book) == []
    first, again, second = (looked_at(book, capture, number) for number in (0, 0, 1))
    assert first == again != second
    assert len(crops(book)) == 2
    key = keys.crop("shop", "door", capture.id, 1)
    assert book.storage.uploads.get(key) == picture(Person(2, side_px=99.0))
    assert f"/{key}?" in second


def test_what_is_not_there_cannot_be_looked_at(book: Book) -> None:
    [capture] = book.see(TWO)
    with pytest.raises(CaptureNotFound, match="has no face 2: it has 2, counted from 0"):
        looked_at(book, capture, 2)
    with pytest.raises(CaptureNotFound):
        book.services.captures.pictures.get_crop_url(book.tenant, "gate", capture.id, 0)
    book.storage.uploads.delete(keys.capture_picture("shop", "door", capture.id))
    with pytest.raises(Conflict, match="not kept any more"):
        looked_at(book, capture, 0)
    assert crops(book) == []


def test_a_thumbnail_is_made_when_somebody_first_looks_and_shows_the_whole_capture(
    book: Book,
) -> None:
    [capture] = book.see(TWO)
    assert small(book, capture) == small(book, capture)
    assert [book.storage.uploads.get(key) for key in crops(book)] == [
        b"small "
        + (book.storage.uploads.get(keys.capture_picture("shop", "door", capture.id)) or b"")
    ]


class Interrupted(FakeVision):
    """Eyes that something happens to while a thumbnail is made."""

    happens: Callable[[], None]

    def thumbnail(self, image: NDArray[np.uint8], side_px: int) -> bytes:
        self.happens()
        return super().thumbnail(image, side_px)


def test_of_a_picture_in_which_somebody_was_hidden_meanwhile_nothing_is_kept(
    tmp_path: Path,
) -> None:
    eyes = Interrupted()
    book = Book(tmp_path / "data", vision=eyes)
    [capture] = book.see(TWO)
    key = keys.capture_picture("shop", "door", capture.id)
    eyes.happens = lambda: book.storage.uploads.replace(key, picture(Person(2)), "image/jpeg")
    with pytest.raises(Conflict, match="changed at this moment"):
        small(book, capture)
    assert crops(book) == []
    book.close()


def test_crops_go_when_their_captures_do_although_they_were_cut_later(book: Book) -> None:
    [capture] = book.see(TWO)
    looked_at(book, capture, 0)
    small(book, capture)
    days = book.services.settings.capture_days
    book.clock.advance(capture.captured_at - book.clock.now() + timedelta(days=days, minutes=-1))
    book.sweep()
    assert len(crops(book)) == 2
    book.clock.advance(timedelta(minutes=2))
    book.sweep()
    assert crops(book) == []
