"""Erasures asked for while the clock was ahead."""

from datetime import timedelta

from tests.support.book import person
from tests.support.book.book import Book, shot
from tests.support.fakes import Person


def test_an_erasure_goes_on_when_a_clock_that_was_a_month_ahead_is_set_right(book: Book) -> None:
    book.enrol(Person(1), faceid="ann", name="Ann")
    book.see(shot(0, 1))
    book.clock.advance(timedelta(days=31))
    book.services.deletion.delete_faces(book.tenant, ["ann"], by="first", erase=True)
    book.clock.advance(timedelta(days=-31))
    book.sweep()  # the queue shows no message before the wrong time
    person.worked_off(book)
    book.sweep()
    [erasure] = book.services.erasure.records.list_all("shop")
    assert erasure.receipt is not None
    assert erasure.receipt["statement"]["asked_at"] < "2026-03-17"
