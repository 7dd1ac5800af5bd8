"""Who was beside somebody who is erased: the pictures that faces have of a shared capture are still
found by it.

They have them by other ids then: the old ones are hashes of the picture that came, which shows who
was erased.
"""

import base64
from collections.abc import Callable
from contextlib import closing
from itertools import count, product
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.commit import Change, make_face_change
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.captures import Capture, Instead, sighting_id
from chalicelib.domain.model import Face
from chalicelib.storage import keys
from chalicelib.storage.values import photo_id
from tests.support.book import person
from tests.support.book.book import MONDAY, Book, Shot, ViewedShot
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import Person, picture
from tests.support.storage.failing import DONE_KILLED, KILLED, Calls, Fault, Killed

pytestmark = pytest.mark.disk

SEEN = Person(person.FINN, likeness=0.8)
"""As he looks beside others: otherwise than on the picture that he was enrolled with."""


def shared(book: Book, *others: int) -> Capture:
    people = (SEEN, *(Person(one, side_px=70.0) for one in (person.EVA, *others)))
    return book.see(Shot(MONDAY, people))[0]


def by_hand(book: Book, faceid: str, capture: Capture) -> None:
    book.services.enrolment.pictures.add_sighting(
        book.tenant, faceid, sighting_id(capture.id, 0), is_vouched_for=True
    )


def as_learnt(book: Book, faceid: str, capture: Capture) -> None:
    """Learnt from the capture already, when it came."""


def as_portrait(book: Book, faceid: str, capture: Capture) -> None:
    """Somebody chose it, and the choice is an act; the picture stays the portrait."""
    by_hand(book, faceid, capture)
    act = AuditEvent("PATCH /v1/faces/{id}", "member 7", Kind.CHANGE, "shop")
    with audit_events.begin_audit_event(act):
        changes = FaceChanges(portrait_id=ids_of(book, faceid)[1])
        book.services.enrolment.update.change_face(book.tenant, faceid, changes)


def before_a_merge(book: Book, faceid: str, capture: Capture) -> None:
    """The face that was seen becomes a part of another one."""
    by_hand(book, faceid, capture)
    book.services.merges.merging.merge(book.tenant, book.enrol(Person(person.GUS)).faceid, faceid)


def undone_later(book: Book, faceid: str, capture: Capture) -> None:
    before_a_merge(book, faceid, capture)


def restricted(book: Book, faceid: str, capture: Capture) -> None:
    by_hand(book, faceid, capture)
    book.services.restrictions.set(book.tenant, faceid, "asked")


def held(book: Book, faceid: str, capture: Capture) -> None:
    by_hand(book, faceid, capture)
    book.services.faces.holds.set(book.tenant, faceid, "a lawsuit")


WAYS = [as_learnt, by_hand, as_portrait, before_a_merge, undone_later, restricted, held]
Way = Callable[[Book, str, Capture], None]


def ids_of(book: Book, faceid: str) -> list[str]:
    return [
        one.id for one in book.services.faces.get(book.tenant, faceid, restricted=True).pictures
    ]


def begin(book: Book, way: Way) -> tuple[Capture, str]:
    """Finn is known, and is seen beside Eva. Return the capture, and the id of his face."""
    finn = book.enrol(Person(person.FINN), name="Finn").faceid
    capture = shared(book)
    assert capture.sightings[0].faceid == finn
    way(book, finn, capture)
    return capture, finn


def erase_eva(book: Book, capture: Capture) -> None:
    book.services.deletion.delete_faces(
        book.tenant, [capture.sightings[1].faceid or ""], by="first", erase=True
    )
    person.worked_off(book)


def end(book: Book, way: Way, finn: str) -> str:
    """Have the face be there again that others stand for, and be free.

    Return who has the sighting now.
    """
    services, tenant = book.services, book.tenant
    if way is undone_later:
        [merge] = services.merges.records.list_all("shop")
        services.merges.merging.undo(tenant, merge.id)
        [gus] = [face for face in book.faces() if face.faceid != finn]
        assert len(gus.pictures) == 1, "his own"
    if way is before_a_merge:
        [gus] = book.faces()
        return gus.faceid
    if way is restricted:
        services.restrictions.lift(tenant, finn, "over")
    if way is held:
        services.faces.holds.lift(tenant, finn, "over")
    return finn


def hash_of(capture: Capture) -> dict[str, bytes]:
    """Begin of the hash of the picture that came, as it may be stored."""
    digits, whole = capture.sha256[:32], bytes.fromhex(capture.sha256)
    return {
        "whole": base64.b64encode(whole),
        "of a picture": base64.b64encode(whole[:16]),
        "in digits": digits.encode(),
    }


def reject(book: Book, faceid: str, capture: Capture) -> None:
    book.services.sightings.rejection.reject(
        book.tenant, faceid, sighting_id(capture.id, 0), instead=Instead.NOBODY
    )


def hide(book: Book, capture: Capture) -> None:
    """Take Eva out of the capture, as a step of her erasure does."""
    book.services.erasure.captures.hide(book.tenant, capture.camera_id, capture.id, {1})


