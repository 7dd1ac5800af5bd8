"""Contents of a book that a restore would bring back, found by trying it on a copy of a backup's
records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import bootstrap
from chalicelib.domain.model import Tenant
from chalicelib.privacy.erasure.again import Receipt
from chalicelib.privacy.signing import fingerprint
from chalicelib.privacy.standing import Standing, list_ended
from chalicelib.services import Services
from chalicelib.settings import Settings
from chalicelib.storage.box.blobs import BACKUP, BACKUP_LOCK
from chalicelib.storage.values import format_count
from chalicelib.witness import BackupFolders
from regulars import folder
from regulars.backup.archive import read_manifest
from regulars.backup.owed import Owed, Questions, Step
from regulars.backup.restoring import end_restore, require_receipts
from regulars.errors import OperatorError


class Book(Struct, frozen=True):
    """Contents of a tenant's book that a restore may give back: accesses, people, settings.

    `accesses`: by name, what each does and who made it, as an operator knows it: `key 12 is open
    (office, admin), made by Ann`. `standing`: hashes of their secrets, their rights, the settings,
    and if the shop is disabled. `face_key`: a fingerprint of the key that made the hashes.
    `people`: the ids of all faces; `consenting`, `held`, `restricted`: some of these.
    """

    tenant: str
    accesses: Mapping[str, str]
    standing: Standing
    face_key: str
    people: frozenset[str]
    consenting: frozenset[str]
    held: frozenset[str]
    restricted: frozenset[str]


def read_book(services: Services, tenant: Tenant, erased: frozenset[str] = frozenset()) -> Book:
    """Read what a book gives to whom. `erased`: faces that are still in it and will be erased."""
    people = frozenset(services.faces.lists.list_every_id(tenant)) - erased
    consenting = frozenset(face.faceid for face in services.consents.list_all(tenant))
    held = frozenset(face.faceid for face in services.faces.holds.list_all(tenant.name))
    restricted = frozenset(face.faceid for face in services.restrictions.list_all(tenant))
    makers = services.access.made.name_makers(tenant)
    accesses = {}
    for line in services.access.standing.list_names(tenant):
        access = " ".join(line.split(" ")[:2])  # `key 12` of `key 12 is open (till, admin)`
        maker = makers.get(access)
        accesses[access] = f"{line}, made by {maker}" if maker else line
    return Book(
        tenant.name,
        accesses,
        services.access.standing.read(tenant),
        fingerprint(services.audit.signing.read_face_key(tenant.name)),
        people,
        consenting & people,
        held & people,
        restricted & people,
    )


def read_restored_books(services: Services, owed: Owed) -> tuple[list[str], dict[str, Book]]:
    """Do all steps of a restore but erasures in these books; return what each step said, and by its
    id each book as it would then be.

    `services`: those of a copy of the records (`open_records`): it is changed.
    """
    unwanted = (Step.FILES, Step.ERASURES, Step.SECRETS)
    steps = tuple(step for step in owed.left if step not in unwanted)
    again = services.erasure.again
    receipts = [
        receipt
        for receipt in require_receipts(services, owed)
        if services.tenants.find(receipt.tenant) and not again.is_of_another_book(receipt)
    ]
    said = list(end_restore(services, replace(owed, left=steps), Questions()))
    open_receipts = again.list_open(receipts)
    books = {}
    for tenant in services.tenants.list_all():
        own_receipts = [receipt for receipt in open_receipts if receipt.tenant == tenant.name]
        said += [f"{tenant.name}: erased again by receipt {receipt.id}" for receipt in own_receipts]
        if any(receipt.is_of_tenant for receipt in own_receipts):
            continue
        erased = _find_erased(services, tenant, own_receipts)
        books[tenant.app_id] = read_book(services, tenant, erased)
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


def list_differences(restored: Book, present: Book) -> Iterator[str]:
    """Yield what a restored book has and the one of today lacks, or has otherwise."""
    for access, line in sorted(restored.accesses.items()):
        if access not in present.accesses:
            yield f"would come back: {line}"
    for ended in list_ended(restored.standing, [present.standing]):
        if ended.is_gone or restored.face_key != present.face_key:
            continue
        if ended.over:
            yield f"{ended.access} would open again by a secret that is over"
        for right in ended.rights:
            value = restored.standing.accesses[ended.access].rights[right]
            if value != ended.rights[right] and right != "form":
                yield f"{ended.access} would have {right} {value} again"
    if restored.face_key != present.face_key:
        yield "secrets are not compared: this is another book than the backup's, or a copy of it"
    for name, value in restored.standing.settings.items():
        if present.standing.settings.get(name, value) != value:
            yield f"the setting {name} would be as it was then"
    if present.standing.is_disabled and not restored.standing.is_disabled:
        yield "the shop would be open again, which is disabled"
    yield from (
        f"{faceid} would be in the book again"
        for faceid in sorted(restored.people - present.people)
    )
    for faceid in sorted((restored.consenting - present.consenting) & present.people):
        yield f"{faceid} would have a record of consent again"
    for faceid in sorted((present.restricted - restored.restricted) & restored.people):
        yield f"{faceid} would not be restricted any more"
    for faceid in sorted((present.held - restored.held) & restored.people):
        yield f"{faceid} would not be held any more"


@contextmanager
def choose_scratch(data: Path) -> Iterator[Path]:
    """Yield a path for a copy of records: in a data folder, from which the sweep removes it after a
    kill, or beside a file or a folder that is not there, where the next look removes it."""
    if not folder.has_database(data):
        yield data.absolute().with_name(f".{data.name}.compare")
        return
    with folder.hold_lock(data / BACKUP_LOCK):
        yield data / BACKUP


def find_newest_backup(settings: Settings, data: Path) -> Path:
    """Return the newest backup of this box in the folders that it notes.

    Another box's may lie beside them: a backup's list says whose books it has. Raises
    OperatorError if there is none.
    """
    folder.require_data(data)
    with closing(bootstrap.build(settings)) as services:
        own = {tenant.app_id for tenant in services.tenants.list_all()}
    noted_folders = BackupFolders(data).list_all()
    files = [file for noted in noted_folders if noted.is_dir() for file in noted.glob("*.tar")]
    manifests = {file: manifest for file in files if (manifest := read_manifest(file)) is not None}
    places_in_time = {
        file: (max(manifest.books[app_id] for app_id in own_books), manifest.created_at)
        for file, manifest in manifests.items()
        if (own_books := own & manifest.books.keys())
    }
    if places_in_time:
        return max(places_in_time, key=lambda file: places_in_time[file])
    places = ", ".join(map(str, noted_folders)) or "none is noted"
    raise OperatorError(
        f"there is no backup of this box in its folders of backups ({places}; "
        f"{format_count(len(files), 'file', 'files')}), or none that can be read: name the file"
    )
