"""What a tenant keeps no longer goes, and nothing else: by kind and group, but nothing of faces
under legal hold."""

import os
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.tenant_settings import RETENTION
from chalicelib.privacy.erasure.retention import Planned
from chalicelib.privacy.retention import Kind
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Put, Update, exists
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.book_with import book_with
from tests.support.consistency.consistency import list_disagreements
from tests.support.faults.shop import lookalike
from tests.support.storage.meter import MeteredItems

DAY = timedelta(days=1)


@pytest.fixture
def book(book: Book) -> Book:
    book.clock.advance(MONDAY - book.clock.now())
    return book


def seen(book: Book, seed: int) -> str:
    """Somebody is seen now; the capture's id and the picture are of this clock."""
    minutes = (book.clock.now() - MONDAY).total_seconds() / 60
    [capture] = book.see(shot(minutes, seed))
    now = book.clock.now().timestamp()
    os.utime(book.folder / "captures/shop/door" / capture.id, (now, now))
    return capture.sightings[0].faceid or ""


def sets(book: Book, **changes: Any) -> None:
    book.services.tenants.change_settings("shop", changes)


def swept(book: Book) -> None:
    assert book.services.erasure.retention.sweep_tenant(book.tenant, lambda: 600.0)
    assert not list_disagreements(book.services, "shop")


def plan(book: Book, kind: Kind, group: str | None = None) -> Planned:
    return next(
        one
        for one in book.services.erasure.retention.plan(book.tenant)
        if (one.kind, one.group) == (kind, group)
    )


def observed(book: Book) -> list[str]:
    month = keys.calendar("shop")
    days = [
        keys.calendar_day(item["day"], name)
        for item in walk_items(book.storage.items, keys.SUMMARIES, month)
        for name in item
        if name.startswith("d") and name != "day"
    ]
    return [
        item["faceid"]
        for day in sorted(days)
        for item in walk_items(
            book.storage.items, keys.OBSERVATIONS, keys.observations("shop", day)
        )
    ]


def captures(book: Book) -> int:
    return sum(
        1 for _ in walk_items(book.storage.items, keys.CAPTURES, keys.captures("shop", "door"))
    )


def pictures(book: Book) -> int:
    return len(list(book.storage.uploads.walk("shop/door/")))


def test_a_stranger_goes_who_was_not_seen_for_the_days_of_the_tenant(book: Book) -> None:
    sets(book, stranger_days=10)
    eva, finn = seen(book, 1), seen(book, 2)
    book.clock.advance(5 * DAY)
    assert seen(book, 2) == finn
    book.clock.advance(5 * DAY - timedelta(hours=1))
    swept(book)
    assert set(book.faceids()) == {eva, finn}, "ten days are not over"
    assert plan(book, Kind.FACES, "stranger") == Planned(
        Kind.FACES, "stranger", 10, 0, 2, oldest=MONDAY
    )
    book.clock.advance(timedelta(hours=1))
    assert plan(book, Kind.FACES, "stranger") == Planned(
        Kind.FACES, "stranger", 10, 1, 2, oldest=MONDAY
    )
    swept(book)
    assert set(book.faceids()) == {finn}
    assert book.group_counts()["stranger"] == 1
    assert len(observed(book)) == 3, "observations have a time of their own"


def test_of_regulars_and_of_own_groups_nobody_goes_unless_that_is_set(book: Book) -> None:
    own = book.services.groups.create(book.tenant, "staff", 10, "")
    eva, finn, gus = (seen(book, seed) for seed in (1, 2, 3))
    for faceid, group in ((eva, "regular"), (finn, "staff")):
        book.services.enrolment.update.change_face(
            book.tenant, faceid, FaceChanges(new_group_name=group)
        )
    book.clock.advance(1_000 * DAY)
    swept(book)
    assert set(book.faceids()) == {eva, finn}, "strangers go after 90 days"
    assert gus not in set(book.faceids())
    sets(book, regular_days=400)
    swept(book)
    assert set(book.faceids()) == {finn}
    book.services.groups.change_fields(book.tenant, own.id, {"unseen_days": 400})
    swept(book)
    assert set(book.faceids()) == set()


