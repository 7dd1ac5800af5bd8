from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.captures import CaptureState, Resolution, sighting_id
from chalicelib.domain.model import Profile, PromotionSettings
from chalicelib.domain.rules.visits import Arrival, Arrivals
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.limits import item_size
from chalicelib.storage.ports import Put
from chalicelib.storage.records.captures import capture_item
from chalicelib.storage.records.observations import read_visits, visits_item
from chalicelib.storage.values import milliseconds
from tests.support.book.book import MINUTE, MONDAY, Book, Shot, shot
from tests.support.fakes import Person, picture, with_thumbnails
from tests.support.storage.failing import Calls

DAY = 24 * 60


def test_every_face_of_a_capture_is_resolved_the_largest_first(book: Book) -> None:
    book.see(shot(0, 1))
    [capture] = book.see(shot(100, 2, 1, 3))
    kinds = [sighting.resolution for sighting in capture.sightings]
    assert kinds == [Resolution.STRANGER, Resolution.MATCHED, Resolution.STRANGER]
    assert len(book.faces()) == 3


def test_what_is_no_picture_is_parked_with_the_reason_and_redriven_when_asked(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    capture = book.put(shot(0, 1))
    broken = replace(capture, camera_id="door")
    key = f"shop/door/{broken.id}"
    book.storage.uploads.delete(key)
    book.storage.uploads.put_if_absent(key, b"no picture", "image/jpeg")
    parked = book.deliver(broken)
    assert parked.state is CaptureState.PARKED
    assert "decoded" in parked.reason
    assert caplog.messages == [f"capture {capture.id} of camera door is parked: {parked.reason}"]
    assert [one.id for one in book.services.captures.redrive.list_parked(book.tenant)] == [
        capture.id
    ]
    book.storage.uploads.delete(key)
    book.storage.uploads.put_if_absent(key, picture(Person(1)), "image/jpeg")
    assert book.services.captures.redrive.redrive(book.tenant, [parked]) == 1
    [message] = book.storage.captures_queue.receive(10, 60)
    book.services.sightings.ingest.take_message(message.body)
    assert len(book.faces()) == 1


def test_a_full_group_of_strangers_lets_the_longest_unseen_go(tmp_path: Path) -> None:
    book = Book(tmp_path / "data", profile=Profile.CAMERA)
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 2})
    book.see(shot(0, 1), shot(60, 2), shot(120, 1))
    [gone] = [face for face in book.faces() if face.last_arrival_at == MONDAY + 60 * MINUTE]
    book.see(shot(180, 3))
    faces = book.faces()
    assert gone.faceid not in {face.faceid for face in faces}
    assert sorted(face.arrive_count for face in faces) == [1, 2]
    assert book.group_counts()["stranger"] == 2
    assert book.storage.blobs.get(gone.picture_key) is None
    book.close()


def test_whom_somebody_named_does_not_go_for_another_stranger(tmp_path: Path) -> None:
    book = Book(tmp_path / "data", profile=Profile.CAMERA)
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 2})
    book.see(shot(0, 1), shot(60, 2))
    named, other = sorted(book.faces(), key=lambda face: face.last_arrival_at or face.enrolled_at)
    book.services.enrolment.update.change_face(
        book.tenant, named.faceid, FaceChanges(name="Eva Lind")
    )
    book.see(shot(180, 3))
    faces = set(book.faceids())
    assert named.faceid in faces
    assert other.faceid not in faces
    book.close()


@pytest.mark.shows("sunmi", "The faceid, the picture and the counts stay.")
def test_a_stranger_who_keeps_coming_is_a_regular_with_faceid_picture_and_counts(
    book: Book,
) -> None:
    book.services.groups.set_promotion_settings(book.tenant, PromotionSettings(3, 7))
    book.see(shot(0, 1), shot(DAY, 1))
    [before] = book.faces()
    assert before.group_id == "stranger"
    book.see(shot(2 * DAY, 1))
    [after] = book.faces()
    assert (after.group_id, after.arrive_count) == ("regular", 3)
    assert (after.faceid, after.picture_key) == (before.faceid, before.picture_key)
    assert (book.group_counts()["stranger"], book.group_counts()["regular"]) == (0, 1)


def test_the_sightings_of_a_face_are_read_page_by_page_each_once(book: Book) -> None:
    captures = book.see(*(shot(minute, 1) for minute in (0, 1, 2, 90, 91, 180)))
    [face] = book.faces()
    found, token = list[str](), None
    while token is not None or not found:
        page = book.services.sightings.read_timeline(book.tenant, face.faceid, 2, token)
        found, token = [*found, *(one.id for one in page.sightings)], page.next_token
    assert found == [sighting_id(one.id, 0) for one in reversed(captures)]