def hide_killed(book: Book, capture: Capture, at: int, fault: Fault) -> bool:
    """Do so in a process that is killed at this call. Return whether it makes so many."""
    calls = Calls()
    with closing(Book(book.folder, wrap=calls.wrap)) as other:
        calls.fail(at, fault)
        try:
            hide(other, capture)
        except Killed:
            return True
    return False


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_of_a_shared_capture_goes_with_the_sighting_that_is_rejected_after_an_erasure(
    book: Book, way: Way
) -> None:
    capture, finn = begin(book, way)
    erase_eva(book, capture)
    has = end(book, way, finn)
    before = book.services.faces.get(book.tenant, has)
    reject(book, has, capture)
    after = book.services.faces.get(book.tenant, has)
    assert len(after.pictures) == len(before.pictures) - 1
    assert not list_disagreements(book.services, "shop")


@pytest.mark.parametrize("way", WAYS)
def test_no_record_holds_the_hash_of_the_picture_that_came(book: Book, way: Way) -> None:
    capture, finn = begin(book, way)
    assert person.left(book, hash_of(capture))
    erase_eva(book, capture)
    assert person.left(book, hash_of(capture)) == []
    if way is as_portrait:
        [act] = book.services.done.list_all(book.tenant)
        assert act.after.keys() == {"portrait"}
        assert book.services.faces.get(book.tenant, finn).portrait.id == ids_of(book, finn)[1]


def test_an_erasure_that_is_cut_off_anywhere_leaves_the_picture_to_be_found(tmp_path: Path) -> None:
    """Whether somebody rejects the sighting before it is repeated, or after."""
    ended = False
    for at in count(1):
        for fault, waits in product((KILLED, DONE_KILLED), (True, False)):
            with closing(Book(tmp_path / f"{at} {fault.name} {fault.done} {waits}")) as book:
                capture, finn = begin(book, by_hand)
                ended = not hide_killed(book, capture, at, fault)
                if waits:
                    hide(book, capture)
                reject(book, finn, capture)
                hide(book, capture)
                assert len(ids_of(book, finn)) == 1
        if ended:
            break
    assert at > 8, "calls"


@pytest.mark.parametrize("at", range(1, 4))
def test_a_picture_that_is_added_meanwhile_is_found(tmp_path: Path, at: int) -> None:
    """The erasure comes before so many writes of it."""
    calls = Calls()
    with (
        closing(Book(tmp_path / "data", wrap=calls.wrap)) as book,
        closing(Book(tmp_path / "data")) as other,
    ):
        finn = book.enrol(Person(person.FINN), name="Finn").faceid
        capture = shared(book)
        calls.let(at, lambda: hide(other, capture), "items.")
        by_hand(book, finn, capture)
        hide(other, capture)
        assert len(ids_of(book, finn)) == 2
        assert capture.photo not in ids_of(book, finn)
        reject(book, finn, capture)
        assert len(ids_of(book, finn)) == 1


def test_of_two_who_are_erased_each_leaves_the_others_their_pictures(book: Book) -> None:
    finn = book.enrol(Person(person.FINN), name="Finn").faceid
    capture = shared(book, person.GUS)
    by_hand(book, finn, capture)
    for number in (1, 2):
        faceid = capture.sightings[number].faceid or ""
        book.services.deletion.delete_faces(book.tenant, [faceid], by="first", erase=True)
        person.worked_off(book)
    by_hand(book, finn, capture)
    assert len(ids_of(book, finn)) == 2, "the same photo again adds nothing"
    reject(book, finn, capture)
    assert len(ids_of(book, finn)) == 1


def test_no_view_stays_in_a_file_in_which_somebody_is_hidden(book: Book) -> None:
    view = picture(Person(person.FINN, side_px=90.0))
    finn = book.enrol(Person(person.FINN)).faceid
    people = (SEEN, Person(person.EVA, side_px=70.0))
    (capture,) = book.see(ViewedShot(MONDAY, people, views=(view,)))
    key = keys.capture_picture("shop", "door", capture.id)
    assert view in (book.storage.uploads.get(key) or b"")
    book.services.deletion.delete_faces(book.tenant, [finn], by="first", erase=True)
    person.worked_off(book)
    left = book.storage.uploads.get(key)
    assert left
    assert view not in left


def test_a_picture_that_an_older_version_added_after_an_erasure_is_found(book: Book) -> None:
    """It has the hash of what was left as its id."""
    capture, finn = begin(book, by_hand)
    hide(book, capture)
    left = book.services.captures.get(book.tenant, capture.camera_id, capture.id)

    def as_older(face: Face) -> tuple[Face, Change]:
        own, seen = face.pictures
        after = replace(face, pictures=(own, replace(seen, id=photo_id(left.sha256))))
        return after, make_face_change(face, after)

    book.services.faces.change_face(book.tenant, finn, as_older, None)
    by_hand(book, finn, capture)
    assert len(ids_of(book, finn)) == 2, "the same photo again adds nothing"
    reject(book, finn, capture)
    assert len(ids_of(book, finn)) == 1
