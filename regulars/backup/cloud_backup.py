"""`regulars backup` and `regulars restore` on AWS: a stage's tables and objects as one file.

DynamoDB has no snapshot across tables. So the backup reads all tables twice, and makes the file only if nothing changed
in between. Stop the stage's functions first, or back up tables that were restored to a point in time.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.adapters.aws.clients import aws_client
from chalicelib.adapters.aws.items import DynamoItemStore
from chalicelib.adapters.in_process import SystemClock
from chalicelib.adapters.limits.items import item_from_json, item_to_json
from chalicelib.core import keys
from chalicelib.core.ports import Action, BlobStore, Put, Table, absent
from chalicelib.core.records.faces import tenant_from
from chalicelib.settings import AwsStorage, Settings
from chalicelib.storage import opened
from regulars.backup import archive
from regulars.errors import DamagedFile, OperatorError

ITEMS = "items"
_CHUNK = 25
_CHUNK_BYTES = 2_000_000
_CONTENT_TYPE = "application/octet-stream"


def backup(settings: Settings, storage: AwsStorage, path: Path) -> Path:
    """Write the stage's tables and objects into the file `path`, and return it.

    Raises OperatorError if something is written meanwhile, and leaves no file then.
    """
    items, blobs = _items(storage), opened(settings, SystemClock())
    with tempfile.TemporaryDirectory() as folder, archive.writing(path) as writer:
        stage = Path(folder)
        first = {table.name: _read(items, table, stage / f"{table.name}.jsonl") for table in keys.TABLES}
        for table in keys.TABLES:
            writer.add(f"{ITEMS}/{table.name}.jsonl", stage / f"{table.name}.jsonl")
        tenants = [
            tenant_from(item).name for item in items.scan(keys.TENANTS) if item["kind"] == keys.tenant_item("")[0]
        ]
        for name, store in (("blobs", blobs.blobs), ("captures", blobs.uploads)):
            for tenant in tenants:
                _add_objects(writer, store, f"{tenant}/", name, stage / "object")
        for table in keys.TABLES:
            if _read(items, table, stage / "again.jsonl") != first[table.name]:
                raise OperatorError(
                    f"{storage.table_prefix}{table.name} was written to meanwhile: stop the stage's functions first "
                    "(docs/operations.md), or name tables that were restored to a point in time"
                )
        writer.finish(datetime.now(UTC))
    return path


def restore(settings: Settings, storage: AwsStorage, file: Path) -> archive.Manifest:
    """Write the backup into the stage's tables and buckets, which must exist and be empty.

    Raises OperatorError if a table is not empty or the data is of another format, DamagedFile; both before any write.
    """
    items, blobs = _items(storage), opened(settings, SystemClock())
    manifest = archive.checked(file)
    if f"{ITEMS}/{keys.TENANTS.name}.jsonl" not in manifest.entries:
        raise DamagedFile(f"{file} is the backup of one box: restore it with --data")
    for table in keys.TABLES:
        if next(items.scan(table), None) is not None:
            raise OperatorError(f"{storage.table_prefix}{table.name} is not empty: restore into a stage that is new")
    with tempfile.TemporaryDirectory() as folder:
        archive.unpacked(file, Path(folder))
        # Objects first, so that no record ever names an object that is not there.
        for name, store in (("blobs", blobs.blobs), ("captures", blobs.uploads)):
            for path in sorted((Path(folder) / name).rglob("*")):
                if path.is_file():
                    key = path.relative_to(Path(folder) / name).as_posix()
                    store.put_if_absent(key, path.read_bytes(), _CONTENT_TYPE)
        for table in keys.TABLES:
            for chunk in _chunks(table, Path(folder) / ITEMS / f"{table.name}.jsonl"):
                items.transact(chunk)
    return manifest


def _items(storage: AwsStorage) -> DynamoItemStore:
    return DynamoItemStore(aws_client("dynamodb"), storage.table_prefix)


def _read(items: DynamoItemStore, table: Table, to: Path) -> str:
    """Write all items of a table to a file as sorted lines of JSON; return the SHA-256 of these."""
    lines = sorted(item_to_json(dict(sorted(item.items()))) for item in items.scan(table))
    data = "".join(f"{line}\n" for line in lines).encode()
    to.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _add_objects(writer: archive.Writer, store: BlobStore, prefix: str, name: str, by_way_of: Path) -> None:
    for blob in store.walk(prefix):
        data = store.get(blob.key)
        if data is None:
            raise OperatorError(f"{blob.key} was deleted meanwhile: stop the stage's functions first")
        by_way_of.write_bytes(data)
        writer.add(f"{name}/{blob.key}", by_way_of)


def _chunks(table: Table, file: Path) -> Iterator[list[Action]]:
    chunk: list[Action] = []
    size = 0
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if chunk and (len(chunk) == _CHUNK or size + len(line) > _CHUNK_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append(Put(table, item_from_json(line), (absent("empty"),)))
            size += len(line)
    if chunk:
        yield chunk
