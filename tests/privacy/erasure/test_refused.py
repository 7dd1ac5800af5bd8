"""Who was erased does not come back by an old file: not with the id, and not by the same
picture."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent
from chalicelib.domain.audit_events import Kind as ActKind
from chalicelib.domain.errors import FaceErased
from chalicelib.privacy.data_map import Step
from chalicelib.privacy.erasure.again import parse_receipt
from chalicelib.privacy.erasure_progress import add_face_hashes, erasure_item
from chalicelib.storage import keys
from chalicelib.storage.ports import Delete, Put
from chalicelib.storage.records.merges import UNDONE_WITHIN
from tests.support.book import person
from tests.support.book.book import Book
from tests.support.fakes import Person
from tests.support.storage.meter import Meter, MeteredItems

EVA, OTHER = Person(11), Person(12)


@pytest.fixture(params=["running", "done", "done, after another key"])
def erased(book: Book, request: pytest.FixtureRequest) -> Book:
    """A book from which Eva, who had the id `eva`, is erased."""
    book.enrol(EVA, faceid="eva")
    book.services.deletion.delete_faces(book.tenant, ["eva"], by="first", erase=True)
    if request.param != "running":
        person.worked_off(book)
    if request.param == "done, after another key":
        book.services.audit.signing.renew_key("shop")
    return book


def test_the_id_is_refused_whoever_is_on_the_picture(erased: Book) -> None:
    with pytest.raises(FaceErased, match=r"who had the id 'eva'.*if_erased=enrol"):
        erased.enrol(OTHER, faceid="eva", refuses_erased=True)
    assert erased.faceids() == []


def test_the_picture_is_refused_whatever_the_id_is(erased: Book) -> None:
    for faceid in (None, "another"):
        with pytest.raises(FaceErased, match="this very picture"):
            erased.enrol(EVA, faceid=faceid, refuses_erased=True)
    assert erased.faceids() == []


def test_others_come_in_and_the_person_too_if_nobody_asks(erased: Book) -> None:
    erased.enrol(OTHER, faceid="other", refuses_erased=True)
    erased.enrol(EVA, faceid="eva")
    assert erased.faceids() == ["eva", "other"]


def test_who_was_deleted_and_not_erased_comes_in(book: Book) -> None:
    book.enrol(EVA, faceid="eva")
    book.services.deletion.delete_faces(book.tenant, ["eva"], by="first")
    book.enrol(EVA, faceid="eva", refuses_erased=True)
    person.worked_off(book)


def test_the_picture_is_refused_by_a_receipt_that_a_restored_book_was_given(book: Book) -> None:
    """The book is from before the enrolment, so the erasure that is done again finds nothing to
    remove."""
    book.enrol(EVA)
    book.services.deletion.delete_faces(book.tenant, book.faceids(), by="first", erase=True)
    person.worked_off(book)
    [erasure] = book.services.erasure.records.list_all("shop")
    receipt = parse_receipt(erasure.receipt)
    assert receipt is not None
    book.services.storage.items.transact([Delete(keys.ERASURES, ("shop", erasure.id))])
    book.enrol(EVA, faceid="eva", refuses_erased=True)
    book.services.erasure.again.end(receipt)
    with pytest.raises(FaceErased, match="this very picture"):
        book.enrol(EVA, faceid="again", refuses_erased=True)


# --- what it costs
# --------------------------------------------------------------------------------------------------


def enrol_asking(book: Book, seed: int, faceid: str | None = None) -> None:
    book.enrol(Person(seed), faceid=faceid, refuses_erased=True)


def test_all_erasures_are_read_once_and_not_for_each_who_is_enrolled(tmp_path: Path) -> None:
    meter = Meter()
    with closing(
        Book(tmp_path, wrap=lambda given: replace(given, items=MeteredItems(given.items, meter)))
    ) as book:
        for seed in range(20):
            book.enrol(Person(seed), faceid=f"gone{seed}")
            book.services.deletion.delete_faces(
                book.tenant, [f"gone{seed}"], by="first", erase=True
            )
        enrol_asking(book, 100)
        meter.clear()
        for seed in range(101, 111):
            enrol_asking(book, seed, f"new{seed}")
        assert {
            name: units for name, units in meter.reads.items() if name.startswith("erasures")
        } == {}
        for seed in range(20):
            with pytest.raises(FaceErased, match="this very picture"):
                enrol_asking(book, seed)
            with pytest.raises(FaceErased, match="who had the id"):
                enrol_asking(book, 111, f"gone{seed}")


def erase_face(book: Book) -> None:
    book.services.deletion.delete_faces(book.tenant, ["eva"], by="first", erase=True)


def erase_deleted(book: Book) -> None:
    book.services.deletion.delete_faces(book.tenant, ["eva"], by="first")
    person.worked_off(book)
    book.services.erasure.erase_gone_face(book.tenant, "eva", by="first")


def erase_with_its_group(book: Book) -> None:
    book.services.tenants.change_settings("shop", {"deletes_erase": True})
    book.services.deletion.groups.delete(book.tenant, "guests", by="first")


def erase_what_only_the_audit_knows_as_merged(book: Book) -> None:
    survivor = book.enrol(OTHER, faceid="other").faceid
    with audit_events.begin_audit_event(
        AuditEvent("POST /v1/faces/{id}/merge", "key first", ActKind.CHANGE, "shop")
    ):
        book.services.merges.merging.merge(book.tenant, survivor, "eva")
    book.clock.advance(UNDONE_WITHIN + timedelta(days=1))
    book.sweep()
    book.services.deletion.delete_faces(book.tenant, [survivor], by="first", erase=True)


def note_as_done_again(book: Book) -> None:
    """Give the book a receipt whose number is older than another erasure's, which has been read."""
    erase_face(book)
    person.worked_off(book)
    [erasure] = book.services.erasure.records.list_all("shop")
    book.services.storage.items.transact([Delete(keys.ERASURES, ("shop", erasure.id))])
    receipt = parse_receipt(erasure.receipt)
    assert receipt is not None
    book.services.erasure.again.end(receipt)


WAYS = [
    erase_face,
    erase_deleted,
    erase_with_its_group,
    erase_what_only_the_audit_knows_as_merged,
    note_as_done_again,
]


@pytest.mark.parametrize("erase", WAYS)
def test_a_process_that_has_read_all_erasures_hears_of_one_that_another_process_begins(
    tmp_path: Path, erase: Callable[[Book], None]
) -> None:
    with closing(Book(tmp_path)) as book, closing(Book(tmp_path)) as warm:
        book.services.groups.create(book.tenant, "guests", None, "")
        book.enrol(EVA, "guests", faceid="eva")
        enrol_asking(warm, 100)
        erase(book)
        enrol_asking(warm, 101)
        person.worked_off(book)
        with pytest.raises(FaceErased, match="who had the id"):
            enrol_asking(warm, 102, "eva")


def test_the_id_is_refused_between_the_last_step_and_the_receipt(tmp_path: Path) -> None:
    """The record knows the id as a hash only then."""
    with closing(Book(tmp_path)) as book:
        book.enrol(EVA, faceid="eva")
        erase_face(book)
        [erasure] = book.services.erasure.records.list_all("shop")
        wiped = add_face_hashes(erasure, book.services.audit.signing.read_face_key("shop"))
        wiped = replace(
            wiped, faceids=(), names=(), pseudonym="", step=wiped.steps.index(Step.RECEIPT)
        )
        book.storage.items.transact([Put(keys.ERASURES, erasure_item("shop", wiped))])
        with pytest.raises(FaceErased, match="who had the id"):
            enrol_asking(book, 101, "eva")
