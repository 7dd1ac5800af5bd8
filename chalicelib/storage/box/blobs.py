"""Objects as files in a folder: the embedded BlobStore.

An object's path is its key, so a folder can be copied to S3, or back, as it is. Unlike S3, a folder
cannot hold both `a` and `a/b`: storing the second raises InvalidInput.

Also what else is to be known of a data folder: its disk, and what a killed backup left in it (links
to pictures, and a copy of the database).
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkstemp

from chalicelib.domain.errors import Busy, InvalidInput, StorageUnavailable
from chalicelib.storage.limits import require_blob_key, require_prefix, require_range
from chalicelib.storage.pieces import Pieces
from chalicelib.storage.ports import BlobInfo, Disk

_log = logging.getLogger(__name__)


_NO_OBJECT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_TEMPORARY = ".temporary"
_TEMPORARY_AGE_S = 3600
"""Age in s from which a temporary file is one that a killed process left."""
_PUT_ATTEMPTS = 20
"""Tries of a put whose folder is deleted by others meanwhile."""
_PUT_PAUSE_S = 0.001
"""Pause before the second attempt. It doubles with each further one, up to a tenth of a second: a
put that keeps meeting deletes gets out of step with them."""
_LONGEST_PAUSE_S = 0.1


class FolderBlobStore:
    """The BlobStore port on the folder `root`, which is created, open to its owner only, if it does
    not exist."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / _TEMPORARY
        with _translate_failures():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._temporary.mkdir(mode=0o700, exist_ok=True)
        self.remove_leftovers()

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        with _translate_failures(), suppress(*_NO_OBJECT):
            return path.read_bytes()
        return None

    def size(self, key: str) -> int | None:
        path = self._path(key)
        with _translate_failures(), suppress(*_NO_OBJECT):
            status = path.stat()
            return status.st_size if stat.S_ISREG(status.st_mode) else None
        return None

    def get_range(self, key: str, begin: int, length: int) -> bytes | None:
        path = self._path(key)
        require_range(begin, length)
        with _translate_failures(), suppress(*_NO_OBJECT), path.open("rb", buffering=0) as file:
            return _read_range(file.fileno(), begin, length)
        return None

    def put_if_absent(self, key: str, data: bytes | Pieces, content_type: str) -> bool:  # noqa: ARG002 - the port's signature
        """Store durably; return False if the key is taken.

        A file has no place for `content_type`.
        """
        path = self._path(key)
        with _translate_failures():
            written = self._write_temporary(data)
            try:
                return self._link_if_absent(written, path)
            finally:
                written.unlink(missing_ok=True)

    def replace(self, key: str, data: bytes, content_type: str) -> None:  # noqa: ARG002 - the port's signature
        path = self._path(key)
        with _translate_failures():
            written = self._write_temporary(data)
            self._make_folder(path.parent)
            written.replace(path)
            self._sync_nearest(path.parent)

    def walk(self, prefix: str, after: str | None = None) -> Iterator[BlobInfo]:
        """Iterate as the port says.

        A folder is read when its turn comes, and once: its names are kept meanwhile.
        """
        folder = "/".join(require_prefix(prefix))
        return self._walk(f"{folder}/" if folder else "", prefix, after or "")

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _translate_failures():
            try:
                path.unlink()
            except _NO_OBJECT:
                return
            parent = path.parent
            while parent != self._root and _removed_if_empty(parent):
                parent = parent.parent
            self._sync_nearest(parent)

    def remove_leftovers(self, age_s: float = _TEMPORARY_AGE_S) -> None:
        """Remove files that a crash left between writing and naming.

        Younger ones may be another process's and stay.
        """
        oldest = time.time() - age_s
        with _translate_failures():
            for path in self._temporary.iterdir():
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < oldest:
                        path.unlink()

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*require_blob_key(key))

    def _write_temporary(self, data: bytes | Pieces) -> Path:
        descriptor, name = mkstemp(dir=self._temporary)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(data.pieces if isinstance(data, Pieces) else [data])
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)

    def _link_if_absent(self, written: Path, path: Path) -> bool:
        """Give the written file its name, atomically; False if the name is taken.

        It never replaces another file.
        """
        for attempt in range(_PUT_ATTEMPTS):
            try:
                self._make_folder(path.parent)
                os.link(written, path)
            except FileNotFoundError:  # a delete removed the folder when it was empty
                time.sleep(min(_PUT_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))
                continue
            except FileExistsError as error:
                if path.is_file():
                    # Its writer may not have synced it yet, and our caller may rely on False: it is
                    # stored.
                    self._sync_nearest(path.parent)
                    return False
                raise InvalidInput(f"the key is a folder of other keys: {path.name}") from error
            except NotADirectoryError as error:
                raise InvalidInput(f"a folder of the key is an object: {path.name}") from error
            self._sync_nearest(path.parent)
            return True
        raise Busy("the folder of the key is emptied all the time; try again")

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            # Another thread made it, and a third may have removed it again: then stat raises
            # FileNotFoundError.
            if not stat.S_ISDIR(folder.stat().st_mode):
                raise NotADirectoryError(folder) from None
        sync_folder(folder.parent)

    def _sync_nearest(self, folder: Path) -> None:
        """Make the folder's entries durable or, if it was emptied and removed meanwhile, its own
        removal."""
        while True:
            try:
                return sync_folder(folder)
            except FileNotFoundError:
                if folder == self._root:
                    raise
                folder = folder.parent

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[BlobInfo]:
        """Iterate over the objects below `folder` ("" or ending in a slash), in byte order of the
        whole key.

        Only keys that begin with `prefix` and come after the key `after`. Folders that can hold
        none of these are not opened.
        """
        with _translate_failures():
            names = _names(self._root / folder)
        for key in (f"{folder}{name}" for name in names):
            if key.endswith("/"):
                passed = after > key and not after.startswith(key)
                if not passed and (key.startswith(prefix) or prefix.startswith(key)):
                    yield from self._walk(key, prefix, after)
            elif key > after and key.startswith(prefix):
                with _translate_failures():
                    blob = _info(f"{self._root}/{key}", key)
                if blob:
                    yield blob


