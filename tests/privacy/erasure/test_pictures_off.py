import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.captures import Capture
from chalicelib.domain.errors import Conflict
from chalicelib.domain.model import NO_LABELS, PromotionSettings
from chalicelib.storage import keys
from chalicelib.storage.values import made_at, time_ordered_id
from tests.support.book.book import MONDAY, Book, Shot, shot
from tests.support.examples import examples
from tests.support.fakes import RULES, FakeVision, OtherVision, Person, picture

DAY = 24 * 60
ANN, BOB, EVE = 1, 2, 3


@pytest.fixture
def book(book: Book) -> Iterator[Book]:
    book.services.groups.set_promotion_settings(book.tenant, PromotionSettings(3, 7))
    yield book
    assert wrong(book) == []


def wrong(book: Book) -> list[str]:
    """What a recount finds, but that faces have no pictures."""
    return [one for one in book.disagreements() if not one.endswith("lacks a picture")]


def switch(book: Book, **settings: object) -> None:
    book.services.tenants.change_settings("shop", settings or {"keeps_pictures": False})


def stored(book: Book) -> list[str]:
    """Every object that shows somebody."""
    blobs = (
        *book.storage.blobs.walk(keys.face_pictures("shop")),
        *book.storage.uploads.walk("shop/"),
    )
    return [blob.key for blob in blobs]


def some_of_everything(book: Book) -> list[Capture]:
    """An enrolment, a second photo, strangers, what was learnt, a merge, and a face that was cut
    out of a capture."""
    ann = book.enrol(Person(ANN))
    book.services.enrolment.pictures.add_photo(
        book.tenant, ann.faceid, picture(Person(ANN, side_px=60.0)), RULES
    )
    seen = book.see(
        shot(0, BOB),
        shot(1, EVE),
        shot(DAY, ANN),
        Shot(shot(2 * DAY).at, (Person(ANN, side_px=90.0),)),
    )
    bob, eve = (capture.sightings[0].faceid or "" for capture in seen[:2])
    book.services.merges.merging.merge(book.tenant, bob, eve)
    book.services.captures.pictures.get_crop_url(book.tenant, "door", seen[0].id, 0)
    return seen


def test_with_pictures_off_nothing_is_stored_and_everybody_is_known(book: Book) -> None:
    switch(book)
    first = some_of_everything_without_pictures(book)
    assert stored(book) == []
    again = book.see(shot(3 * DAY, ANN), shot(3 * DAY + 1, BOB))
    assert [capture.sightings[0].faceid for capture in again] == first
    found = book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(BOB)), RULES
    )
    assert found.match.face.faceid == first[1]
    assert [len(face.pictures) > 0 for face in book.faces()] == [True] * len(book.faces())


def some_of_everything_without_pictures(book: Book) -> list[str]:
    ann = book.enrol(Person(ANN))
    book.services.enrolment.pictures.add_photo(
        book.tenant, ann.faceid, picture(Person(ANN, side_px=60.0)), RULES
    )
    seen = book.see(
        shot(0, BOB),
        shot(1, EVE),
        shot(DAY, ANN),
        Shot(shot(2 * DAY).at, (Person(ANN, side_px=90.0),)),
    )
    bob, eve = (capture.sightings[0].faceid or "" for capture in seen[:2])
    merge = book.services.merges.merging.merge(book.tenant, bob, eve)
    book.services.merges.merging.undo(book.tenant, merge.id)
    copied = book.services.enrolment.everybody.enrol_stored_face(
        book.tenant, "vip", ann.faceid, NO_LABELS
    )
    book.services.deletion.delete_faces(book.tenant, [copied.face.faceid])
    return [ann.faceid, bob]


def test_what_was_stored_before_goes_with_the_next_sweep_also_in_merges(book: Book) -> None:
    some_of_everything(book)
    before = {face.faceid: face.templates for face in book.faces()}
    assert len(stored(book)) > 6
    switch(book)
    book.sweep()
    assert stored(book) == []
    assert {face.faceid: face.templates for face in book.faces()} == before
    assert [key for face in book.faces() for key in face.picture_keys] == []
    [merge] = book.services.merges.records.list_all("shop")
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert [key for face in book.faces() for key in face.picture_keys] == []


def test_the_sweep_goes_on_where_its_time_ran_out(book: Book) -> None:
    some_of_everything(book)
    switch(book)
    calls = 0
    while not book.services.erasure.pictures.remove_pictures(book.tenant, MONDAY, lambda: 0.0):
        calls += 1
        assert calls < 20
    assert calls >= 3
    assert stored(book) == []


