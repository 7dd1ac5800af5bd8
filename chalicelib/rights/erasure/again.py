"""Erasures that are done again: of people, and of tenants, whom a restored backup brought back.

A receipt knows its faces by hashes of their ids, so that whoever has it can find them in a restored book. It is open if
the book has the tenant and no record of that erasure: the backup is from before the erasure was asked for. Done again,
an erasure has its old receipt, and a new one for what went now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from chalicelib.book.records.observations import observation_from
from chalicelib.book.words import keys
from chalicelib.book.words.errors import Busy, InvalidInput
from chalicelib.book.words.items import parts, write
from chalicelib.book.words.model import Face, Tenant
from chalicelib.book.words.ports import Item, Put, Table
from chalicelib.book.words.values import moment_of_text
from chalicelib.rights.outside import Outside
from chalicelib.rights.words import signing
from chalicelib.rights.words.erasures import (
    OF_ERASURE,
    RECEIPT,
    Erasure,
    erasure_item,
    list_named_faces,
    require_receipt,
)
from chalicelib.rights.words.tenant_erasures import RECEIPT_OF_TENANT

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
    statement, signer = signing.verify_statement(document)
    return Receipt(document, statement, signer) if statement.get("kind") in (RECEIPT, RECEIPT_OF_TENANT) else None


class People(Struct):
    """The people in a tenant's book, deleted ones too who were observed. Those whom an erasure takes are taken out."""

    key: bytes
    faceids: set[str]
    observed: set[str]

    def list_named(self, receipt: Receipt) -> list[str]:
        """Return whom a receipt names."""
        return list_named_faces(receipt.statement, self.key, sorted(self.faceids | self.observed))


class Again(Outside):
    def unknown_names(self, names: Iterable[str]) -> list[str]:
        """Return those of a keeper's names (`receipt_name`) that are of a tenant here that does not know them."""
        tenants = {one.app_id: one.name for one in self.book.tenants.all()}
        found = {
            name: (tenants[app_id], id_)
            for name in names
            for app_id, id_ in [name.removesuffix(".json").split("/")[-2:]]
            if app_id in tenants
        }
        known = self._find_known(list(found.values()))
        return [name for name, place in found.items() if place not in known]

    def unknown(self, receipts: Iterable[Receipt]) -> list[Receipt]:
        """Return the receipts of tenants here whose erasures this book has no record of, the oldest first."""
        tenants = {one.name: one.app_id for one in self.book.tenants.all()}
        here = {(one.tenant, one.id): one for one in receipts if one.tenant in tenants}
        known = self._find_known(list(here))
        left = [one for place, one in here.items() if place not in known]
        of_here = (one for one in left if one.statement.get("app_id", tenants[one.tenant]) == tenants[one.tenant])
        return sorted(of_here, key=lambda one: str(one.statement["done_at"]))

    def open(self, receipts: Iterable[Receipt]) -> list[Receipt]:
        """Return the unknown receipts that name somebody who is in the book, or the tenant itself."""
        people: dict[str, People] = {}
        found = []
        for one in self.unknown(receipts):
            if not one.is_of_tenant and one.tenant not in people:
                people[one.tenant] = self.people(one.tenant)
            if one.is_of_tenant or people[one.tenant].list_named(one):
                found.append(one)
        return found

    def people(self, tenant: str) -> People:
        """Read who is in a tenant's book, from every face and every observation."""
        key = self.book.audit.signing.face_key(tenant)
        faceids = {item["faceid"] for item in self._scan_tenant(keys.FACES, tenant)}
        return People(
            key, faceids, {observation_from(one).faceid for one in self._scan_tenant(keys.OBSERVATIONS, tenant)}
        )

    def begin(self, receipt: Receipt, people: People, trusted: Collection[str] = ()) -> list[str]:
        """Erase again whom a receipt of people names, whatever holds them; return the ids of the erasures.

        `trusted`: fingerprints of signers besides the tenant's own keys. Raises Busy, and InvalidInput if another
        signed it.
        """
        tenant = self._tenant(receipt, trusted)
        ids = people.list_named(receipt)
        there = self.book.faces.by_id(tenant, ids, restricted=True)
        left = self._erase_remains(tenant, receipt, [one for one in ids if one in people.observed], there)
        for faceid, face in there.items():
            if face.hold is not None:  # that was over when the person was erased
                self.book.faces.holds.lift(tenant, faceid, f"erased again, by receipt {receipt.id}")
        by, asked_at = str(receipt.statement["by"]), moment_of_text(receipt.statement["asked_at"])
        deleted = self.book.deletion.of_faces(tenant, list(there), by=by, erase=True, asked_at=asked_at)
        if deleted.failed:
            raise Busy(f"{len(deleted.failed)} faces of {receipt} are still there: try again")
        people.faceids -= {*ids}
        people.observed -= {*ids}
        return [*left, *deleted.erasures]

    def _erase_remains(
        self, tenant: Tenant, receipt: Receipt, observed: Sequence[str], there: dict[str, Face]
    ) -> list[str]:
        """Erase what faces left that are gone, or whose id somebody else has now, who is taken out of `there`.

        A receipt without templates is of somebody who was deleted before. If the id has observations that are not of
        the face that is there now, it was theirs.
        """
        by, asked_at = str(receipt.statement["by"]), moment_of_text(receipt.statement["asked_at"])
        is_of_former = not receipt.statement["removed"]["templates"]
        erasures = []
        for faceid in (one for one in observed if one not in there or is_of_former):
            found = self.book.erasure.of_gone(tenant, faceid, by=by, asked_at=asked_at).erasures
            if found:
                there.pop(faceid, None)
            erasures += found
        return erasures

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
            is_told=True,
        )
        write(self.book.items, [Put(keys.ERASURES, erasure_item(receipt.tenant, erasure))])

    def begin_tenant(self, receipt: Receipt, trusted: Collection[str] = ()) -> None:
        """Erase a whole tenant again; `of_tenants.go_on` does the steps. Raises InvalidInput if another signed it."""
        tenant, said = self._tenant(receipt, trusted), receipt.statement
        self.book.erasure.of_tenants.begin_again(
            tenant.name, str(said["by"]), id_=receipt.id, at=moment_of_text(said["asked_at"])
        )

    def _tenant(self, receipt: Receipt, trusted: Collection[str]) -> Tenant:
        tenant = self.book.tenants.get_by_name(receipt.tenant)
        public = self.book.audit.signing.public_keys(tenant.name)
        try:
            require_receipt(receipt.statement, receipt.signer, tenant.name, public, trusted)
        except InvalidInput as error:
            raise InvalidInput(f"the receipt of {receipt} erases nobody: {error}") from error
        return tenant

    def _scan_tenant(self, table: Table, tenant: str) -> Iterator[Item]:
        found = self.book.storage.items.scan(table, tenant)
        return (item for item in found if keys.is_of_tenant(table, item, tenant))

    def _find_known(self, places: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the tenants' erasures that this book has a record of."""
        known = set[tuple[str, str]]()
        for some in parts(places, _AT_ONCE):
            found = self.book.items.get_many(keys.ERASURES, some)
            known |= {place for place, item in zip(some, found, strict=True) if item is not None}
        return known
