"""Receipts of erasures outside of a book, by which a restore erases again: beside backups, at a
witness, in a folder. The access registers lie beside them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import Any

from chalicelib.domain.errors import (
    InvalidInput,
    RegularsError,
    StorageUnavailable,
    TenantNotFound,
)
from chalicelib.privacy.erasure.again import Receipt, parse_receipt
from chalicelib.privacy.erasure_progress import RECEIPTS, receipt_name
from chalicelib.privacy.signing import canonical_json
from chalicelib.privacy.standing import (
    Document,
    Point,
    is_before,
    is_document,
    parse_document,
)
from chalicelib.services import Services
from chalicelib.storage.values import format_count
from chalicelib.witness import read_documents
from regulars.backup.closings import write_closings
from regulars.errors import DamagedFile, OperatorError
from regulars.shops import describe_failure

_log = logging.getLogger(__name__)


def write_beside(services: Services, backup_folder: Path) -> int:
    """Write the receipts of all erasures, and the access register, beside a backup; return the
    number of receipts.

    Receipts that are there already are left as they are. A tenant's document of what stands takes
    the place of an earlier one of the same life. Raises StorageUnavailable at the end if a tenant's
    could not be read or written.
    """
    documents: dict[str, Mapping[str, Any]] = {}
    refused: list[str] = []
    for tenant in services.tenants.list_all():
        try:
            documents |= {
                receipt_name(tenant.app_id, erasure.id): erasure.receipt
                for erasure in services.erasure.records.list_all(tenant.name)
                if erasure.receipt is not None
            }
            services.access.standing.write_beside(tenant, backup_folder)
            write_closings(services, tenant, backup_folder)
        except TenantNotFound:
            continue  # it is erased meanwhile: its own receipt tells it
        except Exception as error:
            failure = describe_failure(error, f"{tenant.name}: not noted beside the backup")
            refused.append(f"{tenant.name}: {failure}")
    for erasure in services.erasure.of_tenants.list_all():
        if erasure.receipt is not None:
            documents[receipt_name(erasure.app_id, erasure.id)] = erasure.receipt
    for name, document in documents.items():
        file = backup_folder / name
        if not file.exists():
            services.ports.backups.replace(backup_folder, name, canonical_json(document))
    if refused:
        raise StorageUnavailable("; ".join(refused))
    return len(documents)


def read_receipts(locations: Iterable[str], books: Collection[str]) -> list[Receipt]:
    """Read the receipts of these books in these places: files, folders, buckets.

    `books`: their ids (`app_id`). Others' receipts lie beside them, such as another box's at the
    same witness, and are passed over by the names of their folders. One that lies alone is read.
    Raises DamagedFile, OperatorError.
    """
    receipts: dict[str, Receipt] = {}
    for location in locations:
        for name, content in _read_documents(location, books):
            if is_document(name):
                continue
            if (receipt := _parse_receipt(f"{location}/{name}", content())) is not None:
                receipts[json.dumps([receipt.app_id, receipt.tenant, receipt.id])] = receipt
    return list(receipts.values())


def read_standing_documents(
    locations: Iterable[str], points: Mapping[str, Point]
) -> tuple[list[Document], dict[str, str]]:
    """Read the access registers in these places, and by name why others cannot be read.

    `points`: of the books by their ids; what lies under the name of an earlier number is passed
    over. Raises OperatorError.
    """
    documents: dict[str, Document] = {}
    damaged: dict[str, str] = {}
    for location in locations:
        for name, content in _read_documents(location, points):
            point, path = points.get(_find_book(name)), f"{location}/{name}"
            if not is_document(name) or (point is not None and is_before(name, point)):
                continue
            data = content()
            try:
                document = parse_document(data, path)
            except InvalidInput as error:
                damaged[path] = f"it is damaged: {error}"
            else:
                if document is None:
                    damaged[path] = "it is another statement under this name"
                elif document.app_id in points:
                    documents.setdefault(sha256(data).hexdigest(), document)
    return list(documents.values()), damaged


def _read_documents(
    location: str, books: Collection[str]
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the names of documents in a file, a folder or a bucket, and what reads each; of those
    that lie under a book's id, the books' own.

    Raises OperatorError.
    """
    path = Path(location)
    if path.is_file():
        yield path.name, path.read_bytes
        return
    try:
        for name, read in read_documents(location, RECEIPTS):
            if _find_book(name) in ("", *books):
                yield name, read
    except StorageUnavailable as error:
        raise OperatorError(f"receipts of erasures cannot be read: {error}") from error
    if path.is_dir():
        yield from (
            (file.name, file.read_bytes) for file in sorted(path.glob("*.json")) if file.is_file()
        )


def _find_book(name: str) -> str:
    """Return the id of the book under which a document is kept: 4 of `receipts/4/17.json`; "":
    it lies alone."""
    folders = name.rpartition(RECEIPTS)[2].split("/")[:-1]
    return folders[0] if RECEIPTS in name and folders else ""


