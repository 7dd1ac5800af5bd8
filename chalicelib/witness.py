"""Keepers of the audit's heads, and of receipts, outside of what the service itself may change: a
folder, a bucket of S3, a URL, and the folders of a box's backups. All but the URL are read again
after a restore."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from chalicelib.domain.errors import StorageUnavailable, Unusable
from chalicelib.storage.ports import BlobStore, Postman, Witness

_JSON = "application/json"


class StoredHeads:
    """Heads in a folder, such as one of another machine, or in a bucket, best one with object
    lock."""

    def __init__(self, blobs: BlobStore, prefix: str = "") -> None:
        self._blobs, self._prefix = blobs, prefix

    def keep(self, name: str, head: bytes) -> None:
        self._blobs.put_if_absent(self._prefix + name, head, _JSON)


class PostedHeads:
    """Heads that are posted to a URL. What it answers by a status from 200 to 299 it has kept."""

    def __init__(self, postman: Callable[[], Postman], url: str) -> None:
        self._postman, self._url = postman, url

    def keep(self, name: str, head: bytes) -> None:
        headers = {"Content-Type": _JSON, "Regulars-Head": name}
        status = self._postman().post(self._url, head, headers).status
        if status // 100 != 2:
            raise Unusable(
                f"the witness answered {status} to head {name}: it is sent again within the hour"
            )


class BackupFolders:
    """Folders of a box's last backups, beside which the box writes what ended since.

    The data folder lists them in a file that no backup contains, so a restored folder starts with
    none. `data`: None on AWS and in a trial, where nothing is written.
    """

    FILE = "backups.json"
    _MOST = 3

    def __init__(self, data: Path | None) -> None:
        self._data = data

    def list_all(self) -> list[Path]:
        """Return the listed folders, the newest last; none if the file cannot be read."""
        try:
            text = (self._data / self.FILE).read_text(encoding="utf-8") if self._data else "{}"
            return [Path(path) for path in json.loads(text).get("folders", ())]
        except (OSError, ValueError, AttributeError, TypeError):
            return []

    def add(self, folder: Path) -> None:
        """List the folder of a new backup, in place of the oldest if there are too many."""
        if self._data is not None:
            from chalicelib.storage.box.durable import write_durably

            folders = [path for path in self.list_all() if path != folder]
            listed = {"folders": [str(path) for path in [*folders, folder][-self._MOST :]]}
            write_durably(self._data / self.FILE, json.dumps(listed) + "\n")

    def list_mounted(self) -> list[Path]:
        """Return the listed folders that are there: a disk may be elsewhere."""
        return [path for path in self.list_all() if path.is_dir()]

    def replace(self, folder: Path, name: str, document: bytes) -> None:
        """Write a document into a folder of backups, in place of an earlier one of this name.

        Raises StorageUnavailable.
        """
        from chalicelib.storage.box.blobs import sync_folder
        from chalicelib.storage.box.durable import write_durably

        path = folder / name
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, document.decode())
            sync_folder(folder)
        except OSError as error:
            raise StorageUnavailable(f"cannot write {path}: {error.strerror}") from error

    def keep(self, name: str, document: bytes) -> None:
        """Write a document into each folder that is there; what fails is left to the schedule."""
        for folder in self.list_mounted():
            with suppress(StorageUnavailable):
                self.replace(folder, name, document)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let one writer at a time, of all processes, read what stands and write it: a document
        that was read earlier then never replaces one that was read later."""
        if self._data is None:
            yield
            return
        # A folder that every user of the book may open; a lock file would be its first user's.
        descriptor = os.open(self._data / "blobs", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def open_witness(address: str, postman: Callable[[], Postman]) -> Witness:
    """Make the witness that a setting names (settings.witness).

    Raises StorageUnavailable if its folder is not there.

    `address`: `s3://bucket/prefix`, another URL, or a folder.
    """
    if address.startswith("s3://"):
        from chalicelib.storage.aws.blobs import S3BlobStore
        from chalicelib.storage.aws.clients import open_aws_client

        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        return StoredHeads(
            S3BlobStore(open_aws_client("s3"), bucket), prefix + "/" if prefix else ""
        )
    if "://" in address:
        return PostedHeads(postman, address)
    from chalicelib.storage.box.blobs import FolderBlobStore

    # else heads would go to this machine while the other one's folder is not mounted
    if not Path(address).is_dir():
        raise StorageUnavailable(
            f"the folder {address} for the heads of the audit is not there: is it mounted?"
        )
    return StoredHeads(FolderBlobStore(Path(address)))


def read_documents(address: str, below: str) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the name of each document of a witness, and the function that reads it.

    An https URL gives nothing back.

    `address`: as for `open_witness`. `below`: the folder, or the beginning of the names. Raises
    StorageUnavailable.
    """
    if address.startswith("s3://"):
        from chalicelib.storage.aws.blobs import S3BlobStore
        from chalicelib.storage.aws.clients import open_aws_client

        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        blobs, begin = S3BlobStore(open_aws_client("s3"), bucket), prefix + "/" if prefix else ""
        for blob in blobs.walk(begin + below):
            yield blob.key.removeprefix(begin), partial(_read_blob, blobs, blob.key)
    elif "://" not in address:
        root = Path(address)
        if not root.is_dir():
            raise StorageUnavailable(f"the folder {address} is not there: is it mounted?")
        for path in sorted((root / below).rglob("*.json")):
            yield path.relative_to(root).as_posix(), path.read_bytes


def _read_blob(blobs: BlobStore, key: str) -> bytes:
    return blobs.get(key) or b""
