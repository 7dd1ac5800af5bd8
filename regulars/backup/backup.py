"""`regulars backup` and `regulars restore`: a data folder as one file, also while it is served, and
back.

SQLite's online backup copies the database as it is at one moment, even if the service writes
meanwhile. Objects never change. The service writes an object before the record that names it, and
deletes it after that record. So the backup links all objects into its own folder before and after
it copies the database. The copy can then name a missing object only if that object was made and
deleted between the two. In that case the backup starts again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from regulars_client.archive import Manifest

from chalicelib.domain.model import Picture, Tenant
from chalicelib.open_storage import DATABASE
from chalicelib.settings import Settings
from chalicelib.storage import keys
from chalicelib.storage.box.blobs import BACKUP, BACKUP_LOCK, sync_folder
from chalicelib.storage.box.generation import find_file
from chalicelib.storage.box.items import SqliteItemStore
from chalicelib.storage.formats import FORMAT
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import ItemStore
from chalicelib.storage.records.faces import face_from, tenant_from
from chalicelib.storage.records.merges import merge_from
from regulars import folder
from regulars.backup import archive, cloud_backup
from regulars.backup.owed import Owed, Step, hold_restore, note_owed
from regulars.errors import DamagedFile, OperatorError, UnusableFolder
from regulars.tenants import credentials

OBJECTS = ("blobs", "captures", "secrets")
"""Folders of objects. Names of half-written files begin with a dot; the backup leaves those out."""

_TRIES = 5
"""Tries to copy a database that others write meanwhile."""


def backup(settings: Settings, to: Path, as_of: datetime | None = None) -> Path:
    """Back up the storage of the settings into the file `to`, or into a new file of the folder
    `to`; return its path.

    `as_of`: the time at which a stage's tables are copied; None: now. A box has no earlier time.
    Raises OperatorError, StorageUnavailable or OSError. If the file exists after an error, it is
    whole.
    """
    data = settings.storage
    if not isinstance(data, Path):
        return cloud_backup.backup(settings, data, _choose_name(to), as_of)
    if as_of is not None:
        raise OperatorError(
            "a box keeps no earlier time: restore a backup of then, or name a stage"
        )
    folder.require_data(data)
    # Before anything is copied: what is done meanwhile counts as done since the backup.
    begun_at = datetime.now(UTC)
    # A killed backup leaves its folder behind; the next one, or the sweep, removes it.
    with folder.hold_lock(data / BACKUP_LOCK), open_scratch(data / BACKUP) as scratch:
        copy_folder = scratch / "copy"
        copy_folder.mkdir(mode=0o700)
        data_format, books = _take_complete(data, copy_folder)
        for _ in range(_TRIES):
            path = _choose_name(to)
            try:
                _write_archive(path, copy_folder, begun_at, data_format, books)
            except FileExistsError:
                if path == to:
                    raise
                time.sleep(_A_SECOND)  # another box's backup of this second has the name
            else:
                return path
    raise OperatorError(f"all names of the last {_TRIES} seconds are taken in {to}: name a file")


_A_SECOND = 1.0


def _choose_name(to: Path) -> Path:
    """Return the file `to`, or one that is named by the time in the folder `to`."""
    return to / f"regulars-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar" if to.is_dir() else to


def _write_archive(
    path: Path,
    copy_folder: Path,
    begun_at: datetime,
    data_format: int,
    books: Mapping[str, int],
) -> None:
    """Write the copy into a file, with the format that its tenants' data have: the version before
    may restore a backup of the day after an update, too."""
    with archive.write_archive(path) as writer:
        for file in sorted(copy_folder.rglob("*")):
            if file.is_file():
                writer.add(file.relative_to(copy_folder).as_posix(), file)
        writer.finish(begun_at, data_format, books)


@contextmanager
def open_scratch(path: Path) -> Iterator[Path]:
    """Make an empty folder in place of one that may be there, and remove it at the end."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _take_complete(data: Path, stage: Path) -> tuple[int, Mapping[str, int]]:
    """Copy records and objects until no record names an object that is missing; return the format
    of the copy, and its books as a manifest has them."""
    for _ in range(_TRIES):
        _copy_folder(data, stage)
        with _open_copied_items(stage) as items:
            missing = [
                key for key in _list_blob_keys(items) if not (stage / "blobs" / key).is_file()
            ]
            if not missing:
                tenants = list(_list_tenants(items))
                data_format = max((tenant.format for tenant in tenants), default=FORMAT)
                return data_format, {each.app_id: _read_number(items, each) for each in tenants}
    raise OperatorError(
        f"{missing[0]} is named by a record and is not there, {len(missing)} in all: they are "
        "lost, or faces come and "
        "go faster than they can be copied; then try again when less is done"
    )


