"""Whose consent was withdrawn or has expired is found, named, learnt and told of no more, from that
moment on."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.tenants import Tenants
from chalicelib.book.webhooks import OVERDUE
from chalicelib.domain.consent import Basis, Consent, Ending
from chalicelib.domain.errors import (
    Busy,
    ConsentMissing,
    ConsentNotFound,
    FaceNotFound,
)
from chalicelib.domain.model import Face, Tenant
from chalicelib.storage import keys
from chalicelib.storage.box.queue import SqliteQueue
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.faces import face_from
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.lists import listed
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import RULES, Person, picture
from tests.support.faults.shop import another_photo
from tests.support.hooks.receiver import answers, receiving

EVA, FINN = 1, 2
DAY = timedelta(days=1)
End = Callable[[Book, str], None]


def withdraw(book: Book, faceid: str) -> None:
    book.services.consents.withdraw_consent(book.tenant, faceid)


def expire(book: Book, _faceid: str) -> None:
    book.clock.advance(2 * DAY)


def enrol(book: Book, seed: int = EVA, name: str = "Eva Lee", days: int | None = 1) -> Face:
    until = None if days is None else book.clock.now() + days * DAY
    return book.enrol(
        Person(seed), name=name, consent=Consent(Basis.CONSENT, MONDAY, "form 7", until)
    )


def read_face(book: Book, faceid: str) -> Face:
    item = book.storage.items.get(keys.FACES, ("shop", faceid))
    assert item is not None
    return face_from(item)


def find_face(book: Book, seed: int = EVA) -> str | None:
    match = book.services.recognition.face_analysis.search_by_picture(
        book.tenant, picture(Person(seed)), RULES
    ).match
    return match.face.faceid if match else None


ENDS = pytest.mark.parametrize("end", [withdraw, expire])


@ENDS
def test_nobody_is_found_named_learnt_or_told_of_from_that_moment_on(book: Book, end: End) -> None:
    mailbox, _ = book.services.webhooks.hooks.add("shop", None)
    eva, finn = enrol(book), enrol(book, FINN, "Finn Lee", days=None)
    book.see(shot(0, EVA), shot(5, FINN))
    before = read_face(book, eva.faceid)
    end(book, eva.faceid)
    assert (find_face(book), find_face(book, FINN)) == (None, finn.faceid)
    assert listed(book) == {finn.faceid}
    with pytest.raises(FaceNotFound):
        book.services.faces.get(book.tenant, eva.faceid)
    [seen] = book.see(another_photo(600, EVA))
    assert seen.sightings[0].faceid is None
    after = read_face(book, eva.faceid)
    assert [one.templates for one in after.pictures] == [one.templates for one in before.pictures]
    assert after.arrive_count == before.arrive_count
    told = [
        json.loads(one["payload"])["data"]
        for one in walk_items(book.storage.items, keys.OUTBOX, "shop")
    ]
    assert {one["faceid"] for one in told} == {finn.faceid}, mailbox
    assert book.disagreements() == []
    assert list_disagreements(book.services, "shop") == []


def test_an_expiry_is_seen_by_the_reader_itself_and_by_no_sweep(book: Book) -> None:
    """The last moment before it, and the first one behind."""
    eva = enrol(book)
    book.clock.advance(DAY - timedelta(milliseconds=1))
    assert find_face(book) == eva.faceid
    book.clock.advance(timedelta(milliseconds=1))
    assert find_face(book) is None
    assert read_face(book, eva.faceid).restriction is not None


@ENDS
def test_a_record_that_is_written_down_again_brings_all_of_it_back(book: Book, end: End) -> None:
    before = enrol(book)
    end(book, before.faceid)
    book.services.consents.set(
        book.tenant, before.faceid, Consent(Basis.CONSENT, book.clock.now(), "form 8")
    )
    after = book.services.faces.get(book.tenant, before.faceid)
    assert (after.group_id, after.name) == (before.group_id, before.name)
    assert [replace(one, key="") for one in after.pictures] == [
        replace(one, key="") for one in before.pictures
    ]
    assert find_face(book) == before.faceid
    assert book.group_counts()["regular"] == 1
    assert book.disagreements() == []
    assert list_disagreements(book.services, "shop") == []


@ENDS
def test_no_lift_brings_somebody_back_whose_consent_has_ended(book: Book, end: End) -> None:
    restrictions, eva = book.services.restrictions, enrol(book)
    end(book, eva.faceid)
    with pytest.raises(ConsentMissing, match="record of consent"):
        restrictions.lift(book.tenant, eva.faceid, "as ever")
    restrictions.set(book.tenant, eva.faceid, "letter 7")
    restrictions.lift(book.tenant, eva.faceid, "answered")
    mark = read_face(book, eva.faceid).restriction
    assert mark is not None
    assert (mark.reason, mark.ended) == (
        "",
        Ending.WITHDRAWN if end is withdraw else Ending.EXPIRED,
    )
    assert find_face(book) is None


@ENDS
def test_who_is_restricted_already_stays_so_until_both_are_over(book: Book, end: End) -> None:
    restrictions, eva = book.services.restrictions, enrol(book)
    restrictions.set(book.tenant, eva.faceid, "letter 7")
    end(book, eva.faceid)
    assert book.tenant
    book.services.consents.set(book.tenant, eva.faceid, Consent(Basis.CONSENT, book.clock.now()))
    assert find_face(book) is None
    restrictions.lift(book.tenant, eva.faceid, "answered")
    assert find_face(book) == eva.faceid


def test_a_consent_can_be_withdrawn_of_a_held_face_whose_record_stays_as_evidence(
    book: Book,
) -> None:
    eva = enrol(book)
    book.services.faces.holds.set(book.tenant, eva.faceid, "case 7")
    withdraw(book, eva.faceid)
    assert find_face(book) is None
    assert read_face(book, eva.faceid).consent == eva.consent
    with pytest.raises(ConsentNotFound):
        withdraw(book, eva.faceid)


def test_what_is_withdrawn_and_not_there_changes_nothing(book: Book) -> None:
    bare = book.enrol(Person(3))
    with pytest.raises(ConsentNotFound):
        withdraw(book, bare.faceid)
    assert find_face(book, 3) == bare.faceid


@ENDS
def test_the_sweep_erases_at_the_date_that_the_tenant_has_set(book: Book, end: End) -> None:
    eva = enrol(book)
    book.services.tenants.change_settings("shop", {"ended_days": 30})
    end(book, eva.faceid)
    book.clock.advance(28 * DAY)
    book.sweep()
    assert book.faceids() == [eva.faceid]
    book.clock.advance(3 * DAY)
    book.sweep()
    assert book.faceids() == []


def test_if_many_expire_at_once_nobody_reads_until_all_are_put_away(book: Book) -> None:
    """Each call goes on where the one before it has ended."""
    book.services.restrictions.at_once = 2
    people = [enrol(book, seed, f"P{seed}") for seed in range(5)]
    book.clock.advance(2 * DAY)
    for _ in range(2):
        with pytest.raises(Busy, match="put away"):
            assert book.tenant
    assert len(book.services.restrictions.list_all(book.tenant)) == len(people)


def test_a_call_that_restricts_all_of_them_is_answered(book: Book) -> None:
    book.services.restrictions.at_once = 3
    people = [enrol(book, seed, f"P{seed}") for seed in range(3)]
    book.clock.advance(2 * DAY)
    assert book.tenant
    assert len(book.services.restrictions.list_all(book.tenant)) == len(people)


def test_records_end_in_their_order_whatever_the_order_they_were_written_in(book: Book) -> None:
    people = {days: enrol(book, days, f"P{days}", days) for days in (3, 1, 2)}
    for days in (1, 2, 3):
        assert find_face(book, days) == people[days].faceid
        book.clock.advance(DAY)
        assert find_face(book, days) is None
    assert book.tenant.consents_end_at is None


def test_who_comes_back_by_an_undo_after_the_record_has_expired_is_restricted_at_once(
    book: Book,
) -> None:
    eva, finn = enrol(book, days=1), enrol(book, FINN, "Finn Lee", days=None)
    merge = book.services.merges.merging.merge(book.tenant, finn.faceid, eva.faceid)
    book.clock.advance(2 * DAY)
    assert find_face(book) == finn.faceid
    book.services.merges.merging.undo(book.tenant, merge.id)
    assert (find_face(book), find_face(book, FINN)) == (None, finn.faceid)


def test_records_of_before_this_version_are_found_by_the_sweep(book: Book) -> None:
    eva = enrol(book)
    tenant = book.storage.items.get(keys.TENANTS, keys.tenant_item("shop"))
    assert tenant is not None
    assert book.services.tenants.note_consent_end(book.tenant, None)
    book.clock.advance(2 * DAY)
    assert find_face(book) == eva.faceid
    book.sweep()
    assert find_face(book) is None


def deliver_events(book: Book) -> None:
    for item in [*walk_items(book.storage.items, keys.OUTBOX, "shop")]:
        message = json.dumps({"tenant": "shop", "id": item["id"], "due": int(item["next_at"])})
        book.services.webhooks.deliveries.attempt_delivery(message)


def test_an_event_that_waits_for_its_receiver_is_dropped_if_the_consent_has_expired_meanwhile(
    book: Book,
) -> None:
    """It waits until somebody has put the person away: a function that delivers on AWS may write no
    faces."""
    with receiving(answers(500)) as receiver:
        book.services.webhooks.hooks.add("shop", receiver.url)
        eva = enrol(book)
        book.see(shot(0, EVA))
        deliver_events(book)
        book.clock.advance(2 * DAY)
        deliver_events(book)
        assert read_face(book, eva.faceid).restriction is None
        assert [json.loads(one.body)["data"]["name"] for one in receiver.heard] == ["Eva Lee"]
        book.sweep()
        book.clock.advance(2 * OVERDUE)
        deliver_events(book)
        assert [json.loads(one.body)["data"]["name"] for one in receiver.heard] == ["Eva Lee"]
        assert list(walk_items(book.storage.items, keys.OUTBOX, "shop")) == []


@pytest.mark.parametrize("read", [Tenants.find, Tenants.get_by_name])
def test_whose_consent_has_expired_is_restricted_before_a_tenant_is_read_by_its_name(
    book: Book, read: Callable[[Tenants, str], Tenant | None]
) -> None:
    eva = enrol(book)
    book.clock.advance(2 * DAY)
    assert read(book.services.tenants, "shop") is not None
    assert read_face(book, eva.faceid).restriction is not None


def messages(book: Book) -> list[str]:
    queue = book.services.ports.storage.index_queue
    assert isinstance(queue, SqliteQueue)
    found = queue.receive(10, 30)
    for message in found:
        queue.delete(message.receipt)
    return [message.body for message in found]


def put_away(book: Book) -> None:
    """What the function of the sweep does with the message of a reader who may restrict nobody."""
    for body in messages(book):
        book.services.sweep.handle_message(body, 1, lambda: 600.0)


def test_a_capture_waits_until_whose_consent_has_expired_is_put_away(book: Book) -> None:
    """Ingest may write neither tenants nor the records of merges, as a restriction does."""
    eva = enrol(book)
    book.clock.advance(2 * DAY)
    capture = book.put(shot(0, EVA))
    messages(book)
    with pytest.raises(Busy, match="expired"):
        book.services.sightings.ingest.resolve_capture("shop", capture.camera_id, capture.id)
    assert read_face(book, eva.faceid).restriction is None
    put_away(book)
    assert read_face(book, eva.faceid).restriction is not None
    resolved = book.services.sightings.ingest.resolve_capture("shop", capture.camera_id, capture.id)
    assert resolved.sightings[0].faceid is None


def test_the_watch_asks_for_people_to_be_put_away_and_does_it_not_itself(book: Book) -> None:
    eva = enrol(book)
    messages(book)
    book.services.watch.run()
    assert messages(book) == []
    book.clock.advance(2 * DAY)
    book.services.watch.run()
    assert read_face(book, eva.faceid).restriction is None
    put_away(book)
    assert read_face(book, eva.faceid).restriction is not None


def test_one_message_puts_all_of_many_away(book: Book) -> None:
    """It has minutes, and would come again after a quarter of an hour only."""
    book.services.restrictions.at_once = 2
    people = [enrol(book, seed, f"P{seed}") for seed in range(7)]
    messages(book)
    book.clock.advance(2 * DAY)
    book.services.watch.run()
    put_away(book)
    assert len(book.services.restrictions.list_all(book.tenant)) == len(people)


def test_a_message_whose_time_runs_out_comes_again(book: Book) -> None:
    people = [enrol(book, seed, f"P{seed}") for seed in range(3)]
    messages(book)
    book.clock.advance(2 * DAY)
    book.services.watch.run()
    [body] = messages(book)
    remaining_s = iter([60.0, 59.0])
    with pytest.raises(Busy, match="put away"):
        book.services.sweep.handle_message(body, 1, lambda: next(remaining_s))
    restricted = [
        one.faceid for one in people if read_face(book, one.faceid).restriction is not None
    ]
    assert len(restricted) == 2
    book.services.sweep.handle_message(body, 2, lambda: 600.0)
    assert len(book.services.restrictions.list_all(book.tenant)) == len(people)


def test_a_sweep_finds_all_of_many_records_of_before_this_version(book: Book) -> None:
    book.services.restrictions.at_once = 2
    people = [enrol(book, seed, f"P{seed}") for seed in range(5)]
    assert book.services.tenants.note_consent_end(book.tenant, None)
    book.clock.advance(2 * DAY)
    book.sweep()
    assert len(book.services.restrictions.list_all(book.tenant)) == len(people)


def test_a_canary_that_signs_as_a_tenant_leaves_people_alone(book: Book) -> None:
    eva = enrol(book)
    book.clock.advance(2 * DAY)
    assert book.services.tenants.read_signing_key("shop")
    assert read_face(book, eva.faceid).restriction is None


def test_a_record_that_is_written_while_others_expire_ends_in_time(book: Book) -> None:
    """Another reader restricts these just now, and is about to note what it has read: that nobody
    else expires."""
    eva, tenant = enrol(book), book.tenant
    finn = book.enrol(Person(FINN), name="Finn Lee")
    book.clock.advance(DAY)
    restrictions = book.services.restrictions
    until = Consent(Basis.CONSENT, MONDAY, "form 8", book.clock.now() + DAY)
    book.services.tenants.announce_consent_end(tenant, until)
    assert not book.services.tenants.note_consent_end(tenant, None), "the other reader looks again"
    assert read_face(book, eva.faceid).restriction is not None
    book.services.consents.set(tenant, finn.faceid, until)
    book.clock.advance(DAY)
    assert book.tenant
    assert {one.faceid for one in restrictions.list_all(tenant)} == {eva.faceid, finn.faceid}


LOOK_AT_NO_FACE = {"tenants.py", "readiness.py", "model_change.py", "members.py", "access.py"}
"""Members and keys are read to sign in; `Sessions.find` and the keys restrict before a request."""


def test_whoever_reads_a_tenant_for_its_faces_restricts_first() -> None:
    """Tenants.open_tenant: a module that reads one otherwise looks at no face by it."""
    modules = (Path(__file__).parents[3] / "chalicelib").rglob("*.py")
    found = {
        file.name
        for file in modules
        if re.search(r"(?<!def )\btenant_from\(", file.read_text("utf-8"))
    }
    assert found == LOOK_AT_NO_FACE


def test_links_to_pictures_of_somebody_who_withdraws_end_and_the_pictures_come_back_with_a_record(
    book: Book,
) -> None:
    """A link names the picture's key, which is another one then. A held face keeps what it has."""
    eva, held = enrol(book), enrol(book, FINN, "Finn Lee")
    book.services.faces.holds.set(book.tenant, held.faceid, "case 7")
    key, key_of_held = eva.picture_key, held.picture_key
    jpeg = book.storage.blobs.get(key)
    for faceid in (eva.faceid, held.faceid):
        withdraw(book, faceid)
    assert [book.storage.blobs.get(name) for name in (key, keys.thumbnail(key))] == [None, None]
    assert book.storage.blobs.get(key_of_held) is not None
    book.services.consents.set(
        book.tenant, eva.faceid, Consent(Basis.CONSENT, book.clock.now(), "form 8")
    )
    after = book.services.faces.get(book.tenant, eva.faceid)
    assert book.storage.blobs.get(after.picture_key) == jpeg
    assert [one.templates for one in after.pictures] == [one.templates for one in eva.pictures]
    assert find_face(book) == eva.faceid
    assert book.disagreements() == []


def test_links_to_pictures_of_somebody_whose_record_expires_work_on(book: Book) -> None:
    """Unlike a withdrawal, an expiry moves no picture: a link ends by its own time
    (docs/tasks/consent.md)."""
    eva = enrol(book)
    expire(book, eva.faceid)
    assert find_face(book) is None
    after = read_face(book, eva.faceid)
    assert (after.restriction is not None, after.picture_key) == (True, eva.picture_key)
    assert book.storage.blobs.get(eva.picture_key) is not None
