"""A restricted person is hidden in captures as an erased one, and is there again afterwards."""

from collections.abc import Callable

import pytest

from chalicelib.domain.captures import ERASED, RULES, Capture
from chalicelib.domain.errors import Conflict
from chalicelib.storage import keys
from tests.support.book.book import Book, shot
from tests.support.book.person import worked_off
from tests.support.fakes import FakeVision, Person, picture

HER, HIM = 1, 2
BOTH = shot(0, HER, HIM)


def restrict(book: Book, faceid: str) -> None:
    book.services.restrictions.set(book.tenant, faceid, "letter 7")


def faceids_of(capture: Capture) -> list[str]:
    return [str(sighting.faceid) for sighting in capture.sightings]


def shown(book: Book, capture: Capture) -> Capture:
    [page] = book.services.captures.read_page(book.tenant).rows
    [same] = book.services.captures.shown.hide_restricted(book.tenant, [capture])
    assert same == page
    return page


def links(book: Book, capture: Capture) -> list[str]:
    """The picture, the small one, and his crop."""
    pictures, one = book.services.captures.pictures, (book.tenant, "door", capture.id)
    return [
        pictures.get_picture_url(*one),
        pictures.get_thumbnail_url(*one),
        pictures.get_crop_url(*one, 1),
    ]


def kept(book: Book) -> dict[str, bytes | None]:
    uploads = book.storage.uploads
    return {blob.key: uploads.get(blob.key) for blob in uploads.walk("shop/-crops/-shown/")}


def test_she_is_hidden_as_an_erasure_does_it_until_that_is_lifted(book: Book) -> None:
    [capture] = book.see(BOTH)
    her, _ = faceids_of(capture)
    capture = book.services.captures.get(book.tenant, "door", capture.id)
    before = links(book, capture)
    assert shown(book, capture) == capture
    restrict(book, her)
    hidden = shown(book, capture)
    assert [sighting.faceid for sighting in hidden.sightings] == [None, capture.sightings[1].faceid]
    assert (hidden.sightings[0].reason, hidden.sightings[1]) == (ERASED, capture.sightings[1])
    while_restricted = links(book, capture)
    assert while_restricted == links(book, capture)
    assert not {*before} & {*while_restricted}
    vision = FakeVision()
    image = vision.read_picture(BOTH.picture, RULES)
    erased = vision.hide_faces(image, [capture.sightings[0].box])
    of_him = picture(Person(HIM, side_px=99.0))
    assert set(kept(book).values()) == {erased, b"small " + erased, of_him}
    with pytest.raises(Conflict, match="erased or is restricted"):
        book.services.captures.pictures.get_crop_url(book.tenant, "door", capture.id, 0)
    book.services.restrictions.lift(book.tenant, her, "she said so")
    assert (shown(book, capture), links(book, capture)) == (capture, before)


def test_of_a_picture_of_restricted_people_alone_nothing_is_shown(book: Book) -> None:
    [capture] = book.see(shot(0, HER))
    restrict(book, *faceids_of(capture))
    pictures, one = book.services.captures.pictures, (book.tenant, "door", capture.id)
    looks: list[Callable[[], str]] = [
        lambda: pictures.get_picture_url(*one),
        lambda: pictures.get_thumbnail_url(*one),
    ]
    for look in looks:
        with pytest.raises(Conflict, match="not kept any more"):
            look()
    assert book.storage.uploads.get(keys.capture_picture("shop", "door", capture.id))


def test_who_was_merged_into_a_restricted_face_is_hidden_too(book: Book) -> None:
    [capture, other] = book.see(BOTH, shot(60, 5))
    her, [into] = faceids_of(capture)[0], faceids_of(other)
    book.services.merges.merging.merge(book.tenant, into, her)
    worked_off(book)
    restrict(book, into)
    [hidden] = book.services.captures.shown.hide_restricted(book.tenant, [capture])
    assert [sighting.reason for sighting in hidden.sightings] == [ERASED, ""]


def test_an_erasure_of_either_leaves_nothing_that_was_made_to_hide_her(book: Book) -> None:
    for gone in range(2):
        [capture] = book.see(shot(gone * 600, HER + 10 * gone, HIM + 10 * gone))
        faceids = faceids_of(capture)
        restrict(book, faceids[0])
        links(book, capture)
        assert len(kept(book)) == 3
        book.services.deletion.delete_faces(book.tenant, [faceids[gone]], erase=True)
        worked_off(book)
        assert kept(book) == {}


def test_a_link_leads_past_the_picture_only_if_somebody_on_it_is_or_may_be_hidden(
    book: Book,
) -> None:
    captures = book.see(shot(0, HER), shot(60, HIM))
    of_nobody = ("door", "1772442000000-" + "0" * 24)
    places = [*(("door", one.id) for one in captures), of_nobody]
    list_partly_shown = book.services.captures.shown.list_partly_shown
    assert not list_partly_shown(book.tenant, places)
    restrict(book, faceids_of(captures[0])[0])
    assert list_partly_shown(book.tenant, places) == {captures[0].id, of_nobody[1]}