def _copy_folder(data: Path, stage: Path) -> None:
    """Copy a data folder into one on the same disk, while it is served: objects as links.

    Raises DamagedFile, OperatorError or OSError.
    """
    _link_objects(data, stage)
    # A process that makes or rotates keys holds this lock until both the database and the file have
    # changed.
    with folder.hold_lock(data / credentials.LOCK):
        copy_database(find_file(data / DATABASE), stage / DATABASE)
        (stage / credentials.FILE).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.copyfile(data / credentials.FILE, stage / credentials.FILE)
    _link_objects(data, stage)


def _link_objects(data: Path, stage: Path) -> None:
    for name in OBJECTS:
        for subfolder, child_names, files in os.walk(data / name, onerror=_raise_unless_missing):
            child_names[:] = [
                subfolder for subfolder in child_names if not subfolder.startswith(".")
            ]
            target = stage / Path(subfolder).relative_to(data)
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            for file in files:
                # linked in the first round; deleted meanwhile
                with suppress(FileExistsError, FileNotFoundError):
                    os.link(Path(subfolder) / file, target / file)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # no object of the kind, or all deleted meanwhile
        raise error


def copy_database(source: Path, target: Path) -> None:
    """Copy the database as it is at one moment, and check the copy.

    Raises DamagedFile if SQLite finds it damaged, OperatorError if it cannot be copied.
    """
    target.unlink(missing_ok=True)
    try:
        # not created: a scrub may just have given the name to another file
        existing_file = f"file:{quote(str(source))}?mode=rw"
        with (
            closing(sqlite3.connect(existing_file, uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            # in one step: between steps, a write by the service would restart the copy
            live.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode = DELETE")
            (verdict,) = copy.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        raise make_copy_error(source, error) from error
    if verdict != "ok":
        raise DamagedFile(f"the database {source} is damaged: {verdict}")


def make_copy_error(source: Path, error: sqlite3.Error) -> OperatorError:
    """Say why SQLite did not copy a database: the disk, a lock and the like are its errors of
    operation."""
    if not isinstance(error, sqlite3.OperationalError):
        return DamagedFile(f"the database {source} is damaged: {error}")
    is_full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
    # One copy is for the backup, one is looked into (`_open_copied_items`).
    why = (
        ": its disk needs room for two more copies of it, and `regulars doctor` says how much "
        "is free"
    )
    return OperatorError(
        f"the database {source} cannot be copied ({error}){why if is_full else ''}"
    )


@contextmanager
def _open_copied_items(stage: Path) -> Iterator[ItemStore]:
    """Open a copy of the copied database: the store writes SQLite's log beside its file."""
    with open_scratch(stage.with_name("look")) as scratch_folder:
        shutil.copyfile(stage / DATABASE, scratch_folder / DATABASE)
        with closing(SqliteItemStore(scratch_folder / DATABASE, keys.TABLES)) as items:
            yield items


def _list_picture_keys(pictures: Iterable[Picture]) -> Iterator[str]:
    """Yield the keys of kept pictures and of their thumbnails."""
    for picture in pictures:
        if picture.key:
            yield picture.key
            if picture.sides:
                yield keys.thumbnail(picture.key)


def _list_tenants(items: ItemStore) -> Iterator[Tenant]:
    return map(tenant_from, walk_items(items, keys.TENANTS, keys.tenant_item("")[0]))


def _read_number(items: ItemStore, tenant: Tenant) -> int:
    noted = items.get(keys.AUDIT, (tenant.name, keys.AUDIT_STANDING)) or {}
    return int(noted.get("number", 0))


def _list_blob_keys(items: ItemStore) -> Iterator[str]:
    """Yield the keys of all objects that items name.

    These are pictures of faces, and of faces that an active merge keeps; each model's newest
    snapshot of the gallery and the one that it builds upon; the columns of sealed days.
    """
    for tenant in _list_tenants(items):
        name = tenant.name
        for face in walk_items(items, keys.FACES, name):
            yield from _list_picture_keys(face_from(face).pictures)
        for merge in walk_items(items, keys.MERGES, name):
            stored_merge = merge_from(merge)
            yield from (
                _list_picture_keys(stored_merge.backup.face.pictures)
                if stored_merge.is_active and stored_merge.backup
                else ()
            )
        for pointer in walk_items(items, keys.DIRECTORY, name, between=keys.INDEX_RANGE):
            yield pointer["snapshots"][-1]
            yield keys.base_of_snapshot(pointer["snapshots"][-1])
        seals = walk_items(items, keys.SUMMARIES, keys.totals(name, tenant.time_zone))
        yield from (seal["columns"] for seal in seals if seal.get("columns"))


def restore(settings: Settings, file: Path, begin: Callable[[], object] = lambda: None) -> Manifest:
    """Copy the backup's files into the data folder or the stage, and do nothing else: all of them,
    or nothing if it fails.

    `begin`: called before the first file is copied, once all is checked.

    Raises UnusableFolder if the folder is not empty, OperatorError if the data is of another
    format, DamagedFile and OSError.
    """
    data = settings.storage
    if not isinstance(data, Path):
        return cloud_backup.restore(settings, data, file, begin)
    with hold_empty_folder(data):
        manifest = check_box_file(file)
        files_alone = Owed(str(file.absolute()), manifest.created_at, (Step.FILES,))
        fill_folder(data, file, files_alone, lambda owed: owed)
    return manifest


@contextmanager
def hold_empty_folder(data: Path) -> Iterator[None]:
    """Make a folder, or take an empty one, and let no other process restore into it while the block
    lasts.

    A folder that is still empty after an error goes again. Raises UnusableFolder if it is not
    empty, UnfinishedRestore, OperatorError.
    """
    require_free(data)
    is_new = not data.exists()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with hold_restore(data):
            require_free(data)
            yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                data.rmdir()
        raise
    sync_folder(data.absolute().parent)


def fill_folder(data: Path, file: Path, owed: Owed, look: Callable[[Owed], Owed]) -> Owed:
    """Copy a checked backup's files into an empty folder that is held: all of them, or nothing if
    it fails. Return what is left to do.

    The folder's list says what is owed before `look` is called, which may add what it found, and
    before the first file is copied. The files are struck when all are there.

    Raises UnusableFolder if a service has begun in the folder meanwhile, which stays as it is.
    """
    data.chmod(0o700)  # an empty folder may have been made for everybody
    note_owed(data, owed)
    if find_others(data) or folder.find_server(data) is not None:
        (data / folder.UNFINISHED).unlink()
        require_free(data)
        raise UnusableFolder(f"{data} is being served: pass another folder with --data")
    with _remove_if_failed(data):
        looked_at = look(owed)
        note_owed(data, looked_at)
        return copy_files(data, file, looked_at)


def check_box_file(file: Path) -> Manifest:
    """Compare a box's backup with its list of files, and return that. Raises as `restore`."""
    manifest = archive.check_file(file)
    if DATABASE not in manifest.entries:
        raise DamagedFile(
            f"{file} is the backup of a stage on AWS: restore it with that stage's settings"
        )
    _require_known(file, manifest.entries)
    return manifest


def copy_files(data: Path, file: Path, owed: Owed) -> Owed:
    """Copy a checked backup's files into a folder that has its list alone, strike them, and return
    the list."""
    folder.keep_out_of_git(data)
    archive.unpack_file(file, data)
    left = owed.strike(Step.FILES)
    note_owed(data, left)
    return left


_OF_RESTORES = (folder.UNFINISHED, folder.LOCK)
"""Files that a folder may have into which a restore copies."""


def find_others(data: Path) -> list[Path]:
    """Return what a folder has but its list, what a killed process left of that, and a lock."""
    half_written = f".{folder.UNFINISHED}."
    return [
        path
        for path in data.iterdir()
        if path.name not in _OF_RESTORES and not path.name.startswith(half_written)
    ]


def clear_folder(data: Path) -> None:
    """Remove all that a folder has but its list of what is owed: what a killed restore had
    copied."""
    for path in find_others(data):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def _remove_if_failed(data: Path) -> Iterator[None]:
    """Remove what was copied if the block fails, the list last: a part of it is never served."""
    try:
        yield
    except BaseException:
        clear_folder(data)
        for path in [*data.glob(f".{folder.UNFINISHED}.*"), data / folder.UNFINISHED]:
            path.unlink(missing_ok=True)
        raise


def _require_known(file: Path, names: Iterable[str]) -> None:
    """Raise DamagedFile if one of the names is none that a backup of a box has."""
    for name in names:
        first_part, *inner_parts = PurePosixPath(name).parts
        if not (first_part in OBJECTS and inner_parts) and name not in (DATABASE, credentials.FILE):
            raise DamagedFile(f"{file} is no backup of ours: it holds {name!r}, which no box has")


def require_free(data: Path) -> None:
    """Raise UnusableFolder unless a backup may be restored into a folder: a new or an empty one."""
    folder.require_finished(data)
    if data.exists() and (not data.is_dir() or find_others(data)):
        raise UnusableFolder(
            f"{data} is not empty, and a restore never overwrites data: stop its service and move "
            "it away, or pass another folder with --data"
        )
