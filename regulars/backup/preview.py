"""What would a restore give back now? It is tried on a copy of a backup's records, and the book of
today is held against that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.domain.model import Tenant
from chalicelib.open_storage import DATABASE
from chalicelib.privacy.erasure.again import Receipt
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.box.blobs import BACKUP, BACKUP_LOCK
from chalicelib.storage.values import format_count
from regulars import folder
from regulars.backup.archive import read_books
from regulars.backup.beside import list_folders
from regulars.backup.owed import Owed, Questions, Step
from regulars.backup.restoring import end_restore, open_records, read_own_receipts
from regulars.errors import OperatorError


class Book(Struct, frozen=True):
    """Contents of a tenant's book that a restore may give back: accesses and people.

    `accesses`: by name, what each does and who made it, as an operator knows it: `key 12 is open
    (office, admin), made by Ann`. `consenting`: the faces with a record of consent, a part of
    `people`.
    """

    accesses: Mapping[str, str]
    people: frozenset[str]
    consenting: frozenset[str]


def read_book(services: Services, tenant: Tenant, erased: frozenset[str] = frozenset()) -> Book:
    """Read what a book gives to whom. `erased`: faces that are still in it and will be erased."""
    people = frozenset(services.faces.lists.list_every_id(tenant)) - erased
    consenting = frozenset(face.faceid for face in services.consents.list_all(tenant))
    makers = services.access.made.name_makers(tenant)
    accesses = {}
    for line in services.access.standing.list_names(tenant):
        access = " ".join(line.split(" ")[:2])  # `key 12` of `key 12 is open (till, admin)`
        maker = makers.get(access)
        accesses[access] = f"{line}, made by {maker}" if maker else line
    return Book(accesses, people, consenting & people)


def read_restored_books(services: Services, owed: Owed) -> tuple[list[str], dict[str, Book]]:
    """Do all steps of a restore but erasures in these books; return what each step said, and each
    book as it would then be.

    `services`: those of a copy of the records (`open_records`): it is changed.
    """
    steps = tuple(
        step for step in owed.left if step not in (Step.FILES, Step.ERASURES, Step.SECRETS)
    )
    receipts = read_own_receipts(services, owed)
    said = list(end_restore(services, replace(owed, left=steps), Questions()))
    open_receipts = services.erasure.again.list_open(receipts)
    books = {}
    for tenant in services.tenants.list_all():
        own_receipts = [receipt for receipt in open_receipts if receipt.tenant == tenant.name]
        said += [f"{tenant.name}: erased again by receipt {receipt.id}" for receipt in own_receipts]
        if any(receipt.is_of_tenant for receipt in own_receipts):
            continue
        erased = _find_erased(services, tenant, own_receipts)
        books[tenant.name] = read_book(services, tenant, erased)
    return said, books


def _find_erased(services: Services, tenant: Tenant, receipts: Sequence[Receipt]) -> frozenset[str]:
    """Return the faces that these receipts of people erase."""
    again = services.erasure.again
    people = again.read_people(tenant.name)
    erased = set[str]()
    for receipt in receipts:
        named = people.list_named(receipt)
        erased |= again.part_faces(tenant, receipt.statement, named)[0].keys()
    return frozenset(erased)


def preview_restore(settings: Settings, data: Path, owed: Owed) -> Iterator[str]:
    """Yield lines that say what a restore would give back now, beside the book of today.

    Pictures of the backup are not opened, and nothing is changed but a scratch folder, which goes
    at the end. Raises OperatorError as a restore does.
    """
    with ExitStack() as block:
        scratch = block.enter_context(_choose_scratch(data))
        services = block.enter_context(open_records(settings, Path(owed.file), scratch))
        said, restored_books = read_restored_books(services, owed)
    yield f"a restore of {owed.file}, of {owed.backed_up_at.isoformat()}, would say:"
    yield from (f"  {line}" for line in said)
    present_books = _read_present_books(settings, data)
    if present_books is None:
        yield f"there is no book in {data} to compare it with: all of that would be there"
        return
    for name, book in restored_books.items():
        yield from _compare(name, book, present_books.get(name))


def _compare(name: str, restored: Book, present: Book | None) -> Iterator[str]:
    """Yield what a restored book has and the one of today lacks."""
    if present is None:
        yield f"{name}: the whole shop would come back, which is not in the book of today"
        return
    accesses = [
        line for access, line in sorted(restored.accesses.items()) if access not in present.accesses
    ]
    people = sorted(restored.people - present.people)
    consenting = sorted((restored.consenting - present.consenting) - frozenset(people))
    if not (accesses or people or consenting):
        yield f"{name}: nothing would come back that the book of today lacks"
    yield from (f"{name}: would come back: {access}" for access in accesses)
    yield from (f"{name}: {faceid} would be in the book again" for faceid in people)
    yield from (f"{name}: {faceid} would have a record of consent again" for faceid in consenting)


def _read_present_books(settings: Settings, data: Path) -> Mapping[str, Book] | None:
    """Read the books of today; None: there is no data folder."""
    try:
        folder.require_data(data)
    except OperatorError:
        return None
    with closing(bootstrap.build(settings)) as services:
        return {tenant.name: read_book(services, tenant) for tenant in services.tenants.list_all()}


@contextmanager
def _choose_scratch(data: Path) -> Iterator[Path]:
    """Yield a path for a copy of records: in the data folder, from which the sweep removes it after
    a kill, or elsewhere if there is none."""
    if (data / DATABASE).is_file():
        with folder.hold_lock(data / BACKUP_LOCK):
            yield data / BACKUP
        return
    with TemporaryDirectory() as temporary:
        yield Path(temporary, "records")


def find_newest_backup(settings: Settings, data: Path) -> Path:
    """Return the newest backup of this box in the folders that it notes.

    Another box's may lie beside them: a backup's list says whose books it has. Raises
    OperatorError if there is none.
    """
    folder.require_data(data)
    with closing(bootstrap.build(settings)) as services:
        own = {tenant.app_id for tenant in services.tenants.list_all()}
    noted_folders = list_folders(data)
    files = [file for noted in noted_folders if noted.is_dir() for file in noted.glob("*.tar")]
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        if not own.isdisjoint(read_books(file)):
            return file
    places = ", ".join(map(str, noted_folders)) or "none is noted"
    raise OperatorError(
        f"there is no backup of this box in its folders of backups ({places}; "
        f"{format_count(len(files), 'file', 'files')}): name the file"
    )