def test_a_stranger_with_a_name_stays_as_long_as_a_regular(book: Book) -> None:
    eva, finn = seen(book, 1), seen(book, 2)
    book.services.enrolment.update.change_face(book.tenant, eva, FaceChanges(name="Eva Lind"))
    book.clock.advance(1_000 * DAY)
    swept(book)
    assert (set(book.faceids()), book.group_counts()["stranger"]) == ({eva}, 1)
    assert finn not in set(book.faceids())
    sets(book, regular_days=1_001)
    swept(book)
    assert set(book.faceids()) == {eva}
    book.clock.advance(DAY)
    swept(book)
    assert set(book.faceids()) == set()


def test_what_a_person_changes_stays_as_long_as_if_it_had_been_seen(book: Book) -> None:
    sets(book, stranger_days=10)
    eva, finn = seen(book, 1), seen(book, 2)
    book.clock.advance(8 * DAY)
    book.services.enrolment.update.change_face(
        book.tenant, eva, FaceChanges(note="asked for her bag")
    )
    book.services.enrolment.update.change_face(book.tenant, finn, FaceChanges(note=""))
    book.clock.advance(8 * DAY)
    swept(book)
    assert set(book.faceids()) == {eva}
    book.clock.advance(3 * DAY)
    swept(book)
    assert set(book.faceids()) == set()


def test_a_held_face_stays_with_its_observations_and_captures(book: Book) -> None:
    sets(book, stranger_days=10, observation_days=150, capture_days=20)
    eva, finn = seen(book, 1), seen(book, 2)
    book.services.faces.holds.set(book.tenant, eva, "case 7")
    book.clock.advance(30 * DAY)
    swept(book)
    assert (set(book.faceids()), captures(book), pictures(book)) == ({eva}, 2, 1)
    book.clock.advance(200 * DAY)
    swept(book)
    assert (set(book.faceids()), captures(book), pictures(book)) == ({eva}, 1, 1)
    assert observed(book) == [eva]

    book.services.faces.holds.lift(book.tenant, eva, "closed")
    swept(book)
    assert (set(book.faceids()), captures(book), pictures(book)) == ({eva}, 0, 0), (
        "a person changed her just now"
    )
    assert observed(book) == []
    book.clock.advance(11 * DAY)
    swept(book)
    assert set(book.faceids()) == set()
    assert finn not in set(book.faceids())


def test_a_face_that_somebody_is_to_look_at_stays(book: Book) -> None:
    sets(book, stranger_days=10, review_margin=0.5)
    eva = seen(book, 1)
    book.clock.advance(timedelta(hours=1))
    book.see(lookalike(60, 1))
    assert book.services.sightings.reviews.find_reviewed_faces(book.tenant) == {eva}
    book.clock.advance(11 * DAY)
    swept(book)
    assert set(book.faceids()) == {eva}
    [review] = book.services.sightings.reviews.read_page(book.tenant, None, 10).rows
    book.services.sightings.reviews.forget_review(book.tenant, review.id)
    swept(book)
    assert set(book.faceids()) == set()


def test_observations_go_with_sealed_days_and_calendar_and_statistics_stay_right(
    book: Book,
) -> None:
    sets(book, stranger_days=None, observation_days=150, time_zone="Asia/Tokyo")
    for number in range(5):
        seen(book, number)
        book.clock.advance(DAY)
    book.services.statistics.sealing.seal_tenant(book.tenant)
    book.clock.advance(147 * DAY)
    assert plan(book, Kind.OBSERVATIONS) == Planned(
        Kind.OBSERVATIONS, None, 150, 2, 5, oldest=MONDAY
    )
    swept(book)
    assert len(observed(book)) == 3
    book.services.statistics.sealing.seal_tenant(book.tenant)
    assert not list_disagreements(book.services, "shop")
    book.clock.advance(10 * DAY)
    swept(book)
    book.services.statistics.sealing.seal_tenant(book.tenant)
    assert observed(book) == []
    assert (
        list(walk_items(book.storage.items, keys.SUMMARIES, keys.totals("shop", "Asia/Tokyo")))
        == []
    )
    assert (
        list(
            walk_items(book.storage.items, keys.SUMMARIES, keys.label_counts("shop", "Asia/Tokyo"))
        )
        == []
    )
    assert list(book.storage.blobs.walk(keys.zones_columns("shop"))) == []


