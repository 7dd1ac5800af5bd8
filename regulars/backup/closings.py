"""Signed figures of closed days, weeks and months beside backups and at a witness."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from chalicelib.domain.model import Tenant
from chalicelib.privacy.audit.periods import name_folder
from chalicelib.services import Services
from chalicelib.witness import read_documents


def write_closings(services: Services, tenant: Tenant, backup_folder: Path) -> None:
    """Write beside a backup the signed figures of a tenant that are not there. Raises
    StorageUnavailable."""
    for name, document in services.audit.periods.list_documents(tenant):
        if not (backup_folder / name).exists():
            services.ports.backups.replace(backup_folder, name, document)


def restore_closings(
    services: Services, places: Iterable[str], trusted: Collection[str]
) -> Iterator[str]:
    """Store again what was closed since the backup, by these places; yield lines that say which.

    `trusted`: fingerprints of signers besides the tenants' own keys. May be cut off anywhere and
    repeated. Raises StorageUnavailable if a place cannot be read.
    """
    folders = [place for place in places if not Path(place).is_file()]
    for tenant in services.tenants.list_all():
        documents = {
            name: read()
            for folder in folders
            for name, read in read_documents(folder, name_folder(tenant))
        }
        for line in services.audit.periods.restore(tenant, documents, trusted):
            yield f"{tenant.name}: {line}"
