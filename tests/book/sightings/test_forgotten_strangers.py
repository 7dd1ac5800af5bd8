"""A tenant that forgets strangers keeps nothing of somebody who matches nobody, but a count for
each hour."""

import base64
import hashlib
import logging
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.captures import CaptureState, Resolution
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.errors import InvalidInput
from chalicelib.domain.local_time import HOUR_MS
from chalicelib.domain.tenant_settings import FORGET, KEEP, UNDECIDED, TenantSettings
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Update, exists
from chalicelib.storage.values import milliseconds
from tests.support.book.book import MINUTE, MONDAY, Book, Shot, shot
from tests.support.book.tenants import CHOICE
from tests.support.fakes import Person

EVA = 1


def forget(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"strangers": FORGET})


def counted(book: Book) -> dict[int, int]:
    """How many nobodies there were, by the hour after Monday nine o'clock."""
    first = milliseconds(MONDAY) // HOUR_MS
    found = walk_items(book.storage.items, keys.DIRECTORY, "shop", between=keys.NOBODIES)
    return {int(item["at"]) // HOUR_MS - first: int(item["number"]) for item in found}


def bytes_of(folder: Path) -> bytes:
    return b"\n".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


def forms(vector: bytes) -> tuple[bytes, ...]:
    return vector, base64.b64encode(vector), vector.hex().encode()


def is_in(left: bytes, data: bytes) -> bool:
    return any(form in left for form in forms(data))


def templates_of(shots: list[Shot], folder: Path) -> list[bytes]:
    """The templates that another shop has after the same captures: each is found in its folder."""
    with closing(Book(folder)) as other:
        other.see(*shots)
        found = [one.vector for face in other.faces() for one in face.templates]
        left = bytes_of(folder)
        assert all(is_in(left, one) for one in found)
    return found


def test_of_200_nobodies_nothing_is_left_in_any_byte_but_the_count(
    book: Book, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In the folder with its log of changes, in queues and in the log. Some stand beside others."""
    forget(book)
    caplog.set_level(logging.DEBUG)
    book.services.webhooks.hooks.add("shop", None)
    shots = [shot(number, 1_000 + number) for number in range(150)]
    shots += [shot(200 + number, 2_000 + 2 * number, 2_001 + 2 * number) for number in range(25)]
    seen = book.see(*shots)
    assert {one.state for one in seen} == {CaptureState.RESOLVED}
    book.sweep()
    assert sum(counted(book).values()) == 200
    assert counted(book) == {0: 60, 1: 60, 2: 30, 3: 50}
    assert book.faces() == []
    assert list(walk_items(book.storage.items, keys.OUTBOX, "shop")) == []
    left, said = bytes_of(book.folder), caplog.text
    templates = templates_of(shots, tmp_path / "other")
    assert len(templates) == 200
    for data in (*templates, *(one.picture for one in shots)):
        assert not is_in(left, data)
        assert not is_in(said.encode(), data)
    assert not any(is_in(left, hashlib.sha256(one.picture).digest()) for one in shots)
    assert [blob.key for blob in book.storage.uploads.walk("shop/")] == []
    assert {sighting.box for one in seen for sighting in one.sightings} == {(0.0, 0.0, 0.0, 0.0)}
    assert {
        (one.quality, one.decision, one.faceid) for capture in seen for one in capture.sightings
    } == {(None,) * 3}


def test_a_capture_that_comes_again_counts_once(book: Book) -> None:
    forget(book)
    capture = book.put(shot(0, 7))
    for _ in range(3):
        book.deliver(capture)
    assert counted(book) == {0: 1}


def test_who_is_known_is_found_and_the_picture_goes_if_somebody_else_is_on_it(book: Book) -> None:
    eva = book.enrol(Person(EVA), name="Eva Lee")
    forget(book)
    alone, beside = book.see(shot(0, EVA), shot(60, EVA, 7))
    assert [one.faceid for one in (*alone.sightings, *beside.sightings)] == [
        eva.faceid,
        eva.faceid,
        None,
    ]
    assert [blob.key.rpartition("/")[2] for blob in book.storage.uploads.walk("shop/")] == [
        alone.id
    ]
    assert counted(book) == {1: 1}


def test_a_picture_that_cannot_be_used_goes_since_it_may_show_somebody(book: Book) -> None:
    forget(book)
    one = Shot(MONDAY, (Person(7),))
    capture = book.put(one)
    key = keys.capture_picture("shop", "door", capture.id)
    book.storage.uploads.delete(key)
    book.storage.uploads.put_if_absent(key, b"no picture", "image/jpeg")
    assert book.deliver(capture).state is CaptureState.PARKED
    assert book.storage.uploads.get(key) is None


def test_those_that_were_kept_are_erased_by_the_one_change(book: Book) -> None:
    """Strangers, their pictures, and the captures of people who were too poor to be kept; nobody
    who is known."""
    eva = book.enrol(Person(EVA), name="Eva Lee")
    poor = Person(9, side_px=20.0)
    seen = book.see(shot(0, 7), shot(5, EVA, 8), Shot(MONDAY + 10 * MINUTE, (poor,)), shot(20, EVA))
    strangers = [one.vector for face in book.faces() if not face.name for one in face.templates]
    assert len(strangers) == 2
    forget(book)
    while messages := book.storage.index_queue.receive(10, 60):
        for message in messages:
            book.services.sweep.handle_message(message.body, 1, lambda: float("inf"))
            book.storage.index_queue.delete(message.receipt)
        book.clock.advance(timedelta(minutes=30))
    for _ in range(3):
        book.clock.advance(timedelta(hours=1))
        book.sweep()
    assert [face.faceid for face in book.faces()] == [eva.faceid]
    left = bytes_of(book.folder)
    assert not any(is_in(left, data) for data in (*strangers, shot(0, 7).picture))
    kept = {blob.key.rpartition("/")[2] for blob in book.storage.uploads.walk("shop/door/")}
    assert seen[3].id in kept
    assert seen[0].id not in kept
    assert seen[2].id not in kept


def test_a_stranger_whom_somebody_has_named_or_holds_stays(book: Book) -> None:
    seen = book.see(shot(0, 7), shot(5, 8))
    named, held = (one.sightings[0].faceid or "" for one in seen)
    book.services.consents.set(book.tenant, named, Consent(Basis.CONSENT, MONDAY))
    book.services.enrolment.update.change_face(book.tenant, named, FaceChanges(name="Gail"))
    book.services.faces.holds.set(book.tenant, held, "case 7")
    forget(book)
    book.sweep()
    assert set(book.faceids()) == {named, held}


def test_a_camera_may_only_forget_more(book: Book) -> None:
    book.services.cameras.change(book.tenant, "door", {"keeps_strangers": False})
    [seen] = book.see(shot(0, 7))
    assert seen.sightings[0].resolution is Resolution.SKIPPED
    book.services.cameras.change(book.tenant, "door", {"keeps_strangers": True})
    forget(book)
    [seen] = book.see(shot(60, 7))
    assert seen.sightings[0].resolution is Resolution.SKIPPED
    assert book.faces() == []


def test_a_tenant_of_before_this_version_keeps_strangers_as_it_did(book: Book) -> None:
    there = (exists("there"),)
    book.storage.items.transact(
        [Update(keys.TENANTS, keys.tenant_item("shop"), there, remove=("strangers",))]
    )
    assert book.tenant.strangers == KEEP
    [seen] = book.see(shot(0, 7))
    assert seen.sightings[0].resolution is Resolution.STRANGER


def test_a_new_shop_keeps_nothing_of_strangers_and_asks_until_somebody_chooses(
    tmp_path: Path,
) -> None:
    with closing(Book(tmp_path / "data", settings=TenantSettings())) as book:
        book.see(*(shot(minutes, 7) for minutes in range(0, 600, 60)))
        assert book.faces() == []
        assert sum(counted(book).values()) == 10
        [asked] = book.tenant.asked
        assert "until somebody chooses" in asked
        for refused, missing in (
            ({}, "basis"),
            ({"basis": "consent"}, "strangers_decided_by"),
            ({"strangers_decided_by": "Eva Lee"}, "basis"),
        ):
            with pytest.raises(InvalidInput) as error:
                book.services.tenants.change_settings("shop", {"strangers": KEEP, **refused})
            assert error.value.details["field"] == missing
            assert book.tenant.strangers == UNDECIDED
        book.services.tenants.change_settings("shop", CHOICE)
        [age] = book.tenant.asked
        assert "from which age on?" in age
        book.see(shot(660, 7))
        assert len(book.faces()) == 1
        for choice in (FORGET, UNDECIDED):
            assert replace(book.tenant, min_age=1, strangers=choice).forgets_strangers
        assert replace(book.tenant, min_age=1).asked == ()
        assert replace(book.tenant, strangers=FORGET).asked == ()


@pytest.mark.parametrize("days", [1, 7, 30, None])
def test_who_was_not_seen_within_the_days_chosen_goes_at_once_as_counted_before(
    book: Book, days: int | None
) -> None:
    """All other large deletions wait."""
    came_days_ago = (14, 13, 6, 2)
    end = book.clock.now() + timedelta(days=14)
    for ago in came_days_ago:
        book.clock.advance(end - timedelta(days=ago) - book.clock.now())
        minutes = (book.clock.now() - MONDAY) / MINUTE
        book.see(shot(minutes, *range(100 * ago, 100 * ago + 4)))
    book.clock.advance(end - book.clock.now())
    assert len(book.faces()) == 16
    kept = sum(4 for ago in came_days_ago if days is None or ago < days)
    choice = {"strangers": KEEP, "stranger_days": days}
    strangers = book.services.erasure.strangers
    assert strangers.count_forgotten(book.tenant, choice) == 16 - kept
    book.services.tenants.change_settings("shop", {**choice, "stranger_days": 90})
    book.sweep()
    assert len(book.faces()) == 16
    book.services.tenants.change_settings("shop", choice)
    book.sweep()
    assert len(book.faces()) == kept
    assert strangers.count_forgotten(book.tenant, {"strangers": UNDECIDED}) == kept


def test_counts_go_when_observations_would(book: Book) -> None:
    """In the night behind."""
    forget(book)
    book.see(shot(0, 7))
    book.clock.advance(timedelta(days=401))
    for _ in range(24):
        book.sweep()
        book.clock.advance(timedelta(hours=1))
    assert counted(book) == {}