def test_seals_of_an_earlier_time_zone_go_too(book: Book) -> None:
    sets(book, observation_days=150)
    seen(book, 1)
    book.clock.advance(3 * DAY)
    book.services.statistics.sealing.seal_tenant(book.tenant)
    sets(book, time_zone="Europe/Berlin")
    book.services.statistics.sealing.seal_tenant(book.tenant)
    swept(book)
    assert len(list(book.storage.blobs.walk(keys.zones_columns("shop")))) == 2, (
        "not before their days go"
    )
    book.clock.advance(200 * DAY)
    swept(book)
    assert list(book.storage.blobs.walk(keys.zones_columns("shop"))) == []
    assert list(walk_items(book.storage.items, keys.SUMMARIES, keys.totals("shop", "UTC"))) == []


def test_an_erasure_leaves_the_seals_of_the_time_zone_that_the_tenant_has(book: Book) -> None:
    for zone in ("UTC", "Europe/Berlin"):
        sets(book, time_zone=zone)
        seen(book, 1)
        book.clock.advance(3 * DAY)
        book.services.statistics.sealing.seal_tenant(book.tenant)
    own = {blob.key for blob in book.storage.blobs.walk(keys.days_columns("shop", "Europe/Berlin"))}
    book.services.statistics.sealing.forget_other_zones(book.tenant)
    assert (
        {blob.key for blob in book.storage.blobs.walk(keys.zones_columns("shop"))} == own != set()
    )


def test_a_day_whose_last_observation_comes_late_is_sealed_anew(book: Book) -> None:
    sets(book, observation_days=150)
    seen(book, 1)
    book.clock.advance(151 * DAY)
    swept(book)
    assert observed(book) == []
    late = book.put(shot(5, 2))
    book.deliver(late)
    assert len(observed(book)) == 1, "a camera kept it for long"
    swept(book)
    assert observed(book) == []


def test_a_picture_that_was_written_anew_is_kept_no_longer_for_that(book: Book) -> None:
    sets(book, stranger_days=None, capture_days=5, sighting_days=7)
    seen(book, 1)
    book.clock.advance(4 * DAY)
    restored = book.clock.now().timestamp()  # from a backup, or on another disk
    for picture in (book.folder / "captures/shop/door").iterdir():
        os.utime(picture, (restored, restored))
    swept(book)
    assert pictures(book) == 1
    book.clock.advance(2 * DAY)
    swept(book)
    assert pictures(book) == 0


def test_records_of_captures_go_after_their_own_days(book: Book) -> None:
    sets(book, stranger_days=None, capture_days=5, sighting_days=7)
    seen(book, 1)
    book.clock.advance(6 * DAY)
    swept(book)
    assert (captures(book), pictures(book)) == (1, 0)
    book.clock.advance(2 * DAY)
    swept(book)
    assert (captures(book), pictures(book)) == (0, 0)
    assert len(observed(book)) == 1


def test_a_tenant_of_an_earlier_version_keeps_all_until_it_sets_a_number(book: Book) -> None:
    there = (exists("tenant"),)
    earlier = Update(keys.TENANTS, keys.tenant_item("shop"), there, remove=tuple(RETENTION))
    book.storage.items.transact([earlier])
    eva = seen(book, 1)
    book.clock.advance(2_000 * DAY)
    swept(book)
    assert set(book.faceids()) == {eva}
    assert observed(book) == [eva]


def test_the_sweep_goes_on_where_its_time_ran_out(book: Book) -> None:
    sets(book, stranger_days=10)
    for seed in range(3):
        seen(book, seed)
    book.clock.advance(40 * DAY)
    times = iter([0.0, 0.0, 600.0, 600.0, 600.0])
    assert not book.services.erasure.retention.sweep_tenant(book.tenant, lambda: next(times)), (
        "the pictures took all its time"
    )
    assert (pictures(book), len(set(book.faceids()))) == (0, 3)
    assert not book.services.erasure.retention.sweep_tenant(book.tenant, lambda: next(times))
    assert len(set(book.faceids())) == 0
    assert book.services.erasure.retention.sweep_tenant(book.tenant, lambda: next(times))


