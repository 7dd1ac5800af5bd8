"""`regulars restore`: a data folder from the file of a backup."""

from __future__ import annotations

from pathlib import Path

from chalicelib.settings import Settings
from chalicelib.storage import DATABASE
from regulars.backup import archive, cloud_backup
from regulars.backup.backup import scratch
from regulars.errors import DamagedFile, UnusableFolder
from regulars.serve import folder


def restore(settings: Settings, file: Path) -> archive.Manifest:
    """Make the data folder from the file: all of it, or nothing if it fails.

    Raises UnusableFolder if the folder is not empty, OperatorError if the data is of another format, DamagedFile and
    OSError.
    """
    data = settings.storage
    if not isinstance(data, Path):
        return cloud_backup.restore(settings, data, file)
    data = data.absolute()
    _require_free(data)
    manifest = archive.checked(file)
    if DATABASE not in manifest.entries:
        raise DamagedFile(f"{file} is the backup of a stage on AWS: restore it with that stage's settings")
    data.parent.mkdir(parents=True, exist_ok=True)
    with scratch(data.with_name(f".{data.name}.restoring")) as stage:
        folder.keep_out_of_git(stage)
        archive.unpacked(file, stage)
        if data.exists():
            data.rmdir()
        stage.rename(data)
    folder.sync_folder(data.parent)
    return manifest


def _require_free(data: Path) -> None:
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise UnusableFolder(
            f"{data} is not empty: stop its service and move it away, or name another folder with --data; a backup is "
            "never restored over what is there"
        )