def _names(folder: Path) -> list[str]:
    """Return what is in a folder, in order.

    A folder ends in a slash: it is sorted with it, as its keys are.
    """
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        return sorted(
            f"{entry.name}/" if entry.is_dir() else entry.name
            for entry in entries
            if entry.name[0] != "."
        )
    return []


def _info(path: str, key: str) -> BlobInfo | None:
    """Measure an object; None if there is none any more.

    `path` is a text: hundreds of thousands of them are asked.
    """
    with suppress(*_NO_OBJECT):
        status = os.stat(path)  # noqa: PTH116
        return BlobInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
    return None


def _read_range(descriptor: int, begin: int, length: int) -> bytes:
    """Read `length` bytes, or as many as there are: one read may return fewer."""
    part = os.pread(descriptor, length, begin)
    if len(part) in (0, length):
        return part
    return part + _read_range(descriptor, begin + len(part), length - len(part))


def _removed_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make renames and removals in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translate_failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            f"the folder of objects cannot be used: {error.strerror}"
        ) from error


def disk_of(folder: Path) -> Disk:
    """Measure the disk that the folder is on. Raises StorageUnavailable."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        raise StorageUnavailable(f"the data folder cannot be measured: {error.strerror}") from error
    return Disk(usage.free, usage.total)


BACKUP = ".backup"
"""Folder in which a backup is put together: on the objects' own disk, so that they can be
linked."""
BACKUP_LOCK = "backup.lock"
"""File that a backup locks while it has that folder."""


@contextmanager
def hold_off_backup(folder: Path) -> Iterator[None]:
    """Remove what a killed backup left in the data folder, and let no backup of this user begin
    during the block.

    Raises Busy if one is under way. After a backup by root, lock and folder are root's: without the
    lock, the folder shows whether a backup is under way or was killed. Raises StorageUnavailable if
    it is there.
    """
    unfinished_backup = folder / BACKUP
    with _translate_failures(), ExitStack() as stack:
        with suppress(PermissionError):  # the lock is root's
            descriptor = os.open(
                folder / BACKUP_LOCK, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            stack.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(
                    "a backup is under way, and still has what was deleted: wait until it has ended"
                ) from None
            shutil.rmtree(unfinished_backup, ignore_errors=True)
        if unfinished_backup.exists():
            user = unfinished_backup.stat().st_uid
            raise StorageUnavailable(
                f"{unfinished_backup} cannot be deleted: if no backup goes on, one was killed; "
                f"delete it as user {user}"
            )
        yield


def remove_killed_backup(folder: Path) -> None:
    """Remove the folder of a backup in the data folder, unless one is under way.

    Log if only another user may.
    """
    try:
        with suppress(Busy), hold_off_backup(folder):
            pass
    except StorageUnavailable as error:
        _log.warning("%s", error)
