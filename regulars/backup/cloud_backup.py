"""`regulars backup` and `regulars restore` on AWS: a stage's tables and objects as one file, also
while it serves.

DynamoDB has no snapshot across tables. But each can be restored to the same second under another
name, and is read there. The backup copies the objects before that second, and those that are new
after it, as that of one box does.
"""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from regulars_client.archive import Manifest, Writer

from chalicelib.open_storage import open_storage
from chalicelib.settings import AwsStorage, Settings
from chalicelib.storage import keys
from chalicelib.storage.aws.clients import open_aws_client
from chalicelib.storage.aws.items import DynamoItemStore
from chalicelib.storage.formats import FORMAT
from chalicelib.storage.in_process import SystemClock
from chalicelib.storage.limits import item_from_json, item_to_json
from chalicelib.storage.ports import BlobStore, Item, Storage
from chalicelib.storage.records.faces import tenant_from
from regulars.backup import archive
from regulars.errors import DamagedFile, OperatorError

ITEMS = "items"
_WAITER_CONFIG = {"Delay": 20, "MaxAttempts": 540}
"""The waiter looks every 20 s, for three hours at most: a large table takes long to be restored."""
_TRIES, _TRY_EVERY_S = 60, 15
"""A time is asked for again and again for a quarter of an hour, until DynamoDB accepts it."""
_ACCEPTED_AFTER = timedelta(minutes=15)
"""Age from which a table that was asked for a copy should have begun it."""
_AT_ONCE = 16
"""Objects that are copied in parallel."""
_CHUNK = 25
"""Items of one batch of writes, the most that DynamoDB takes."""
_CHUNK_BYTES = 2_000_000
"""Bytes of one batch: DynamoDB takes 16 MB, and this keeps memory small."""
_CONTENT_TYPE = "application/octet-stream"


def backup(
    settings: Settings, storage: AwsStorage, path: Path, as_of: datetime | None = None
) -> Path:
    """Write the stage's tables, as they are at one moment, and its objects into a file; return it.

    Each table is copied by AWS as it was at that moment, read, and the copy removed. Objects are
    added before and after it, so that each object that the tables name is in the file. `as_of`: the
    moment, to the second; None: the next second. Raises OperatorError if a table keeps no earlier
    states, and leaves no file.
    """
    client, blobs = open_aws_client("dynamodb"), open_storage(settings, SystemClock())
    with tempfile.TemporaryDirectory() as folder, archive.write_archive(path) as writer:
        scratch_file = Path(folder, "one")
        _add_objects(
            writer, blobs, _list_tenant_names(_open_items(storage.table_prefix)), scratch_file
        )
        as_of = as_of or datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        prefix = f"{storage.table_prefix}backup-{as_of:%Y%m%dT%H%M%SZ}-"
        table_copies: list[str] = []
        try:
            for table in keys.TABLES:
                _begin_copy(client, storage.table_prefix + table.name, prefix + table.name, as_of)
                table_copies.append(prefix + table.name)
            items = _open_items(prefix)
            for table in keys.TABLES:
                client.get_waiter("table_exists").wait(
                    TableName=prefix + table.name, WaiterConfig=_WAITER_CONFIG
                )
                with scratch_file.open("w", encoding="utf-8") as lines:
                    lines.writelines(f"{item_to_json(item)}\n" for item in items.scan(table))
                writer.add(f"{ITEMS}/{table.name}.jsonl", scratch_file)
            # those since the first time
            _add_objects(writer, blobs, _list_tenant_names(items), scratch_file)
        finally:
            _remove(client, table_copies)
        writer.finish(as_of, FORMAT)
    return path


