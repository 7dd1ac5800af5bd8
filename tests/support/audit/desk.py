"""An audit on embedded storage, with a clock that stands still, and what somebody may do to it who
may do all."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, kind_of
from chalicelib.privacy import signing
from chalicelib.privacy.audit.audit import AuditedItems
from chalicelib.privacy.audit.chain import Chain, Element, Signing
from chalicelib.privacy.audit.leaving import AuditErasing
from chalicelib.privacy.audit.verifying import Verified, Verifying
from chalicelib.privacy.audit_entries import (
    Document,
    Head,
    Leaf,
    Sign,
    compute_root,
    entry_put,
    leaf_of,
    new_entry,
)
from chalicelib.privacy.signing import canonical_json
from chalicelib.storage import keys
from chalicelib.storage.box.blobs import FolderBlobStore
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.box.vault import PlainVault
from chalicelib.storage.items import walk_items, write
from chalicelib.storage.ports import BlobStore, Delete, Item, ItemStore, Put
from tests.support.fakes import FakeClock

TENANT = "shop"
HEADS = keys.audit_heads(TENANT)
HOUR = timedelta(hours=1)
SETS = "PATCH /v1/settings"
RENEW = "regulars tenants renew-signing"


def signed_by_another(_tenant: str, statement: Mapping[str, Any]) -> Document:
    return signing.sign_statement(statement, signing.new_key()[0])


@dataclass
class Desk:
    items: ItemStore
    blobs: BlobStore
    clock: FakeClock

    def __post_init__(self) -> None:
        self.audited = AuditedItems(
            self.items,
            self.clock,
            lambda tenant, said: self.signing.sign_statement(tenant, said),
            lambda _: None,
        )
        storage = SimpleNamespace(blobs=self.blobs, vault=PlainVault())
        self.book: Any = SimpleNamespace(
            items=self.audited, clock=self.clock, storage=storage, audit=self
        )
        self.chain = Chain(self.book)
        self.signing: Any = Signing(self.book)
        self.erasing = AuditErasing(self.book)

    def act(
        self, *faces: str, what: str = "PATCH /v1/faces/{id}", late: timedelta = timedelta(0)
    ) -> str:
        """Write an entry, as its transaction would have so long ago."""
        past = FakeClock(self.clock.now() - late)
        entry = new_entry(past, what, "key first", faces=list(faces))
        write(self.audited, [entry_put(TENANT, entry)])
        return str(entry["id"])

    def write(self, what: str, by: str, **more: Any) -> None:
        """Write an entry past the service, as somebody may who may write to the table."""
        write(self.items, [entry_put(TENANT, new_entry(self.clock, what, by, **more))])

    def trim(self, days: int) -> int:
        """Set `audit_days`, and do what the night does."""
        self.set_days(days)
        return self.erasing.trim(TENANT, days)

    def set_days(self, days: int | None) -> None:
        self.clock.advance(timedelta(milliseconds=1))
        with audit_events.begin_audit_event(AuditEvent(SETS, "key first", kind_of(SETS), "shop")):
            write(
                self.audited,
                [Put(keys.TENANTS, {"kind": "tenant", "id": TENANT, "audit_days": days})],
            )
        self.clock.advance(timedelta(milliseconds=1))

    def close(self) -> int:
        return self.chain.close_hours(TENANT)

    def verify(self, kept: Document | None = None) -> Verified:
        return Verifying(self.book).verify_tenant(TENANT, kept)

    def lose_key(self) -> None:
        self.put_key({**self.key_item(), "sealed": b"damaged"})

    def renew(self, *, is_lost: bool = False) -> None:
        with audit_events.begin_audit_event(AuditEvent(RENEW, "operator", kind_of(RENEW), "shop")):
            self.signing.renew_key(TENANT, is_lost=is_lost)

    @property
    def elements(self) -> list[Element]:
        return list(self.chain.list_elements(TENANT))

    def entries(self) -> list[dict[str, Any]]:
        """All closed entries that are whole."""
        leaves = [
            leaf for one in self.elements if one.entries for leaf in self.chain.read_leaves(one)
        ]
        return [dict(leaf.content) for leaf in leaves if leaf.content is not None]

    # --- what an attacker does, who may write to the table and to the blobs

    def overwrite(self, element: Element, leaves: Sequence[Leaf]) -> None:
        """Put other entries under the key that the head names."""
        assert element.entries is not None
        lines = (json.dumps([one.hash, one.salt, one.entry], ensure_ascii=False) for one in leaves)
        self.put_blob(element.entries, "\n".join(lines).encode())

    def put_blob(self, key: str, data: bytes) -> None:
        self.blobs.delete(key)
        self.blobs.put_if_absent(key, data, "application/json")

    def key_item(self) -> Item:
        self.signing.read_public_keys(TENANT)
        item = self.items.get(keys.TENANTS, keys.signing_key(TENANT))
        assert item is not None
        return item

    def put_key(self, item: Item) -> None:
        write(self.items, [Put(keys.TENANTS, item)])

    def head_item(self, number: int) -> Item:
        item = self.items.get(keys.AUDIT, (HEADS, keys.audit_number(number)))
        assert item is not None
        return item

    def put_head(self, number: int, document: Document) -> None:
        item = {**self.head_item(number), "document": canonical_json(document).decode()}
        write(self.items, [Put(keys.AUDIT, item)])

    def drop_head(self, number: int, *, anchor: bool) -> None:
        write(self.items, [Delete(keys.AUDIT, (HEADS, keys.audit_number(number)))])
        if anchor:
            self.blobs.delete(keys.audit_anchor(TENANT, number))

    def set_end(self, head: Head | None) -> None:
        """Let the table say that the chain ends there."""
        key = (TENANT, keys.AUDIT_END)
        if head is None:
            return write(self.items, [Delete(keys.AUDIT, key)])
        item = {
            **(self.items.get(*((keys.AUDIT, key))) or {}),
            "number": head.number,
            "hour": head.hour,
        }
        return write(self.items, [Put(keys.AUDIT, {**item, "hash": head.hash})])

    def make_anew(self, number: int, leaves: Sequence[Leaf], sign: Sign | None = None) -> None:
        """Put other entries into an hour, and make all from there on fit: entries, heads,
        anchors."""
        before = self.elements[number - 2].head.hash if number > 1 else ""
        for element in self.elements[number - 1 :]:
            own = leaves if element.head.number == number else self.chain.read_leaves(element)
            self.overwrite(element, own)
            head = replace(
                element.head,
                before=before,
                count=len(own),
                root=compute_root(one.hash for one in own),
            )
            document = (sign or self.signing.sign_statement)(TENANT, head.statement)
            self.put_head(head.number, document)
            self.put_blob(keys.audit_anchor(TENANT, head.number), canonical_json(document))
            before = head.hash
        self.set_end(self.elements[-1].head)


def forged(leaf: Leaf) -> Leaf:
    """Another entry, and a leaf that fits it."""
    return leaf_of({**(leaf.content or {}), "by": "key another"})


@contextmanager
def desk() -> Iterator[Desk]:
    with TemporaryDirectory() as folder, desk_at(Path(folder)) as made:
        yield made


@contextmanager
def desk_at(path: Path) -> Iterator[Desk]:
    with closing(SqliteItemStore(path / "regulars.sqlite", keys.TABLES)) as items:
        yield Desk(items, FolderBlobStore(path / "blobs"), FakeClock())


def open_items(made: Desk) -> list[Item]:
    return list(walk_items(made.items, keys.AUDIT, TENANT, between=keys.AUDIT_OPEN))
