"""Files that a box writes beside its last backups, so that a restore recognises it without a
witness."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.domain.errors import RegularsError
from chalicelib.services import Services
from regulars.backup.receipts import write_beside

EVERY_S = 300.0
"""Seconds between two times that `serve` writes: what failed when it happened is repeated."""


def write_beside_backups(services: Services) -> Iterator[str]:
    """Write receipts of erasures, and the access register, beside a box's last backups; yield what
    could not be written."""
    for backup_folder in services.ports.backups.list_mounted():
        try:
            write_beside(services, backup_folder)
        except RegularsError as error:
            yield (
                "what ends until the next backup cannot be written beside the backups in "
                f"{backup_folder}: {error}. A restore knows it by a witness alone"
            )
