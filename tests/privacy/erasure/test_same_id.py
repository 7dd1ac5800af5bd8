"""An id that somebody had who was deleted, and that somebody else has now: each gets, shows and
loses the own."""

from datetime import timedelta

import pytest

from chalicelib.domain.model import Face, NewFace
from tests.support.book import person
from tests.support.book.book import Book, shot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import RULES, Person, picture

pytestmark = pytest.mark.disk


def lived(book: Book, seed: int, name: str, *minutes: float) -> Face:
    """Enrol somebody as `seven`, and see the person at these times, which a camera that was offline
    sends later."""
    services = book.services
    services.enrolment.enrol_largest_face(
        book.tenant, "regular", picture(Person(seed)), RULES, NewFace(faceid="seven", name=name)
    )
    book.see(*(shot(at, seed) for at in minutes))
    return services.faces.get(book.tenant, "seven")


EVAS, GUSES = (11.0, 13.0), (10.0, 12.0, 14.0)
"""One visit, which both of them would be in."""


def test_sightings_of_whoever_had_the_id_before_are_in_no_visit_of_the_one_who_has_it_now(
    book: Book,
) -> None:
    lived(book, person.EVA, "Eva", *EVAS)
    book.services.deletion.delete_faces(book.tenant, ["seven"], by="first")
    person.worked_off(book)
    book.clock.advance(timedelta(minutes=1))
    lived(book, person.GUS, "Gus", *GUSES)

    timeline = book.services.sightings.read_timeline(book.tenant, "seven")
    assert [one.at for one in timeline.sightings] == [shot(at).at for at in reversed(GUSES)]
    assert not list_disagreements(book.services, "shop")


def test_who_had_the_id_before_is_erased_and_who_has_it_now_keeps_everything(book: Book) -> None:
    wanted = person.needles(book, lived(book, person.EVA, person.NAME, *EVAS), person.NAME, [])
    book.services.deletion.delete_faces(book.tenant, ["seven"], by="first")
    person.worked_off(book)
    book.clock.advance(timedelta(minutes=1))
    gus = lived(book, person.GUS, "Gus", *GUSES)
    timeline = book.services.sightings.read_timeline(book.tenant, "seven").sightings

    [id_] = book.services.erasure.erase_gone_face(book.tenant, "seven", by="first").erasures
    person.worked_off(book)

    receipt = book.services.erasure.records.get("shop", id_).receipt
    assert receipt["statement"]["counts"]["observations"] == 3, (
        "the former's enrolment and sightings"
    )
    assert (
        person.left(book, {name: data for name, data in wanted.items() if name != "faceid"}) == []
    )
    own = {"faces": 1, "names": 1, "arrivals": 1, "observations": 4, "captures": 3}
    assert {name: person.held(book, gus).get(name) for name in own} == own
    assert book.services.sightings.read_timeline(book.tenant, "seven").sightings == timeline
    assert book.services.faces.get(book.tenant, "seven").name == "Gus"
    assert not list_disagreements(book.services, "shop")
    assert book.services.erasure.erase_gone_face(book.tenant, "seven").not_exist == ["seven"], (
        "nothing is left"
    )
