"""The contents of a backup for one tenant, as anybody who has the file can read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace
from regulars_client.archive import Manifest, is_tar

from chalicelib.domain.model import Tenant
from chalicelib.open_storage import DATABASE
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.box.vault import is_by_key
from chalicelib.storage.ports import OtherKey
from chalicelib.storage.values import format_count, time_text
from regulars.backup.archive import check_file
from regulars.backup.preview import choose_scratch, read_book
from regulars.backup.restoring import open_records
from regulars.errors import DamagedFile
from regulars.tenants import credentials


def list_backup(services: Services, tenant: Tenant, file: Path) -> Iterator[str]:
    """Yield the contents of a backup for a tenant, as anybody who has it can read them. Raises
    DamagedFile."""
    if not is_tar(file):
        raise DamagedFile(
            f"{file} is no backup that can be read. If it was encrypted, whoever has it needs its "
            "key to read it: name the file as it was before"
        )
    manifest = check_file(file)
    at = time_text(manifest.created_at)[:16]
    yield f"{tenant.name}: what lies in {file.name}, of {at} in UTC"
    yield "open     it is not encrypted: whoever has the file reads all of this"
    if DATABASE in manifest.entries:
        yield from _list_records(services, tenant, file)
    else:
        yield "unknown  how many people: a stage's backup says so once it is restored"
    yield from _list_files(tenant, manifest)
    yield "unknown  what was done with it: the audit knows only what came over this service"
    yield "renew    `regulars restore --new-secrets` of a backup of now"


def _list_records(services: Services, tenant: Tenant, file: Path) -> Iterator[str]:
    """Yield the lines about people and accesses, which the records of a box's backup say."""
    storage = services.settings.storage
    beside = storage if isinstance(storage, Path) else file
    settings = replace(services.settings, other_key=OtherKey.IGNORED)
    with choose_scratch(beside) as scratch, open_records(settings, file, scratch) as past:
        own = _find_own(past, tenant)
        if own is None:
            yield "people   0: nothing of this shop is in it"
            return
        note = past.ports.storage.items.get(keys.TENANTS, keys.VAULT_ITEM) or {}
        book = read_book(past, own)
        groups = [f"{each.count} in {each.name}" for each in past.groups.list_all(own)]
    if own.app_id != tenant.app_id:
        yield (
            "unknown  whether that is this shop. It is found by its name: this book began anew "
            "since, or the file is another box's"
        )
    yield (
        f"people   {len(book.people)} with templates (biometric data), names and visits: "
        f"{', '.join(groups)}"
    )
    yield (
        f"marked   {len(book.consenting)} with a record of consent, {len(book.held)} under legal "
        f"hold, {len(book.restricted)} restricted or withdrawn"
    )
    yield from (f"access   {line}" for _, line in sorted(book.accesses.items()))
    is_sealed = is_by_key(bytes(note.get("sealed", b"")))
    state = "sealed by a key that is not in it" if is_sealed else "in the clear"
    yield f"secret   the signing key, keys of signed requests, hooks' secrets and channels: {state}"


def _find_own(past: Services, tenant: Tenant) -> Tenant | None:
    """Return the tenant as it was, else the one of its name: its book may have begun anew."""
    tenants = past.tenants.list_all()
    same = [each for each in tenants if each.app_id == tenant.app_id]
    return next(iter(same or [each for each in tenants if each.name == tenant.name]), None)


def _list_files(tenant: Tenant, manifest: Manifest) -> Iterator[str]:
    """Yield the lines about pictures and secrets, which the list of its files says."""
    faces, cameras = f"blobs/{keys.face_pictures(tenant.name)}", f"captures/{tenant.name}/"
    crops = f"captures/{keys.crops(tenant.name)}"
    of_faces = [
        name
        for name in manifest.entries
        if name.startswith(faces) and name == keys.picture_of_thumbnail(name)
    ]
    of_cameras = [
        name for name in manifest.entries if name.startswith(cameras) and not name.startswith(crops)
    ]
    taken = format_count(len(of_cameras), "camera picture", "camera pictures")
    yield f"pictures {len(of_faces)} of faces, and {taken}, whoever they show"
    if credentials.FILE in manifest.entries:
        yield f"secret   {credentials.FILE}: the shared keys of each shop, in the clear"
    if any(name.startswith("secrets/") for name in manifest.entries):
        yield "secret   what signs links to pictures, and uploads"