def test_of_a_group_its_faces_and_the_captures_that_show_them_lose_their_pictures(
    book: Book,
) -> None:
    some_of_everything(book)
    switch(book, no_pictures_of=frozenset({"stranger"}))
    book.sweep()
    by_group = {face.group_id: bool(face.picture_keys) for face in book.faces()}
    assert by_group == {"regular": True, "stranger": False}
    left = [key for key in stored(book) if "/faces/" not in key]
    assert len(left) == 2, "the captures of Ann alone"
    [one] = book.see(Shot(shot(4 * DAY).at, (Person(ANN), Person(BOB, side_px=90.0))))
    assert keys.capture_picture("shop", "door", one.id) not in stored(book)
    ann = next(face for face in book.faces() if face.group_id == "regular")
    book.services.enrolment.update.change_face(
        book.tenant, ann.faceid, FaceChanges(new_group_name="stranger")
    )
    assert book.services.faces.get(book.tenant, ann.faceid).picture_keys == ()


def test_a_face_under_legal_hold_keeps_what_it_has(book: Book) -> None:
    seen = some_of_everything(book)
    ann = next(face for face in book.faces() if face.group_id == "regular")
    book.services.faces.holds.set(book.tenant, ann.faceid, "case 7")
    switch(book)
    book.sweep()
    for capture in seen[2:]:
        book.deliver(capture)  # once more, as queues do
    assert book.services.faces.get(book.tenant, ann.faceid).picture_keys == ann.picture_keys
    left = [key for key in stored(book) if "/faces/" not in key]
    assert left == sorted(keys.capture_picture("shop", "door", one.id) for one in seen[2:])


def test_what_needs_a_picture_says_that_there_is_none(book: Book) -> None:
    switch(book)
    [seen] = book.see(shot(0, ANN))
    again = book.see(shot(DAY, ANN))[0]
    face = seen.sightings[0].faceid or ""
    with pytest.raises(Conflict, match="keeps_pictures"):
        book.services.sightings.rejection.reject(book.tenant, face, f"{again.id}-0")
    with pytest.raises(Conflict, match="keeps_pictures"):
        book.services.captures.pictures.get_crop_url(book.tenant, "door", seen.id, 0)
    with pytest.raises(Conflict, match="keeps no pictures"):
        book.services.reembedding.change_model("shop", FakeVision(), OtherVision())
    assert book.services.reembedding.read_model("shop") == FakeVision.model


def test_switched_on_again_new_pictures_are_kept(book: Book) -> None:
    switch(book)
    book.see(shot(0, ANN))
    switch(book, keeps_pictures=True)
    book.see(shot(1, BOB))
    assert len(stored(book)) == 3, "a portrait with its thumbnail, and the capture"


Deed = tuple[str, int]


@examples(6, 100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["see", "enrol", "merge", "undo", "off", "on", "sweep"]),
            st.integers(0, 3),
        )
    )
)
def test_in_any_order_a_sweep_with_pictures_off_leaves_none_and_everybody_is_found(
    done: list[Deed],
) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Book(Path(folder) / "data")) as book:
        # Ids rise within a process, and by an id the service knows since when a face is: no clock
        # may be behind them.
        book.clock.advance(made_at(time_ordered_id(book.clock.now())) - book.clock.now())
        begin = (book.clock.now() - MONDAY) / timedelta(minutes=1)
        for number, (what, who) in enumerate(done):
            ids = book.faceids()
            if what == "see":
                book.see(shot(begin + number * DAY / 4, who))
            elif what == "enrol":
                book.enrol(Person(who + 10))
            elif what == "merge" and len(ids) > 1 and ids[0] != ids[who % len(ids)]:
                book.services.merges.merging.merge(book.tenant, ids[0], ids[who % len(ids)])
            elif what == "undo":
                for merge in [
                    one for one in book.services.merges.records.list_all("shop") if one.is_active
                ][-1:]:
                    book.services.merges.merging.undo(book.tenant, merge.id)
            elif what in ("off", "on"):
                switch(book, keeps_pictures=what == "on")
            elif what == "sweep":
                book.sweep()
        switch(book)
        book.clock.advance(timedelta(days=1))
        book.sweep()
        assert stored(book) == []
        assert [key for face in book.faces() for key in face.picture_keys] == []
        kept = [
            one.backup.face.picture_keys
            for one in book.services.merges.records.list_all("shop")
            if one.backup
        ]
        assert [key for some in kept for key in some] == []
        assert wrong(book) == []
        assert all(face.templates for face in book.faces())