def restore(
    settings: Settings, storage: AwsStorage, file: Path, begin: Callable[[], object]
) -> Manifest:
    """Write the backup into the stage's tables and buckets, which must exist and be empty.

    `begin`: called before the first write. Raises OperatorError if a table is not empty or the data
    is of another format, and DamagedFile. Both are raised before any write.
    """
    items, blobs = _open_items(storage.table_prefix), open_storage(settings, SystemClock())
    manifest = archive.check_file(file)
    if f"{ITEMS}/{keys.TENANTS.name}.jsonl" not in manifest.entries:
        raise DamagedFile(f"{file} is the backup of one box: restore it with --data")
    for table in keys.TABLES:
        if next(items.scan(table), None) is not None:
            raise OperatorError(
                f"{storage.table_prefix}{table.name} is not empty: restore into a stage that is new"
            )
    with tempfile.TemporaryDirectory() as folder:
        archive.unpack_file(file, Path(folder))
        begin()
        # Objects first, so that no record ever names an object that is not there.
        for name, store in (("blobs", blobs.blobs), ("captures", blobs.uploads)):
            object_folder = Path(folder, name)
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                put = partial(_put, store, object_folder)
                deque(
                    pool.map(put, (path for path in object_folder.rglob("*") if path.is_file())),
                    maxlen=0,
                )
        for table in keys.TABLES:
            name = f"{ITEMS}/{table.name}.jsonl"
            if name not in manifest.entries:  # of a version that had no such table
                continue
            for chunk in _read_chunks(Path(folder) / name):
                items.put_all(table, chunk)
    return manifest


def _put(store: BlobStore, object_folder: Path, path: Path) -> None:
    store.put_if_absent(
        path.relative_to(object_folder).as_posix(), path.read_bytes(), _CONTENT_TYPE
    )


def _open_items(prefix: str) -> DynamoItemStore:
    return DynamoItemStore(open_aws_client("dynamodb"), prefix)


def _list_tenant_names(items: DynamoItemStore) -> list[str]:
    return [
        tenant_from(item).name
        for item in items.scan(keys.TENANTS)
        if item["kind"] == keys.tenant_item("")[0]
    ]


def _begin_copy(client: Any, table: str, copy: str, as_of: datetime) -> None:
    """Begin to copy a table, as it was at `as_of`, to a table of another name.

    DynamoDB accepts a time only some five minutes after it, so this waits. Raises OperatorError if
    it is not accepted by then, or the table keeps no earlier states.
    """
    for _ in range(_TRIES):
        try:
            client.restore_table_to_point_in_time(
                SourceTableName=table, TargetTableName=copy, RestoreDateTime=as_of
            )
        except client.exceptions.InvalidRestoreTimeException:
            if datetime.now(UTC) - as_of > _ACCEPTED_AFTER:
                break
            time.sleep(_TRY_EVERY_S)
        except client.exceptions.PointInTimeRecoveryUnavailableException as error:
            raise OperatorError(
                f"{table} keeps no point in time: switch point-in-time recovery on"
            ) from error
        else:
            return
    raise OperatorError(
        f"{table} could not be copied as it was at {as_of:%H:%M:%S}Z: look at its backups in the "
        "console"
    )


def _remove(client: Any, copies: Sequence[str]) -> None:
    for name in copies:
        client.get_waiter("table_exists").wait(
            TableName=name, WaiterConfig=_WAITER_CONFIG
        )  # before, it cannot be deleted
        client.delete_table(TableName=name)


def _add_objects(
    writer: Writer, storage: Storage, tenants: Sequence[str], scratch_file: Path
) -> None:
    """Add the tenants' objects, but those that were added before.

    One that is deleted meanwhile is not wanted.
    """
    for name, store in (("blobs", storage.blobs), ("captures", storage.uploads)):
        for blob in (blob for tenant in tenants for blob in store.walk(f"{tenant}/")):
            if f"{name}/{blob.key}" not in writer and (data := store.get(blob.key)) is not None:
                scratch_file.write_bytes(data)
                writer.add(f"{name}/{blob.key}", scratch_file)


def _read_chunks(file: Path) -> Iterator[list[Item]]:
    """Yield the items of a file of JSON lines, in parts that one call may store."""
    chunk: list[Item] = []
    size = 0
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if chunk and (len(chunk) == _CHUNK or size + len(line) > _CHUNK_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append(item_from_json(line))
            size += len(line)
    if chunk:
        yield chunk