def test_what_is_too_much_for_a_sweep_waits_and_is_told(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    sets(book, capture_days=30, sighting_days=120, stranger_days=30)
    there = {seen(book, seed) for seed in range(10)}
    book.clock.advance(400 * DAY)
    swept(book)
    assert (set(book.faceids()), pictures(book), captures(book)) == (there, 10, 10)
    assert "10 faces of group stranger no longer" in caplog.text
    told = book.services.erasure.retention.read_withheld(book.tenant)
    assert {name: one.number for name, one in told.items()} == dict.fromkeys(
        ("captures", "sightings", "faces of group stranger"), 10
    )
    book.clock.advance(-400 * DAY)
    swept(book)
    assert not book.services.erasure.retention.read_withheld(book.tenant)
    assert set(book.faceids()) == there


def test_what_waits_is_counted_once_a_day_or_when_its_days_change(book: Book) -> None:
    sets(book, stranger_days=30)
    for seed in range(10):
        seen(book, seed)
    book.clock.advance(400 * DAY)
    metered = MeteredItems(book.storage.items)
    services = book_with(book.services, items=metered)

    def count_sweep() -> int:
        """Sweep an hour later, and count what that reads."""
        book.clock.advance(timedelta(hours=1))
        metered.spent.clear()
        services.erasure.retention.sweep_tenant(book.tenant, swept_kinds=[Kind.FACES])
        return metered.spent["faces batch get"]

    [first, *hours] = [count_sweep() for _ in range(25)]
    assert first >= 10
    assert hours == [0] * 22 + [first, 0], "the next night counts"
    assert len(book.faceids()) == 10
    sets(book, stranger_days=1_000)
    assert count_sweep() == 0, "nothing is due"
    assert not book.services.erasure.retention.read_withheld(book.tenant)
    sets(book, stranger_days=20)
    assert count_sweep() == first


def test_days_of_which_an_older_version_knows_nothing_are_counted_anew(book: Book) -> None:
    """It writes the note without them."""
    sets(book, stranger_days=30)
    for seed in range(10):
        seen(book, seed)
    book.clock.advance(400 * DAY)
    swept(book)
    key = ("shop", keys.WITHHELD_ITEM)
    note = book.storage.items.get(keys.DIRECTORY, key)
    assert note is not None
    written = {name: value for name, value in note.items() if name != "days"}
    book.storage.items.transact([Put(keys.DIRECTORY, written)])
    told = book.services.erasure.retention.read_withheld(book.tenant)
    assert told["faces of group stranger"].number == 10
    swept(book)
    assert book.storage.items.get(keys.DIRECTORY, key) == note


def test_of_days_that_are_set_for_the_first_time_all_goes_after_a_week_or_at_once_if_somebody_says_yes(  # noqa: E501
    book: Book,
) -> None:
    sets(book, stranger_days=None, capture_days=30)
    early = {seen(book, seed) for seed in range(10)}
    book.clock.advance(20 * DAY)
    sets(book, stranger_days=10, capture_days=10)
    for _ in range(6):
        swept(book)
        book.clock.advance(DAY)
    assert (set(book.faceids()), pictures(book)) == (early, 10)
    assert book.services.erasure.retention.sweep_tenant(
        book.tenant, lambda: 600.0, is_confirmed=True
    )
    assert (set(book.faceids()), pictures(book)) == (set(), 0)
    late = {seen(book, seed) for seed in range(10)}
    book.clock.advance(20 * DAY)
    for _ in range(7):
        swept(book)
        book.clock.advance(DAY)
    assert set(book.faceids()) == late
    swept(book)
    assert (set(book.faceids()), pictures(book)) == (set(), 0)
    assert not book.services.erasure.retention.read_withheld(book.tenant)


def test_what_a_day_brings_goes_however_much_of_the_book_it_is(book: Book) -> None:
    sets(book, stranger_days=1, capture_days=1)
    for seed in range(10):
        seen(book, seed)
    book.clock.advance(2 * DAY)
    swept(book)
    assert (set(book.faceids()), pictures(book)) == (set(), 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"stranger_days": 0}, "stranger_days is 1 to 3,650"),
        ({"observation_days": 149}, "observation_days is 150 to 3,650"),
        ({"capture_days": 31}, "capture_days is 30 at most"),
        ({"sighting_days": 29}, "sighting_days is 30 at least"),
        ({"sighting_days": 121}, "sighting_days is 1 to 120"),
    ],
)
def test_days_that_do_not_fit_are_refused(book: Book, changes: dict[str, int], says: str) -> None:
    before = book.tenant
    with pytest.raises(InvalidInput, match=says):
        sets(book, **changes)
    assert book.tenant == before
