"""An id that somebody kept from a hook is answered with its person, whatever was joined since."""

import os
from datetime import timedelta

from chalicelib.domain.errors import FaceMerged
from tests.support.book.book import MINUTE, MONDAY, Book, Shot
from tests.support.book.people import good, poor
from tests.support.fakes import Person

CAPTURES = int(os.environ.get("KEPT_CAPTURES", "100"))
"""1,000 take minutes: of 787 ids that were kept, 475 were joined since, and all were answered
(2026-11-26)."""
EACH = 5


def person_at(number: int) -> Person:
    """Four poor pictures of each person, which are strangers to each other, then one that shows who
    they are."""
    seed, which = 1_000 + number // EACH, number % EACH
    return good(seed) if which == EACH - 1 else poor(seed, which)


def test_ids_kept_from_hooks_are_answered_with_the_person_after_an_hour_of_joins(
    book: Book,
) -> None:
    kept: dict[str, int] = {}
    for number in range(CAPTURES):
        [capture] = book.see(Shot(MONDAY + number * 40 * MINUTE, (person_at(number),)))
        kept |= {one.faceid: number // EACH for one in capture.sightings if one.faceid}
    for _ in range(12):
        book.clock.advance(timedelta(minutes=5))
        book.services.watch.run()
    answered = {id_: answered_with(book, id_) for id_ in kept}
    people = {id_: number for id_, number in kept.items() if answered[id_] == id_}
    print(f"{CAPTURES} captures: {len(kept)} ids kept, {len(kept) - len(people)} joined since")
    assert len(people) < len(kept), "nobody was joined, so nothing was tried"
    assert {id_: people.get(answered[id_]) for id_ in kept} == kept


def answered_with(book: Book, faceid: str) -> str:
    """Return the id of the face that v1 answers with, whose error names the person of an id that
    was joined."""
    try:
        return book.services.faces.get(book.tenant, faceid).faceid
    except FaceMerged as merged:
        return str(merged.details["into"])