def _parse_receipt(name: str, data: bytes) -> Receipt | None:
    """Read a file; None if it is something else than a signed statement about an erasure."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        if RECEIPTS not in name:
            return None
        raise DamagedFile(f"{name} is no receipt of an erasure: it is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("statement"), dict):
        return None
    try:
        return parse_receipt(document)
    except InvalidInput as error:
        raise DamagedFile(f"{name} is not as it was signed: {error}") from error


Leave = Callable[[Receipt], bool]
"""Asks whether to leave a receipt out of which nobody can find out whom it names."""


def redo_erasures(
    services: Services,
    receipts: Iterable[Receipt],
    trusted: Collection[str] = (),
    ask_to_leave: Leave = lambda _: False,
) -> Iterator[str]:
    """Do again all erasures that the book does not know; yield lines that say which.

    May be cut off anywhere and repeated. `trusted`: fingerprints of signers besides the tenants'
    own keys. Raises InvalidInput once the others are done, which names those that cannot be.
    """
    from regulars.privacy import wait_for_erasures
    from regulars.tenants.finishing import finish_erasure

    again = services.erasure.again
    refused = list[str]()
    unknown, deleted_tenants = again.list_unknown(receipts), set[str]()
    others = [receipt for receipt in unknown if again.is_of_another_book(receipt)]
    for other in others:
        yield f"the receipt of {other} is of another book, and is left aside"
    own = [receipt for receipt in unknown if receipt not in others]
    for tenant_receipt in (receipt for receipt in own if receipt.is_of_tenant):
        with _note_refusal(refused):
            again.begin_tenant(tenant_receipt, trusted)
            finish_erasure(services, tenant_receipt.tenant)
            deleted_tenants.add(tenant_receipt.tenant)
            yield f"{tenant_receipt.tenant}: the whole tenant is erased again"
    person_receipts = [
        receipt
        for receipt in own
        if not receipt.is_of_tenant and receipt.tenant not in deleted_tenants
    ]
    people_by_tenant = {
        name: again.read_people(name) for name in {receipt.tenant for receipt in person_receipts}
    }
    begun_erasures = list[tuple[Receipt, list[str]]]()
    for person_receipt in person_receipts:
        with _note_refusal(refused):
            if again.is_of_lost_key(person_receipt) and ask_to_leave(person_receipt):
                again.leave_out(person_receipt, trusted)
                yield f"{person_receipt.tenant}: receipt {person_receipt.id} is left out"
                continue
            people = people_by_tenant[person_receipt.tenant]
            begun_erasures.append((person_receipt, again.begin(person_receipt, people, trusted)))
    for receipt, ids in begun_erasures:
        wait_for_erasures(services, services.tenants.get_by_name(receipt.tenant), ids, alone=True)
    _finish_others(services)
    for receipt, ids in begun_erasures:
        again.end(receipt)
        if ids:
            yield f"{receipt.tenant}: erased again by receipt {receipt.id}"
    if refused:
        raise InvalidInput("\n".join(refused))


@contextmanager
def _note_refusal(refused: list[str]) -> Iterator[None]:
    """Have one receipt that cannot be done stop none of the others."""
    try:
        yield
    except InvalidInput as error:
        refused.append(str(error))


def _finish_others(services: Services) -> None:
    """Finish the erasures that were under way: at the backup's time, or when a redo was stopped."""
    from regulars.privacy import wait_for_erasures

    for tenant in services.tenants.list_all():
        unfinished_ids = [
            erasure.id
            for erasure in services.erasure.records.list_unfinished(tenant.name)
            if erasure.erases
        ]
        wait_for_erasures(services, tenant, unfinished_ids, alone=True)


def require_erasures_done(services: Services, data: Path) -> None:
    """Raise OperatorError if the witness has receipts of people who are in the book: the folder
    came back in another way than by a restore, as from a disk's snapshot.

    If the witness does not answer, that is logged, and nothing is raised.
    """
    if not services.settings.witness:
        return
    redoing = services.erasure.again
    try:
        documents_at_witness = read_documents(services.settings.witness, RECEIPTS)
        readers = {name: read for name, read in documents_at_witness if not is_document(name)}
        documents = ((name, readers[name]()) for name in redoing.list_unknown_names(readers))
        undone = redoing.list_open(
            receipt
            for name, document in documents
            if (receipt := _parse_receipt(name, document)) is not None
        )
    except (RegularsError, OperatorError, OSError) as error:
        _log.warning("receipts of erasures at the witness cannot be looked at: %s", error)
        return
    if undone:
        examples = ", ".join(map(str, undone[:3])) + (" and others" if len(undone) > 3 else "")
        raise OperatorError(
            f"{data} has {format_count(len(undone), 'erasure', 'erasures')} less than the witness "
            f"knows: {examples}. Did it come back from a snapshot? "
            f"`regulars restore --finish --data {quote(str(data))}` does again what ended since, "
            "and then it is served"
        )