def test_a_deleted_face_leaves_no_arrivals_and_is_a_stranger_when_it_comes_again(
    book: Book,
) -> None:
    book.see(shot(0, 1))
    [face] = book.faces()
    book.services.deletion.delete_faces_of_group(book.tenant, "stranger", [face.faceid])
    book.see(shot(60, 1))
    [again] = book.faces()
    assert again.faceid != face.faceid
    assert again.arrive_count == 1


def test_captures_of_a_camera_that_was_deleted_are_still_found_by_the_operator(book: Book) -> None:
    capture = book.put(shot(0, 1))
    book.services.cameras.delete(book.tenant, "door")
    assert book.services.captures.redrive.send_all_lost(book.tenant, after=timedelta(0)) == 1
    assert book.deliver(capture).state is CaptureState.RESOLVED


def test_a_new_face_whose_sighting_was_counted_before_is_skipped_and_no_portrait_stays(
    book: Book,
) -> None:
    [capture] = book.see(shot(0, 1))
    [face] = book.faces()
    book.services.deletion.delete_faces_of_group(book.tenant, "stranger", [face.faceid])
    fresh = replace(capture, state=CaptureState.WANTED, sightings=())
    book.storage.items.transact([Put(keys.CAPTURES, capture_item("shop", fresh, book.clock.now()))])
    [sighting] = book.deliver(fresh).sightings
    assert (sighting.resolution, sighting.reason) == (
        Resolution.SKIPPED,
        "this sighting was counted before",
    )
    assert not list(book.storage.blobs.walk("shop/faces/"))


def test_a_new_face_that_nobody_could_go_for_is_skipped_and_its_picture_is_never_stored(
    tmp_path: Path,
) -> None:
    calls = Calls()
    book = Book(tmp_path / "data", profile=Profile.CAMERA, wrap=calls.wrap)
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 1})
    [_, capture] = book.see(shot(0, 1), Shot(MONDAY + 60 * MINUTE, (Person(1, quality=79),)))
    [face] = book.faces()
    calls.names.clear()
    again = book.services.sightings.rejection.reject(
        book.tenant, face.faceid, sighting_id(capture.id, 0)
    ).sighting
    assert again.reason == "the group of strangers is full, and nobody could go for it"
    assert [blob.key for blob in book.storage.blobs.walk("shop/faces/")] == with_thumbnails(
        [face.picture_key]
    )
    book.close()
    assert "blobs.put_if_absent" not in calls.names


def test_who_was_there_25_000_times_is_seen_merged_brought_back_and_deleted(book: Book) -> None:
    """As many as a camera with a gap of a second makes of a poster, most of them in one item, as
    format 2 has them."""
    book.see(shot(0, 1), shot(1, 2))
    poster, other = (face.faceid for face in sorted(book.faces(), key=lambda face: face.faceid))
    before = read_visits(book.storage.items, "shop", poster)
    starts = range(milliseconds(MONDAY) + 60_000, milliseconds(MONDAY) + 20_060_000, 1_000)
    recent = tuple(Arrival(at, at, at + 1_000) for at in starts)
    visits = replace(before, arrivals=Arrivals(recent, 5_000, 5_000))
    book.storage.items.transact([Put(keys.ARRIVALS, visits_item("shop", poster, visits))])
    for minutes in (400, 440):
        (seen,) = book.see(shot(minutes, 1))
        assert seen.state is CaptureState.RESOLVED
    assert book.services.faces.get(book.tenant, poster).arrive_count == 25_002
    assert stored_sizes(book)[poster] <= 1024
    merge = book.services.merges.merging.merge(book.tenant, other, poster)
    assert set(stored_sizes(book)) == {
        other,
        *(key for key in stored_sizes(book) if key.startswith(f"{other}#")),
    }
    assert book.services.faces.get(book.tenant, other).arrive_count == 25_003
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert book.services.faces.get(book.tenant, other).arrive_count == 1
    book.services.deletion.delete_faces(book.tenant, [poster])
    assert list(stored_sizes(book)) == [other]


def stored_sizes(book: Book) -> dict[str, int]:
    """Bytes of what is stored of visits, by key."""
    return {
        item["faceid"]: item_size(keys.ARRIVALS, item)
        for item in walk_items(book.storage.items, keys.ARRIVALS, "shop")
    }
