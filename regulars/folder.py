"""The data folder of one box, with a lock for its one server."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

from msgspec import Struct

from chalicelib.open_storage import DATABASE
from chalicelib.storage.box.durable import write_durably
from regulars.errors import FolderInUse, UnfinishedRestore, UnusableFolder

LOCK, IGNORE = "serve.lock", ".gitignore"
FILES = "files"
"""The first step of a restore: its files are copied."""
UNFINISHED = "restored.json"
"""File of a folder that a restore has not ended: the list of what is left to do (backup/owed)."""
_BEFORE = re.compile(r"\.?\.gitignore(\.\d+(\.partial)?)?|serve\.lock|regulars\.toml|lost\+found")
"""Names that a folder may have before its database is there."""

_NOTED_BYTES = 64 * 1024
"""Bytes of the lock file that are read: process, URL and settings."""
_LOOK_S = 0.1
"""`find_server` takes the lock for a moment, so a server that starts just then tries again."""


def prepare_folder(folder: Path) -> Path:
    """Make the folder, a new one for its owner only, and return its absolute path.

    Raises UnusableFolder, UnfinishedRestore, StorageUnavailable.
    """
    require_finished(folder)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve()
    except FileExistsError:
        raise UnusableFolder(f"{folder} is a file: pass a folder with --data") from None
    except OSError as error:
        raise _make_unusable_error(folder, "made", error) from error
    require_writable(folder)
    _settle_database(folder)
    if (strange_file := find_strange_file(folder)) is not None:
        raise UnusableFolder(
            f"{folder} holds {strange_file} and no data of a service: pass an empty or new folder "
            "with --data"
        )
    keep_out_of_git(folder)
    return folder


def find_strange_file(folder: Path) -> str | None:
    """Name something in a folder that is neither a service's nor empty: an upload of it would send
    what is kept there.

    A first start that was ended leaves the files of `_BEFORE`.
    """
    if has_database(folder):
        return None
    return min(
        (path.name for path in folder.iterdir() if not _BEFORE.fullmatch(path.name)), default=None
    )


def keep_out_of_git(folder: Path) -> None:
    """Have git ignore a new data folder, which may lie in a checkout: it holds keys, pictures and
    templates."""
    if not has_database(folder) and not (folder / IGNORE).exists():
        write_durably(folder / IGNORE, "*\n")


def require_data(folder: Path) -> None:
    """Raise UnusableFolder if the folder holds no service's data, or this process may not write;
    UnfinishedRestore if what ended since its backup has not ended again."""
    require_finished(folder)
    require_database(folder)


def require_finished(folder: Path) -> None:
    """Raise UnfinishedRestore, which says what is left, if a restore of the folder has not
    ended."""
    try:
        text = (folder / UNFINISHED).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    raise UnfinishedRestore(
        f"the restore of {folder} is not finished; left: {_describe_left(text)}. The folder cannot "
        f"be served until `regulars restore --finish --data {quote(str(folder))}` has finished it"
    )


def require_copied(folder: Path) -> None:
    """Raise UnfinishedRestore if a restore has not copied all files of the folder."""
    with suppress(FileNotFoundError, NotADirectoryError):
        text = (folder / UNFINISHED).read_text(encoding="utf-8", errors="replace")
        if _describe_left(text).partition(";")[0] == FILES:
            require_finished(folder)
    require_database(folder)


def _describe_left(text: str) -> str:
    """Return the steps that a list names; one that is damaged names none."""
    try:
        return "; ".join(json.loads(text)["left"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "all that ended since its backup"


def require_database(folder: Path) -> None:
    """Raise as `require_files`; StorageUnavailable if the folder has two databases, or lacks the
    newer one."""
    require_files(folder)
    _settle_database(folder)


def require_files(folder: Path) -> None:
    """Raise UnusableFolder if the folder holds no service's data, or this process may not write."""
    if not has_database(folder):
        raise UnusableFolder(
            f"there is no data folder {folder}: create it with `regulars serve`, or pass another "
            "with --data"
        )
    require_writable(folder)


def has_database(folder: Path) -> bool:
    from chalicelib.storage.box.generation import list_files  # SQLite, which no help needs

    return any(file.is_file() for file in list_files(folder / DATABASE))


def _settle_database(folder: Path) -> None:
    from chalicelib.storage.box.generation import settle

    settle(folder / DATABASE)


def require_writable(folder: Path) -> None:
    """Raise UnusableFolder if this process may not write.

    SQLite writes a log beside its file even to read it.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UnusableFolder(
            f"{folder} is not writable, which is required even to read its database: run this as "
            "the folder's owner, with the disk mounted for writing"
        )


@contextmanager
def hold_folder(folder: Path) -> Iterator[Callable[[str, str], None]]:
    """Lock `folder` for its one server, and give the function that notes its URL and settings
    there, for `find_server`.

    Raises FolderInUse if another server has it, UnusableFolder.

    SQLite and the folder store would work with two servers. But each would keep its own warm
    gallery and run its own schedules, and a second one is nearly always a mistake. The kernel drops
    the lock with the process, even if killed.
    """
    descriptor = _lock_file(folder / LOCK)
    try:
        if not try_lock(descriptor):
            time.sleep(_LOOK_S)
            if not try_lock(descriptor):
                owner = _read_note(descriptor).process or "unknown"
                raise FolderInUse(
                    f"{folder} is already being served by process {owner}: stop it first"
                )

        def note(url: str = "", settings: str = "") -> None:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n{url}\n{settings}".encode(), 0)

        note()
        yield note
    finally:
        os.close(descriptor)


class Served(Struct, frozen=True):
    """The server that holds a folder.

    `process`: its number; "": it is not noted yet. `url`: "" while it starts.

    `settings`: the settings that it runs by, as lines of a file.
    """

    process: str
    url: str
    settings: str = ""


def find_server(folder: Path) -> Served | None:
    """Return the folder's server, or None. The lookup creates nothing."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return None if try_lock(descriptor, fcntl.LOCK_SH) else _read_note(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file or folder, and tell whether that succeeded."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_note(descriptor: int) -> Served:
    """Read what the server of a folder has noted in its lock file: its process, URL and settings, a
    line each."""
    lines = os.pread(descriptor, _NOTED_BYTES, 0).decode("utf-8", "replace").split("\n", 2)
    process, url, settings = [*lines, "", ""][:3]
    return Served(process, url, settings)


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Wait for the lock file `path` and hold it, while the block reads, changes and replaces a file
    beside it."""
    descriptor = _lock_file(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _lock_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _make_unusable_error(path.parent, "written", error) from error


def _make_unusable_error(folder: Path, failed_deed: str, error: OSError) -> UnusableFolder:
    return UnusableFolder(
        f"the data folder {folder} cannot be {failed_deed} ({error.strerror}): name one with "
        "--data where you may write"
    )
