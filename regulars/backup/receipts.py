"""Receipts of erasures outside of a book, by which a restore erases again: beside backups, at a
witness, in a folder.

A restored folder has a mark from its first moment until all that is known is erased again, and is
not served before.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from shlex import quote

from chalicelib.domain.errors import InvalidInput, RegularsError, StorageUnavailable
from chalicelib.privacy.erasure.again import Receipt, parse_receipt
from chalicelib.privacy.erasure_progress import RECEIPTS, receipt_name
from chalicelib.privacy.signing import canonical_json
from chalicelib.privacy.standing import Document, is_before, is_document, parse_document
from chalicelib.services import Services
from chalicelib.storage.box.blobs import sync_folder
from chalicelib.storage.values import format_count
from chalicelib.witness import read_documents
from regulars import folder
from regulars.errors import DamagedFile, OperatorError

MARK = "restored.json"
"""File of a restored folder that names the places of receipts, until all are done again."""

_log = logging.getLogger(__name__)


def write_beside(services: Services, backup_folder: Path) -> int:
    """Write beside a backup the receipts of all erasures, and what stands now; return how many
    receipts there are.

    Receipts that are there already are left as they are. A tenant's document of what stands takes
    the place of the one before, if that is of the same life.
    """
    documents = {
        receipt_name(tenant.app_id, erasure.id): erasure.receipt
        for tenant in services.tenants.list_all()
        for erasure in services.erasure.records.list_all(tenant.name)
        if erasure.receipt is not None
    }
    for erasure in services.erasure.of_tenants.list_all():
        if erasure.receipt is not None:
            documents[receipt_name(erasure.app_id, erasure.id)] = erasure.receipt
    for name, document in documents.items():
        file = backup_folder / name
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.write_durably(file, canonical_json(document).decode())
    for tenant in services.tenants.list_all():
        name, stands = services.access.standing.make_document(tenant)
        (backup_folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.write_durably(backup_folder / name, canonical_json(stands).decode())
    sync_folder(backup_folder)
    return len(documents)


def read_receipts(locations: Iterable[str]) -> list[Receipt]:
    """Read the receipts in these places: files, folders, buckets.

    Raises DamagedFile, OperatorError.
    """
    receipts: dict[str, Receipt] = {}
    for location in locations:
        for name, content in _read_documents(location):
            if is_document(name):
                continue
            if (receipt := _parse_receipt(f"{location}/{name}", content())) is not None:
                receipts[json.dumps([receipt.tenant, receipt.id])] = receipt
    return list(receipts.values())


def read_standing_documents(
    locations: Iterable[str], since: datetime
) -> tuple[list[Document], list[str]]:
    """Read the documents of what stood at a later time, in these places; return also the names of
    damaged ones.

    A damaged one stops no restore: whoever may add files to a witness could make one. Raises
    OperatorError.
    """
    documents: dict[str, Document] = {}
    damaged: list[str] = []
    for location in locations:
        for name, content in _read_documents(location):
            if not is_document(name) or is_before(name, since):
                continue
            data = content()
            try:
                document = parse_document(json.loads(data))
            except (ValueError, RecursionError, InvalidInput):
                document = None
            if document is None:
                damaged.append(f"{location}/{name}")
            elif document.at > since:
                documents[sha256(data).hexdigest()] = document
    return list(documents.values()), damaged


def _read_documents(location: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the names of documents in a file, a folder or a bucket, and what reads each.

    Raises OperatorError.
    """
    path = Path(location)
    if path.is_file():
        yield path.name, path.read_bytes
        return
    try:
        yield from read_documents(location, RECEIPTS)
    except StorageUnavailable as error:
        raise OperatorError(f"receipts of erasures cannot be read: {error}") from error
    if path.is_dir():
        yield from (
            (file.name, file.read_bytes) for file in sorted(path.glob("*.json")) if file.is_file()
        )


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


def format_mark(locations: Sequence[str]) -> str:
    """Return what the mark of a restored folder says."""
    return json.dumps({"receipts": list(locations)}) + "\n"


def list_places(data: object, services: Services) -> list[str]:
    """Return the places of receipts that are known for a folder: those of its mark, and the
    witness."""
    note_file = data / MARK if isinstance(data, Path) else None
    noted = (
        json.loads(note_file.read_text(encoding="utf-8"))["receipts"]
        if note_file is not None and note_file.exists()
        else []
    )
    witness = services.settings.witness
    return list(dict.fromkeys([*noted, *([witness] if witness else [])]))


def redo_erasures(
    services: Services,
    receipts: Iterable[Receipt],
    trusted: Collection[str] = (),
    left_out: Collection[str] = (),
) -> Iterator[str]:
    """Do again all erasures that the book does not know; yield lines that say which.

    Take the mark away at the end.

    `left_out`: the ids of those that are noted as done, since nobody can tell whom they name. May
    be cut off anywhere and repeated. Raises InvalidInput once the others are done, which names
    those that cannot be: the mark stays then.
    """
    from regulars.privacy import wait_for_erasures
    from regulars.tenants.erasing import finish_erasure

    again = services.erasure.again
    refused = list[str]()
    unknown, deleted_tenants = again.list_unknown(receipts), set[str]()
    for tenant_receipt in (receipt for receipt in unknown if receipt.is_of_tenant):
        with _note_refusal(refused):
            again.begin_tenant(tenant_receipt, trusted)
            finish_erasure(services, tenant_receipt.tenant)
            deleted_tenants.add(tenant_receipt.tenant)
            yield f"{tenant_receipt.tenant}: the whole tenant is erased again"
    person_receipts = [
        receipt
        for receipt in unknown
        if not receipt.is_of_tenant and receipt.tenant not in deleted_tenants
    ]
    people_by_tenant = {
        name: again.read_people(name) for name in {receipt.tenant for receipt in person_receipts}
    }
    begun_erasures = list[tuple[Receipt, list[str]]]()
    for person_receipt in person_receipts:
        with _note_refusal(refused):
            if person_receipt.id in left_out:
                again.leave_out(person_receipt, trusted)
                yield f"{person_receipt.tenant}: receipt {person_receipt.id} is left out"
            else:
                begun_erasures.append(
                    (
                        person_receipt,
                        again.begin(
                            person_receipt, people_by_tenant[person_receipt.tenant], trusted
                        ),
                    )
                )
    for receipt, ids in begun_erasures:
        wait_for_erasures(services, services.tenants.get_by_name(receipt.tenant), ids, alone=True)
    _finish_others(services)
    for receipt, ids in begun_erasures:
        again.end(receipt)
        if ids:
            yield f"{receipt.tenant}: erased again by receipt {receipt.id}"
    if refused:
        raise InvalidInput("\n".join(refused))
    if isinstance(services.settings.storage, Path):
        (services.settings.storage / MARK).unlink(missing_ok=True)
        sync_folder(services.settings.storage)


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
    """Raise OperatorError if a restored folder has somebody again who was erased since its backup.

    That is so if the folder has the file MARK, or if the witness has receipts that the book does
    not know. If the witness does not answer, that is logged, and nothing is raised.
    """
    command = f"`regulars receipt redo --data {quote(str(data))}`"
    if (data / MARK).exists():
        raise OperatorError(
            f"{data} was restored, and erasures of since its backup are not done again: {command} "
            "does them"
        )
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
            f"knows: {examples}. "
            f"Was it restored? {command} does them again, and then it is served"
        )
