"""What an attacker, or somebody who asks too late, finds after an erasure."""

from datetime import timedelta

import pytest

from chalicelib.book.idempotency import RequestId
from chalicelib.privacy.data_map import DATA_MAP, Step
from chalicelib.privacy.erasure_progress import OF_ERASURE
from chalicelib.storage import keys
from chalicelib.storage.ports import SENT_AGAIN, UPLOADED, picture_event
from tests.support.book import person
from tests.support.book.book import Book, shot
from tests.support.fakes import Person

pytestmark = pytest.mark.disk


def erase(book: Book, faceid: str) -> None:
    deleted = book.services.deletion.delete_faces(
        book.tenant, [faceid], RequestId("v1#first#9", "d"), by="first", erase=True
    )
    person.worked_off(book)
    [id_] = deleted.erasures
    assert book.services.erasure.records.get("shop", id_).done_at is not None


def test_an_archive_that_somebody_asked_for_goes_with_the_person(book: Book) -> None:
    face, wanted = person.live(book)
    book.services.archives.store_part(book.tenant, face.faceid, "en")
    erase(book, face.faceid)
    assert person.left(book, wanted) == []


def test_no_place_of_the_list_holds_anything_about_the_person_afterwards(book: Book) -> None:
    face, _ = person.live(book)
    before = set(person.held(book, face))
    assert before >= {
        "faces",
        "names",
        "arrivals",
        "observations",
        "captures",
        "outbox",
        "merges",
        "negatives",
    }
    erase(book, face.faceid)
    assert person.held(book, face) == {}


def test_each_place_is_empty_after_the_step_that_the_list_names(book: Book) -> None:
    face, _ = person.live(book)
    before = set(person.held(book, face))
    [id_] = book.services.deletion.delete_faces(
        book.tenant, [face.faceid], by="first", erase=True
    ).erasures
    names = {step: {one.name for one in DATA_MAP if one.erasure.step is step} for step in Step}
    gone = {one.name for one in DATA_MAP if one.erasure.says == "gone at once"}
    seen = list[Step]()
    while (left := book.services.erasure.records.get("shop", id_)).next_step is not None:
        assert gone.isdisjoint(person.held(book, face)), f"before step {left.next_step}"
        seen.append(left.next_step)
        gone |= names[left.next_step] if left.next_step in OF_ERASURE[:-1] else set()
        book.clock.advance(max(left.goes_on_at - book.clock.now(), timedelta(0)))
        while book.services.erasure.records.get("shop", id_).step == left.step:
            book.services.erasure.steps.go_on(book.tenant, id_, lambda: 0.0)
    assert list(dict.fromkeys(seen)) == list(OF_ERASURE)
    assert before <= gone | {"face_sets"}


def test_a_merge_into_another_that_was_undone_names_nobody_any_more(book: Book) -> None:
    face, wanted = person.live(book)
    other = book.enrol(Person(77), name="Otto")
    merge = book.services.merges.merging.merge(book.tenant, other.faceid, face.faceid)
    book.services.merges.merging.undo(book.tenant, merge.id)
    erase(book, face.faceid)
    assert person.left(book, wanted) == []


def test_who_was_deleted_and_asks_later_is_erased_too(book: Book) -> None:
    face, wanted = person.live(book)
    book.services.deletion.delete_faces(book.tenant, [face.faceid])
    person.worked_off(book)
    before = book.observed()
    deleted = book.services.erasure.erase_gone_face(book.tenant, face.faceid, by="first")
    person.worked_off(book)
    book.sweep()
    [id_] = deleted.erasures
    receipt = book.services.erasure.records.get("shop", id_).receipt
    assert receipt["statement"]["counts"]["captures_deleted"] == 4
    # Events in a mailbox about a face that was merged into it stay for their days: nothing says
    # whose they were.
    assert (
        person.left(book, {name: one for name, one in wanted.items() if name != "absorbed"}) == []
    )
    assert book.observed() == before, "counts stay"


def test_nobody_is_erased_who_left_nothing(book: Book) -> None:
    assert book.services.erasure.erase_gone_face(book.tenant, "nobody").not_exist == ["nobody"]
    assert list(book.services.erasure.records.list_unfinished("shop")) == []


def test_a_picture_that_its_camera_puts_once_more_is_not_kept(book: Book) -> None:
    """However its event comes: at once, again, late, or of a capture that showed somebody else,
    too."""
    shots = shot(0, person.EVA), shot(90, person.FINN, person.EVA)
    captures = book.see(*shots)
    erase(book, str(captures[0].sightings[0].faceid))
    uploads, ingest = book.storage.uploads, book.services.sightings.ingest
    for one, capture in zip(shots, captures, strict=True):
        key = keys.capture_picture("shop", "door", capture.id)
        for receive_count, name in ((1, UPLOADED), (2, UPLOADED), (1, SENT_AGAIN)):
            uploads.delete(key)  # as when what is left of it cannot be read
            # its URL is good for some minutes more
            uploads.put_if_absent(key, one.picture, "image/jpeg")
            ingest.take_message(picture_event(name, key), receive_count)
            assert uploads.size(key) is None


def test_what_hides_somebody_stays_if_the_event_of_its_capture_comes_again(book: Book) -> None:
    [capture] = book.see(shot(0, person.FINN, person.EVA))
    erase(book, str(capture.sightings[1].faceid))
    key = keys.capture_picture("shop", "door", capture.id)
    for receive_count in (1, 2):
        book.services.sightings.ingest.take_message(picture_event(UPLOADED, key), receive_count)
        assert book.storage.uploads.size(key) is not None
