"""The folders of a box's last backups, beside which the box writes what ended since, as far as it
may write there.

So a restore knows it without a witness and without an export. The data folder notes the folders; no
backup has the note, so that a restored folder begins without.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from chalicelib.domain.errors import RegularsError
from chalicelib.services import Services
from regulars import folder
from regulars.backup.receipts import write_beside

NOTE = "backups.json"
"""File of the data folder that names the folders, the newest last."""
EVERY_S = 300.0
"""Seconds between two times that `serve` writes."""
_MOST = 3
"""Folders that are noted."""


def note_folder(data: Path, backup_folder: Path) -> None:
    """Note the folder of a backup."""
    others = [path for path in list_folders(data) if path != backup_folder]
    noted = [str(path) for path in [*others, backup_folder][-_MOST:]]
    folder.write_durably(data / NOTE, json.dumps({"folders": noted}) + "\n")


def list_folders(data: Path) -> list[Path]:
    """Return the folders that are noted; none if the note cannot be read."""
    try:
        return [
            Path(text) for text in json.loads((data / NOTE).read_text(encoding="utf-8"))["folders"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write_beside_backups(services: Services) -> Iterator[str]:
    """Write receipts of erasures, and what stands now, beside a box's last backups; yield what
    could not be written.

    A folder that is not there is passed over: its disk may be elsewhere.
    """
    storage = services.settings.storage
    for backup_folder in list_folders(storage) if isinstance(storage, Path) else ():
        if not backup_folder.is_dir():
            continue
        try:
            write_beside(services, backup_folder)
        except (OSError, RegularsError) as error:
            yield (
                "what ends until the next backup cannot be noted beside the backups in "
                f"{backup_folder}: {error}. A "
                "restore knows it by a witness, or by an export of the audit"
            )
