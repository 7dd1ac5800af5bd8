"""A tenant whose signing key cannot be read any more: erasures and hours of the audit wait, until
it is renewed."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, kind_of
from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.privacy import signing
from chalicelib.privacy.signing import renewal_of
from chalicelib.storage import keys
from chalicelib.storage.aws.vault import KmsVault
from chalicelib.storage.ports import Put, Storage
from tests.support.book.book import Book
from tests.support.fakes import Person
from tests.support.storage.emulated import storage_on, storage_stack

COMMAND = "regulars tenants renew-signing"


@pytest.fixture(params=["one box", "aws"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    """A shop that has signed one erasure and one hour of the audit, and has lost its key since."""
    with ExitStack() as stack:
        if request.param == "one box":
            made = stack.enter_context(closing(Book(tmp_path / "data")))
            signs_once(made)
            damage(made.storage)
        else:
            aws = stack.enter_context(storage_stack(stack="lost"))
            first = stack.enter_context(closing(Book(tmp_path / "data", kept=storage_on(aws))))
            signs_once(first)
            another = KmsVault(
                aws.client("kms"), aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
            )
            restored = Book(
                tmp_path / "data", lambda kept: replace(kept, vault=another), kept=storage_on(aws)
            )
            made = stack.enter_context(closing(restored))
            made.clock.advance(timedelta(hours=3))
        yield made


def damage(storage: Storage) -> None:
    item = storage.items.get(keys.TENANTS, keys.signing_key("shop"))
    storage.items.transact([Put(keys.TENANTS, {**item, "sealed": bytes(item["sealed"])[:-1]})])


def signs_once(book: Book) -> None:
    erased(book, 1)
    swept(book)


def erased(book: Book, seed: int) -> str:
    """Enrol somebody and erase them; return the erasure's id."""
    with audit_events.begin_audit_event(
        AuditEvent("POST /v1/faces", "key first", kind_of("POST /v1/faces"), "shop")
    ):
        face = book.enrol(Person(seed))
    [id_] = book.services.deletion.delete_faces(
        book.tenant, [face.faceid], by="first", erase=True
    ).erasures
    return id_


def swept(book: Book) -> None:
    book.clock.advance(timedelta(hours=2))
    book.services.sweep.sweep_tenant(book.tenant, book.clock.now().replace(hour=12))


def renewed(book: Book, *, is_lost: bool) -> None:
    with audit_events.begin_audit_event(AuditEvent(COMMAND, "operator", kind_of(COMMAND), "shop")):
        book.services.audit.signing.renew_key("shop", is_lost=is_lost)


def test_what_waits_is_signed_by_the_next_sweep_after_the_key_was_renewed(book: Book) -> None:
    services = book.services
    first = services.erasure.records.read_page("shop", 1).rows[0]
    before = services.audit.signing.read_public_keys("shop").current
    id_, hours = erased(book, 2), services.audit.chain.read_end("shop").number
    for _ in range(3):
        with pytest.raises(Busy, match=r"erasures, audit$"):
            swept(book)
    assert services.erasure.records.get("shop", id_).done_at is None
    assert services.audit.chain.read_end("shop").number == hours
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        renewed(book, is_lost=False)

    renewed(book, is_lost=True)
    swept(book)
    statement, by = signing.verify_statement(services.erasure.records.get("shop", id_).receipt)
    [renewal] = map(renewal_of, services.audit.signing.read_public_keys("shop").renewals)
    assert statement["id"] == id_
    assert (before, by) == (renewal.old, renewal.new)
    assert not renewal.is_vouched
    assert signing.verify_statement(first.receipt)[1] == renewal.old
    assert first.receipt["statement"]["done_at"] < renewal.until < statement["done_at"]
    seen = services.audit.verifying.verify_tenant("shop")
    assert (seen.findings, seen.renewals) == ([], [renewal])
    assert services.audit.chain.read_end("shop").number > renewal.heads == hours
