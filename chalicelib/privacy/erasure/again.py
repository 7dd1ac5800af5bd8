"""Repeated erasures of people and tenants that a restored backup brought back.

A receipt knows its faces by hashes of their ids, so that whoever has it can find them in a restored
book. It is open if the book has the tenant and no record of that erasure: the backup is from before
the erasure was asked for. Done again, an erasure has its old receipt, and a new one for what went
now.

Somebody else may have one of these ids: from before, as the receipt then notes, or since. Such a
face stays, and what the former left goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from chalicelib.domain.errors import Busy, InvalidInput
from chalicelib.domain.model import Face, Tenant
from chalicelib.domain.observations import is_new_id
from chalicelib.privacy import signing
from chalicelib.privacy.erasure_progress import (
    HASHED,
    OF_ERASURE,
    RECEIPT,
    SETTLED,
    Erasure,
    erasure_item,
    find_refusal,
    is_noted_as_other,
    is_of_face_key,
    list_named_faces,
    parse_refused,
    require_face_key,
    require_receipt,
)
from chalicelib.privacy.tenant_erasure_progress import RECEIPT_OF_TENANT
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import cut_in_parts, write
from chalicelib.storage.ports import Item, Put, Table
from chalicelib.storage.records.observations import observation_from
from chalicelib.storage.values import moment_of_text

if TYPE_CHECKING:
    from chalicelib.services import Services

_AT_ONCE = 100
"""Faces that are read at once."""


_OF_EACH = ("tenant", "app_id", "id", "asked_at", "done_at", "by", "counts")
_OF_PEOPLE = ("faces", "refused", "removed")
_OF_FACES = ("key", "sha256", "others")
"""Members of a receipt: of each, of one about people, and of its `faces`."""


class Receipt(Struct, frozen=True):
    """A signed receipt that was kept elsewhere.

    `signer`: the public key that signed it.
    """

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

    @property
    def app_id(self) -> str:
        """The id of the book that made it."""
        return str(self.statement["app_id"])

    def __str__(self) -> str:
        return f"erasure {self.id} of {self.tenant}"


def parse_receipt(document: Any) -> Receipt | None:
    """Read a receipt; None if this is another statement.

    Raises InvalidInput if it is not as it was signed, or lacks what each receipt has.
    """
    statement, signer = signing.verify_statement(document)
    if statement.get("kind") not in (RECEIPT, RECEIPT_OF_TENANT):
        return None
    lacking = [name for name in _OF_EACH if name not in statement]
    if statement["kind"] == RECEIPT:
        faces = statement.get("faces") or {}
        lacking += [name for name in _OF_PEOPLE if name not in statement]
        lacking += [f"faces.{name}" for name in _OF_FACES if name not in faces]
    if lacking:
        raise InvalidInput(f"the receipt has no {lacking[0]}, so no release wrote it")
    return Receipt(document, statement, signer)


class People(Struct):
    """The people in a tenant's book, including deleted ones with observations.

    Those whom an erasure takes are taken out.
    """

    key: bytes
    faceids: set[str]
    observed: set[str]

    def list_named(self, receipt: Receipt) -> list[str]:
        """Return the people whom a receipt names."""
        return list_named_faces(receipt.statement, self.key, sorted(self.faceids | self.observed))


class Again(Service["Services"]):
    def list_unknown_names(self, names: Iterable[str]) -> list[str]:
        """Return those of a keeper's names (`receipt_name`) that are of a tenant here that does not
        know them."""
        tenants = {tenant.app_id: tenant.name for tenant in self.services.tenants.list_all()}
        erasure_keys = {
            name: (tenants[app_id], id_)
            for name in names
            for app_id, id_ in [name.removesuffix(".json").split("/")[-2:]]
            if app_id in tenants
        }
        known_keys = self._find_known(list(erasure_keys.values()))
        return [name for name, erasure_key in erasure_keys.items() if erasure_key not in known_keys]

    def list_unknown(self, receipts: Iterable[Receipt]) -> list[Receipt]:
        """Return the receipts of tenants here for erasures that this book has no record of, oldest
        first."""
        books = {tenant.name: tenant.app_id for tenant in self.services.tenants.list_all()}
        receipts_here = {
            (receipt.tenant, receipt.id): receipt
            for receipt in receipts
            if receipt.tenant in books and receipt.app_id == books[receipt.tenant]
        }
        known_keys = self._find_known(list(receipts_here))
        unknown_receipts = [
            receipt
            for erasure_key, receipt in receipts_here.items()
            if erasure_key not in known_keys
        ]
        return sorted(unknown_receipts, key=lambda receipt: str(receipt.statement["done_at"]))

    def is_of_another_book(self, receipt: Receipt) -> bool:
        """Tell whether a receipt belongs to another book with a tenant of the same name, as the
        first tenants of two boxes have."""
        return receipt.app_id != self.services.tenants.get_by_name(receipt.tenant).app_id

    def require_acceptable(self, receipt: Receipt, trusted: Collection[str] = ()) -> None:
        """Raise InvalidInput unless a receipt is signed by a key that its tenant had then, or by
        one of `trusted`."""
        self._find_tenant(receipt, trusted)

    def list_open(self, receipts: Iterable[Receipt]) -> list[Receipt]:
        """Return the unknown receipts that name a person in the book, or the tenant itself."""
        people: dict[str, People] = {}
        open_receipts = []
        for receipt in self.list_unknown(receipts):
            if not receipt.is_of_tenant and receipt.tenant not in people:
                people[receipt.tenant] = self.read_people(receipt.tenant)
            if receipt.is_of_tenant or people[receipt.tenant].list_named(receipt):
                open_receipts.append(receipt)
        return open_receipts

    def read_people(self, tenant: str) -> People:
        """Read the people in a tenant's book, from every face and every observation."""
        key = self.services.audit.signing.read_face_key(tenant)
        faceids = {item["faceid"] for item in self._scan_tenant(keys.FACES, tenant)}
        return People(
            key,
            faceids,
            {
                observation_from(item).faceid
                for item in self._scan_tenant(keys.OBSERVATIONS, tenant)
            },
        )

    def begin(self, receipt: Receipt, people: People, trusted: Collection[str] = ()) -> list[str]:
        """Erase again the people whom a receipt names, even under hold; return the ids of the
        erasures.

        `trusted`: fingerprints of signers besides the tenant's own keys. Raises Busy, and
        InvalidInput if another signed it, or another face key made it.
        """
        tenant = self._find_tenant(receipt, trusted, names_faces=True)
        named_ids = people.list_named(receipt)
        erased_faces, other_faces_by_id = self.part_faces(tenant, receipt.statement, named_ids)
        by = str(receipt.statement["by"])
        asked_at = min(  # a clock that was ahead keeps no step waiting
            moment_of_text(receipt.statement["asked_at"]), self.services.clock.now() - SETTLED
        )
        erasure_ids = []
        for faceid in (
            id_ for id_ in named_ids if id_ in people.observed and id_ not in erased_faces
        ):
            erasure_ids += self.services.erasure.erase_gone_face(
                tenant, faceid, by=by, asked_at=asked_at
            ).erasures
        for faceid, face in erased_faces.items():
            if face.hold is not None:  # that was over when the person was erased
                self.services.faces.holds.lift(
                    tenant, faceid, f"erased again, by receipt {receipt.id}"
                )
            # The receipt may not have the record, which a withdrawal took away before the erasure.
            end = find_refusal(receipt.statement, people.key, faceid)
            self.services.refusals.write_end(tenant, face, end)
        deleted = self.services.deletion.delete_faces(
            tenant,
            list(erased_faces),
            by=by,
            erase=True,
            only=lambda face: face.enrolled_at == erased_faces[face.faceid].enrolled_at,
            asked_at=asked_at,
        )
        if deleted.failed:
            raise Busy(f"{len(deleted.failed)} faces of {receipt} are still there: try again")
        people.faceids -= {*named_ids} - other_faces_by_id.keys()
        people.observed -= {*named_ids}
        return [*erasure_ids, *deleted.erasures]

    def part_faces(
        self, tenant: Tenant, statement: Mapping[str, Any], ids: Sequence[str]
    ) -> tuple[dict[str, Face], dict[str, Face]]:
        """Divide the faces with ids that a receipt names into those that it is of, and others,
        which stay.

        Raises KeyError or TypeError if this is no statement of an erasure.
        """
        key = self.services.audit.signing.read_face_key(tenant.name)
        present_faces = self.services.faces.by_id(tenant, ids, restricted=True)
        erased = {
            faceid: face
            for faceid, face in present_faces.items()
            if self._is_of(statement, key, face)
        }
        return erased, {
            faceid: face for faceid, face in present_faces.items() if faceid not in erased
        }

    def _is_of(self, statement: Mapping[str, Any], key: bytes, face: Face) -> bool:
        """Return whether a receipt that names a face's id is of this face.

        A face that was enrolled after the erasure was asked for is somebody else. Clocks may be
        wrong, so what it consists of counts more: it is the erased one if a template or a picture
        is the same byte for byte. So it is if an import of an old file brought the person back.
        """
        if is_noted_as_other(statement, key, face):
            return False
        if is_new_id(face) or face.enrolled_at <= moment_of_text(statement["asked_at"]):
            return True
        removed_hashes = statement["removed"]
        contents = self.services.erasure.records.hash_contents([face])
        return any(not set(contents[kind]).isdisjoint(removed_hashes[kind]) for kind in HASHED)

    def is_of_lost_key(self, receipt: Receipt) -> bool:
        """Tell whether the people of a receipt can no longer be identified: the book is from before
        the key that hashed them."""
        face_key = self.services.audit.signing.read_face_key(receipt.tenant)
        return not receipt.is_of_tenant and not is_of_face_key(receipt.statement, face_key)

    def leave_out(self, receipt: Receipt, trusted: Collection[str] = ()) -> None:
        """Record as done an erasure whose people can no longer be identified.

        Raises InvalidInput if that can be told.

        `trusted`: as `begin` has it; also raises InvalidInput if another signed it.
        """
        self._find_tenant(receipt, trusted)
        if is_of_face_key(
            receipt.statement, self.services.audit.signing.read_face_key(receipt.tenant)
        ):
            raise InvalidInput(f"the receipt of {receipt} can be done again: do not leave it out")
        self.end(receipt)

    def end(self, receipt: Receipt) -> None:
        """Record that an erasure is done again, once those that `begin` returned are done."""
        statement = receipt.statement
        asked_at, done_at = (moment_of_text(statement[name]) for name in ("asked_at", "done_at"))
        erasure = Erasure(
            receipt.id,
            asked_at,
            str(statement["by"]),
            erases=True,
            number=len(statement["faces"]["sha256"]),
            step=len(OF_ERASURE),
            counts=statement["counts"],
            done_at=done_at,
            receipt=receipt.document,
            is_told=True,
        )
        refused = [parse_refused(said) for said in statement["refused"]]
        self.services.refusals.write(receipt.tenant, refused)
        write(self.services.items, [Put(keys.ERASURES, erasure_item(receipt.tenant, erasure))])

    def begin_tenant(self, receipt: Receipt, trusted: Collection[str] = ()) -> None:
        """Erase a whole tenant again; `of_tenants.go_on` does the steps.

        Raises InvalidInput if another signed it.
        """
        tenant, statement = self._find_tenant(receipt, trusted), receipt.statement
        self.services.erasure.of_tenants.begin_again(
            tenant.name,
            str(statement["by"]),
            id_=receipt.id,
            at=moment_of_text(statement["asked_at"]),
        )

    def _find_tenant(
        self, receipt: Receipt, trusted: Collection[str], *, names_faces: bool = False
    ) -> Tenant:
        tenant = self.services.tenants.get_by_name(receipt.tenant)
        public = self.services.audit.signing.read_public_keys(tenant.name)
        try:
            require_receipt(receipt.statement, receipt.signer, tenant.name, public, trusted)
            if names_faces:
                require_face_key(
                    receipt.statement, self.services.audit.signing.read_face_key(tenant.name)
                )
        except InvalidInput as error:
            raise InvalidInput(f"the receipt of {receipt} erases nobody: {error}") from error
        return tenant

    def _scan_tenant(self, table: Table, tenant: str) -> Iterator[Item]:
        items = self.services.storage.items.scan(table, tenant)
        return (item for item in items if keys.is_of_tenant(table, item, tenant))

    def _find_known(self, erasure_keys: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the tenants' erasures that this book has a record of."""
        known_keys = set[tuple[str, str]]()
        for part in cut_in_parts(erasure_keys, _AT_ONCE):
            items = self.services.items.get_many(keys.ERASURES, part)
            known_keys |= {
                erasure_key
                for erasure_key, item in zip(part, items, strict=True)
                if item is not None
            }
        return known_keys
