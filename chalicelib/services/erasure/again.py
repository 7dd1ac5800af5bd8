"""Erasures that are done again: of people, and of tenants, whom a restored backup brought back.

A receipt knows its faces by hashes of their ids, so that whoever has it can find them in a restored book. It is open if
the book has the tenant and no record of that erasure: the backup is from before the erasure was asked for. Done again,
an erasure has its old receipt, and a new one for what went now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from chalicelib.core import keys, signing
from chalicelib.core.erasures import OF_ERASURE, RECEIPT, Erasure, erasure_item, named, require_receipt
from chalicelib.core.errors import Busy, InvalidInput
from chalicelib.core.items import parts, write
from chalicelib.core.model import Tenant
from chalicelib.core.ports import Put
from chalicelib.core.records.observations import observation_from
from chalicelib.core.tenant_erasures import RECEIPT_OF_TENANT
from chalicelib.core.values import moment_of_text
from chalicelib.services.outside import Outside

_AT_ONCE = 100


class Receipt(Struct, frozen=True):
    """A signed receipt that somebody kept. `signer`: the public key that signed it."""

    document: Mapping[str, Any]
    statement: Mapping[str, Any]
    signer: bytes

    @property
    def is_of_tenant(self) -> bool:
        return bool(self.statement["kind"] == RECEIPT_OF_TENANT)

    @property
    def id(self) -> str:
        return str(self.statement["id"])

    @property
    def tenant(self) -> str:
        return str(self.statement["tenant"])

    def __str__(self) -> str:
        return f"erasure {self.id} of {self.tenant}"


def receipt_of(document: Any) -> Receipt | None:
    """Read a receipt; None if this is another statement. Raises InvalidInput if it is not as it was signed."""
    statement, signer = signing.verified(document)
    return Receipt(document, statement, signer) if statement.get("kind") in (RECEIPT, RECEIPT_OF_TENANT) else None


class Again(Outside):
    def open_names(self, names: Iterable[str]) -> list[str]:
        """Return those of a keeper's names (`receipt_name`) that are of tenants here, and whose erasures are not."""
        tenants = {one.app_id: one.name for one in self.book.tenants.all()}
        found = {
            name: (tenants[app_id], id_)
            for name in names
            for app_id, id_ in [name.removesuffix(".json").split("/")[-2:]]
            if app_id in tenants
        }
        known = self._known(list(found.values()))
        return [name for name, place in found.items() if place not in known]

    def open(self, receipts: Iterable[Receipt]) -> list[Receipt]:
        """Return the receipts whose erasures are not in this book, the oldest first."""
        tenants = {one.name: one.app_id for one in self.book.tenants.all()}
        here = {(one.tenant, one.id): one for one in receipts if one.tenant in tenants}
        known = self._known(list(here))
        left = [one for place, one in here.items() if place not in known]
        of_here = (one for one in left if one.statement.get("app_id", tenants[one.tenant]) == tenants[one.tenant])
        return sorted(of_here, key=lambda one: str(one.statement["done_at"]))

    def begin(self, receipt: Receipt, trusted: Collection[str] = ()) -> list[str]:
        """Erase again whom a receipt of people names, whatever holds them; return the ids of the erasures.

        `trusted`: fingerprints of signers besides the tenant's own keys. Raises InvalidInput if another signed it.
        """
        tenant = self._tenant(receipt, trusted)
        asked_at = moment_of_text(receipt.statement["asked_at"])
        observed = self._observed(tenant)
        ids = self._named(tenant, receipt, observed)
        there = self.book.faces.by_id(tenant, ids, restricted=True)
        has_former = not receipt.statement["removed"]["templates"]
        erasures = list[str]()
        by = str(receipt.statement["by"])
        for faceid in [one for one in ids if one not in there or has_former]:
            if faceid in observed:
                found = self.book.erasure.of_gone(tenant, faceid, by=by, asked_at=asked_at).erasures
                erasures += found
                if found:
                    there.pop(faceid, None)  # the id is somebody else's now, who stays
        for faceid, face in there.items():
            if face.hold is not None:  # that was over when the person was erased
                self.book.faces.holds.lift(tenant, faceid, f"erased again, by receipt {receipt.id}")
        deleted = self.book.deletion.of_faces(tenant, list(there), by=by, erase=True, asked_at=asked_at)
        if deleted.failed:
            raise Busy(f"{len(deleted.failed)} faces of {receipt} are still there: try again")
        return [*erasures, *deleted.erasures]

    def end(self, receipt: Receipt) -> None:
        """Note that an erasure is done again, once those that `begin` returned are done."""
        said = receipt.statement
        at, done_at = (moment_of_text(said[name]) for name in ("asked_at", "done_at"))
        erasure = Erasure(
            receipt.id,
            at,
            str(said["by"]),
            erases=True,
            number=len(said["faces"]["sha256"]),
            step=len(OF_ERASURE),
            counts=said["counts"],
            done_at=done_at,
            receipt=receipt.document,
        )
        write(self.book.items, [Put(keys.ERASURES, erasure_item(receipt.tenant, erasure))])

    def begin_tenant(self, receipt: Receipt, trusted: Collection[str] = ()) -> None:
        """Erase a whole tenant again; `of_tenants.go_on` does the steps. Raises InvalidInput if another signed it."""
        tenant = self._tenant(receipt, trusted)
        at = moment_of_text(receipt.statement["asked_at"])
        self.book.erasure.of_tenants.begin(tenant.name, receipt.statement["by"], under_way=timedelta(0), at=at)

    def _tenant(self, receipt: Receipt, trusted: Collection[str]) -> Tenant:
        tenant = self.book.tenants.named(receipt.tenant)
        public = self.book.audit.signing.public_keys(tenant.name)
        try:
            require_receipt(receipt.statement, receipt.signer, tenant.name, public, trusted)
        except InvalidInput as error:
            raise InvalidInput(f"the receipt of {receipt} erases nobody: {error}") from error
        return tenant

    def _named(self, tenant: Tenant, receipt: Receipt, observed: Collection[str]) -> list[str]:
        """Return whom a receipt names of those who are in the book, or were observed."""
        table = self.book.storage.items.scan(keys.FACES, tenant.name)
        there = (item["faceid"] for item in table if keys.is_of_tenant(keys.FACES, item, tenant.name))
        key = self.book.audit.signing.face_key(tenant.name)
        return named(receipt.statement, key, dict.fromkeys((*there, *observed)))

    def _observed(self, tenant: Tenant) -> set[str]:
        """Return all who were observed, deleted ones too."""
        found = self.book.storage.items.scan(keys.OBSERVATIONS, tenant.name)
        own = (item for item in found if keys.is_of_tenant(keys.OBSERVATIONS, item, tenant.name))
        return {observation_from(item).faceid for item in own}

    def _known(self, places: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the tenants' erasures that this book has a record of."""
        known = set[tuple[str, str]]()
        for some in parts(places, _AT_ONCE):
            found = self.book.items.get_many(keys.ERASURES, some)
            known |= {place for place, item in zip(some, found, strict=True) if item is not None}
        return known
