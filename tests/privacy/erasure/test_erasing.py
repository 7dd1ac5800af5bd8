"""An erasure leaves nothing of the person: in no table, file, queue or log of the database."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.book.idempotency import PARTIAL, Answer, RequestId
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, Kind
from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.domain.hooks import FULL, MOST_LEAVING, UNASKED, UNSEEN
from chalicelib.domain.jobs import find_night
from chalicelib.domain.model import Profile, Tenant
from chalicelib.open_storage import DATABASE
from chalicelib.privacy import signing
from chalicelib.privacy.audit_entries import list_absorbed_faces
from chalicelib.privacy.erasure_progress import HASHED, Erasure, list_named_faces
from chalicelib.storage import keys
from chalicelib.storage.box.blobs import BACKUP, BACKUP_LOCK
from chalicelib.storage.box.generation import find_file
from chalicelib.storage.items import write
from chalicelib.storage.ports import Storage, Update, exists
from chalicelib.storage.records.merges import MAX_MERGES, UNDONE_WITHIN
from chalicelib.storage.values import time_ordered_id
from regulars.folder import hold_lock
from tests.support.book import person
from tests.support.book.book import MINUTE, RULES, Book, shot
from tests.support.book.book_with import book_with
from tests.support.book.tenants import KEEPING
from tests.support.fakes import Person, picture
from tests.support.meanwhile import Interrupted, Meanwhile

pytestmark = pytest.mark.disk


def test_nothing_of_the_person_is_left_anywhere_and_a_receipt_says_what_went(book: Book) -> None:
    face, wanted = person.live(book)
    before = book.observed()
    assert {one.partition(" in ")[0] for one in person.left(book, wanted)} >= {
        "faceid",
        "name",
        "note",
        "absorbed",
    }
    asked = RequestId("v1#first#9", "d")
    deleted = book.services.deletion.delete_faces(
        book.tenant, [face.faceid], asked, by="first", erase=True
    )
    person.worked_off(book)
    assert person.left(book, wanted) == []
    [id_] = deleted.erasures
    erasure = book.services.erasure.records.get("shop", id_)
    assert erasure.next_step is None
    statement, key = signing.verify_statement(erasure.receipt)
    assert key == book.services.audit.signing.read_public_keys("shop").current
    assert statement["counts"] == {"captures_deleted": 4, "captures_hidden": 3, "observations": 7}
    assert statement["by"] == "first"
    assert book.observed() == before, "counts are as they were"
    assert book.services.requests.find("shop", asked).body["erasures"] == [id_]


def test_after_a_month_the_audit_still_tells_which_faces_had_become_a_part_of_the_one_that_is_erased(  # noqa: E501
    book: Book,
) -> None:
    merges = book.services.merges
    tenant = book.tenant
    entries = book.services.audit.erasing.read_entries
    eva, same, gus = (
        one.sightings[0].faceid or "" for one in book.see(shot(0, 11), shot(60, 12), shot(120, 13))
    )
    with audit_events.begin_audit_event(
        AuditEvent("POST /v1/faces/{id}/merge", "key first", Kind.CHANGE, "shop")
    ):
        merges.merging.merge(tenant, eva, same)
        mistaken = merges.merging.merge(tenant, eva, gus)
    book.clock.advance(timedelta(minutes=1))
    with audit_events.begin_audit_event(
        AuditEvent("POST /v1/merges/{id}/undo", "key first", Kind.CHANGE, "shop")
    ):
        merges.merging.undo(tenant, mistaken.id)
    book.clock.advance(UNDONE_WITHIN + timedelta(days=1))
    book.services.sweep.sweep_tenant(tenant, book.clock.now())
    assert not [*merges.records.list_all("shop")]
    assert entries("shop", {same})

    book.services.deletion.delete_faces(tenant, [eva], by="first", erase=True)
    person.worked_off(book)
    assert entries("shop", {eva, same}) == []
    assert [one["what"] for one in entries("shop", {gus})] == ["sighting"]
    [erasure] = book.services.erasure.records.read_page("shop", 10).rows
    statement, _ = signing.verify_statement(erasure.receipt)
    assert len(statement["faces"]["sha256"]) == 2, (
        "noted, so that another try after a cut-off knows them, too"
    )


def test_faces_that_only_the_audit_knows_get_further_records_if_they_are_many(book: Book) -> None:
    tenant = book.tenant
    entries = book.services.audit.erasing.read_entries
    steps = book.services.erasure.steps
    eva, *parts = (
        one.sightings[0].faceid or "" for one in book.see(*(shot(60 * n, 11 + n) for n in range(5)))
    )
    for part in parts:
        with audit_events.begin_audit_event(
            AuditEvent("POST /v1/faces/{id}/merge", "key first", Kind.CHANGE, "shop")
        ):
            book.services.merges.merging.merge(tenant, eva, part)
    book.clock.advance(UNDONE_WITHIN + timedelta(days=1))
    book.services.sweep.sweep_tenant(tenant, book.clock.now())
    steps.most_named = 2
    deleted = book.services.deletion.delete_faces(tenant, [eva], by="first", erase=True)
    person.worked_off(book)
    steps.continue_all(tenant)
    assert entries("shop", {eva, *parts}) == []
    *further, first = book.services.erasure.records.read_page("shop", 10).rows
    assert [first.id] == deleted.erasures
    receipts = [signing.verify_statement(one.receipt)[0] for one in (first, *further)]
    key = book.services.audit.signing.read_face_key("shop")
    assert sorted(
        faceid for said in receipts for faceid in list_named_faces(said, key, [eva, *parts])
    ) == sorted([eva, *parts])
    assert [len(said["faces"]["sha256"]) for said in receipts] == [2, 1, 2]
    assert [one.number for one in (first, *further)] == [1, 0, 0]


def test_a_stranger_who_went_to_make_room_for_another_is_no_part_of_that_one() -> None:
    pushed = {"at": "2026-03-01", "what": "sighting", "faces": ["new", "old"], "deleted": ["old"]}
    merged = {
        **pushed,
        "what": "POST /v1/faces/{id}/merge",
        "faces": ["new", "same"],
        "deleted": ["same"],
    }
    assert list_absorbed_faces([pushed, merged], {"new"}) == {"same"}


def test_who_went_as_a_sighting_was_given_back_is_a_part_and_who_was_made_two_again_is_none() -> (
    None
):
    take_back = {"at": "2026-03-02", "what": "POST /v1/done/{id}/undo"}
    merged = {
        "at": "2026-03-01",
        "what": "POST /v1/faces/{id}/merge",
        "faces": ["ann", "twin"],
        "deleted": ["twin"],
    }
    made_goes = {"faces": ["ann", "made"], "deleted": ["made"], "does": {"deletes": ["made"]}}
    given_back = {**take_back, **made_goes}
    # The return's other transactions, which may have the same time, and a hook's filter.
    begun = {**take_back, "faces": ["made"], "does": {"edits": ["made"]}}
    filtered = {**take_back, "faces": ["made"], "does": {"changes access": ["hook 1"]}}
    made_two = {**take_back, "faces": ["ann", "twin"], "does": {"adds": ["twin"]}}
    entries = [merged, given_back, begun, filtered, made_two]
    assert list_absorbed_faces(entries, {"ann"}) == {"made"}


def test_of_a_request_that_was_cut_off_and_never_came_again_no_id_is_left(book: Book) -> None:
    eva = book.see(shot(0, 11))[0].sightings[0].faceid or ""
    asked, told = RequestId("v1#first#9", "d"), {"done": [eva], "failed": []}
    write(
        book.storage.items,
        [book.services.requests.make_answer_put("shop", asked, Answer(PARTIAL, told))],
    )
    book.services.deletion.delete_faces(book.tenant, [eva], by="first", erase=True)
    person.worked_off(book)
    assert book.services.requests.read_progress("shop", asked) is None


def test_a_deletion_that_was_cut_off_keeps_its_ids_for_the_repeat_that_goes_on_with_it(
    book: Book,
) -> None:
    eva = book.see(shot(0, 11))[0].sightings[0].faceid or ""
    asked, told = (
        RequestId("v1#first#9", "d"),
        {"success": [eva], "failed": [], "not_exist": [], "erasures": ["1"]},
    )
    write(
        book.storage.items,
        [book.services.requests.make_answer_put("shop", asked, Answer(PARTIAL, told))],
    )
    book.services.deletion.delete_faces(book.tenant, [eva], by="first", erase=True)
    person.worked_off(book)
    assert book.services.requests.read_progress("shop", asked) == told


def test_a_step_that_has_to_wait_is_called_when_its_time_has_come_and_not_before(
    book: Book,
) -> None:
    eva = book.see(shot(0, 11))[0].sightings[0].faceid or ""
    book.services.deletion.delete_faces(book.tenant, [eva], by="first", erase=True)
    queue, calls = book.storage.index_queue, 0
    for _ in range(5):
        for message in queue.receive(10, 1):
            book.services.sweep.handle_message(message.body, 1, lambda: 600.0)
            queue.delete(message.receipt)
            calls += 1
    assert calls == 1
    assert queue.receive(10, 1) == []
    person.worked_off(book)
    assert book.services.erasure.records.read_page("shop", 1).rows[0].done_at is not None


@contextmanager
def read(folder: Path) -> Iterator[None]:
    """A program that reads the database all the while, as a shell or a replication does."""
    with closing(sqlite3.connect(find_file(folder / DATABASE), isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM items").fetchone()
        yield


@contextmanager
def backed_up(folder: Path) -> Iterator[None]:
    """A backup that has copied the database, and is killed at the end."""
    with hold_lock(folder / BACKUP_LOCK):
        (folder / BACKUP).mkdir()
        shutil.copyfile(find_file(folder / DATABASE), folder / BACKUP / DATABASE)
        yield


@pytest.mark.parametrize("held_up", [read, backed_up])
def test_there_is_no_receipt_while_somebody_reads_what_was_deleted(
    book: Book, held_up: Callable[[Path], AbstractContextManager[None]]
) -> None:
    face, wanted = person.live(book)
    with held_up(book.folder):
        [id_] = book.services.deletion.delete_faces(
            book.tenant, [face.faceid], by="first", erase=True
        ).erasures
        for again in range(2):
            with pytest.raises(Busy):
                person.worked_off(book) if not again else book.services.erasure.steps.continue_all(
                    book.tenant
                )
            assert book.services.erasure.records.get("shop", id_).done_at is None
    book.services.erasure.steps.continue_all(book.tenant)
    assert book.services.erasure.records.get("shop", id_).receipt
    assert person.left(book, wanted) == []


def test_an_erasure_is_done_when_files_are_wiped_and_not_before(tmp_path: Path) -> None:
    broken = True

    def wrap(storage: Storage) -> Storage:
        def scrub() -> None:
            if broken:
                raise StorageUnavailable("the disk is full")
            storage.scrub()

        return replace(storage, scrub=scrub)

    with closing(Book(tmp_path / "data", wrap=wrap)) as book:
        face, wanted = person.live(book)
        [id_] = book.services.deletion.delete_faces(
            book.tenant, [face.faceid], by="first", erase=True
        ).erasures
        with pytest.raises(StorageUnavailable):
            person.worked_off(book)
        assert book.services.erasure.records.get("shop", id_).done_at is None
        broken = False
        book.services.erasure.steps.continue_all(book.tenant)
        assert book.services.erasure.records.get("shop", id_).receipt
        assert person.left(book, wanted) == []


def test_erasures_that_are_asked_for_within_minutes_share_one_scrub(tmp_path: Path) -> None:
    scrubs: list[timedelta] = []
    asked: list[str] = []

    def wrap(storage: Storage) -> Storage:
        def scrub() -> None:
            scrubs.append(book.clock.now() - begun)
            storage.scrub()

        return replace(storage, scrub=scrub)

    with closing(Book(tmp_path / "data", wrap=wrap)) as book:
        faceids = [book.enrol(Person(seed)).faceid for seed in range(14)]
        begun = book.clock.now()

        def erase(faceid: str) -> None:
            deleted = book.services.deletion.delete_faces(book.tenant, [faceid], erase=True)
            asked.extend(deleted.erasures)
            work_off(book, minutes=1)

        for faceid in faceids[:3]:
            erase(faceid)
        work_off(book, minutes=4)
        assert [at // MINUTE for at in scrubs] == [5], "within a minute of when the last is as far"
        for faceid in faceids[3:]:
            erase(faceid)
        assert len(scrubs) == 2, "the first one waits no longer than ten minutes"
        work_off(book, minutes=5)
        assert len(scrubs) == 3
        for id_ in asked:
            signing.verify_statement(book.services.erasure.records.get("shop", id_).receipt)
        stored = find_file(tmp_path / "data" / DATABASE).read_bytes()
        assert [faceid for faceid in faceids if faceid.encode() in stored] == []


@pytest.mark.parametrize("by", sorted(UNASKED))
def test_one_scrub_a_night_does_for_all_that_nobody_asked_for(tmp_path: Path, by: str) -> None:
    """Of all shops: a box has one database. Somebody who asks takes along what waits."""
    scrubs: list[datetime] = []

    def wrap(storage: Storage) -> Storage:
        def scrub() -> None:
            scrubs.append(book.clock.now())
            storage.scrub()

        return replace(storage, scrub=scrub)

    with closing(Book(tmp_path, wrap=wrap)) as book:
        book.services.tenants.add("other", Profile.CLOUD, KEEPING)
        shops = [book.services.tenants.get_by_name(name) for name in ("shop", "other")]

        def erase(shop: Tenant, seed: int, by: str) -> None:
            face = book.services.enrolment.enrol_largest_face(
                shop, "regular", picture(Person(seed)), RULES
            )
            book.services.deletion.delete_faces(shop, [face.faceid], by=by, erase=True)

        def list_running() -> list[Erasure]:
            list_all = book.services.erasure.records.list_unfinished
            return [one for shop in shops for one in list_all(shop.name)]

        for hour in range(3):
            for shop in shops:
                erase(shop, hour, by)
            work_off(book, minutes=60)
        assert (scrubs, len(list_running())) == ([], 6)
        assert not any(one.faceids or one.names or one.pseudonym for one in list_running())
        night = find_night(book.clock.now())
        book.clock.advance(night - book.clock.now())
        for shop in shops:
            book.services.erasure.steps.continue_all(shop)
        assert (scrubs, list_running()) == ([night], [])
        erase(shops[0], 7, by)
        work_off(book, minutes=10)
        erase(shops[1], 8, "first")
        work_off(book, minutes=10)
        assert (len(scrubs), list_running()) == (2, [])


def test_what_a_restore_erases_again_waits_for_no_night(book: Book) -> None:
    faceid = book.enrol(Person(1)).faceid
    book.services.deletion.delete_faces(
        book.tenant, [faceid], by=UNSEEN, erase=True, asked_at=book.clock.now()
    )
    work_off(book, minutes=10)
    assert list(book.services.erasure.records.list_unfinished("shop")) == []


def work_off(book: Book, minutes: int) -> None:
    """Let minutes pass, and do what is due at the end of each."""
    for _ in range(minutes):
        book.clock.advance(MINUTE)
        while messages := book.storage.index_queue.receive(10, 1):
            for message in messages:
                book.storage.index_queue.delete(message.receipt)
                book.services.sweep.handle_message(message.body, 1, lambda: 600.0)


def test_faces_of_many_merges_are_erased_in_several_records(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    book.see(shot(0, 1), shot(60, 2), shot(120, 3))
    faceids = book.faceids()
    for faceid in faceids:
        often = Update(
            keys.FACES, ("shop", faceid), (exists("there"),), set={"merges": MOST_LEAVING // 2}
        )
        book.storage.items.transact([often])
    deleted = book.services.deletion.delete_faces(book.tenant, faceids)
    assert deleted.success == faceids
    assert len(deleted.erasures) == len(faceids)


@pytest.mark.parametrize("erases", [False, True])
def test_strangers_who_go_for_others_leave_no_more_than_others_who_are_deleted(
    book: Book, *, erases: bool
) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": erases})
    book.services.groups.change_by_name(book.tenant, "stranger", {"capacity": 2})
    captures = book.see(*(shot(60 * n, n) for n in range(1, 3)))
    gone = [str(one.sightings[0].faceid) for one in captures]
    book.services.captures.pictures.get_crop_url(book.tenant, "door", captures[0].id, 0)
    book.see(*(shot(60 * n, n) for n in range(3, 5)))
    book.sweep()
    person.worked_off(book)
    observed = [[*book.services.merges.mover.list_observations(book.tenant, one)] for one in gone]
    assert [len(of) for of in observed] == ([0, 0] if erases else [1, 1])
    assert not [one for of in observed for one in of if one.estimates.age or one.estimates.gender]
    assert book.storage.uploads.size(keys.crop("shop", "door", captures[0].id, 0)) is None
    book.clock.advance(timedelta(days=1))  # the night ends them
    book.services.erasure.steps.continue_all(book.tenant)
    receipts = book.services.erasure.records.read_page("shop", 10).rows
    assert [(one.by, one.number, one.done_at is not None) for one in receipts] == [
        ("full group", 2, True)
    ] * erases
    assert not list(book.services.erasure.records.list_unfinished("shop"))


def test_a_person_of_over_a_hundred_faces_is_erased_whole(book: Book) -> None:
    ids = [f"f{number}" for number in range(101)]
    assert book.services.deletion.delete_faces(book.tenant, ids, erase=True).not_exist == ids


def pushed_out(
    book: Book, number: int, size: int = 1, *, erases: bool = True, step: int = 0, by: str = FULL
) -> Erasure:
    """Note a face that is gone, with those that were merged into it."""
    ids, now = tuple(f"f{number}-{one}" for one in range(size)), book.clock.now()
    hashes = {kind: (f"{kind}{number}",) for kind in HASHED}
    names = (f"N{number}",)
    one = Erasure(
        time_ordered_id(now), now, by, erases, ids, 1, names=names, hashes=hashes, step=step
    )
    write(book.storage.items, book.services.erasure.records.make_put_actions(book.tenant, one))
    return one


def test_a_record_that_names_more_faces_than_one_does_today_leaves_none_of_them(book: Book) -> None:
    """Before there were further records it named all that only the audit knew."""
    tenant = book.tenant
    entries = book.services.audit.erasing.read_entries
    steps = book.services.erasure.steps
    ids = [
        one.sightings[0].faceid or "" for one in book.see(*(shot(60 * n, 11 + n) for n in range(5)))
    ]
    deleted = book.services.deletion.delete_faces(tenant, ids, by="first", erase=True)
    steps.most_named = 2
    person.worked_off(book)
    steps.continue_all(tenant)
    assert entries("shop", set(ids)) == []
    [receipt] = [book.services.erasure.records.get("shop", one).receipt for one in deleted.erasures]
    assert len(signing.verify_statement(receipt)[0]["faces"]["sha256"]) == len(ids)


def test_of_strangers_who_go_for_others_few_records_are_made_that_lack_nothing_and_are_not_too_large(  # noqa: E501
    book: Book,
) -> None:
    before = [
        pushed_out(book, n, 1 + n * 7 % (MAX_MERGES + 1), erases=n % 3 == 0) for n in range(60)
    ]
    others = [pushed_out(book, 60, step=1), pushed_out(book, 61, by="first")]
    for _ in range(2):  # again, after the time ran out or a crash
        book.services.erasure.steps.continue_all(book.tenant, lambda: 0.0)
    *after, begun, other = sorted(
        book.services.erasure.records.list_unfinished("shop"), key=lambda one: one.id
    )
    assert [begun, other] == others
    assert len(after) <= 2 * sum(len(one.faceids) for one in before) // MOST_LEAVING
    assert max(len(one.faceids) for one in after) <= MOST_LEAVING
    for erases in (False, True):
        own, joined = ([one for one in some if one.erases is erases] for some in (before, after))
        assert [faceid for one in joined for faceid in one.faceids] == [
            faceid for one in own for faceid in one.faceids
        ]
        assert sum(one.number for one in joined) == len(own)
        assert {name for one in joined for name in one.names} == {
            name for one in own for name in one.names
        }
        for kind in HASHED:
            assert [of for one in joined for of in one.hashes[kind]] == [
                of for one in own for of in one.hashes[kind]
            ]


def test_a_sweep_reads_the_receipts_of_before_once(book: Book) -> None:
    items = Interrupted(book.storage.items)
    book_with(book.services, items=items).erasure.steps.continue_all(book.tenant)
    assert items.reads == 1


def test_what_another_worker_has_begun_is_joined_with_nothing(book: Book) -> None:
    first, *others = (pushed_out(book, number) for number in range(3))
    begins = Update(keys.ERASURES, ("shop", first.id), (exists("there"),), set={"step": 1})
    items = Meanwhile(book.storage.items)
    items.first.append(lambda: book.storage.items.transact([begins]))
    book_with(book.services, items=items).erasure.steps.continue_all(book.tenant, lambda: 0.0)
    assert [*book.services.erasure.records.list_unfinished("shop")] == [
        replace(first, step=1),
        *others,
    ]
