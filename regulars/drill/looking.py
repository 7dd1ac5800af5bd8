"""What is left of somebody: it is looked for in every table and object, on a box in every file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.ports import BlobStore
from regulars.drill.ways import Somebody

MAY_STAY = frozenset({"id", "template", "template in base64"})
"""What may be found of somebody who is remembered."""
_OF_ID = frozenset({keys.FACES.name, keys.AUDIT.name, "snapshots"})
"""Places that may name somebody who is remembered: the face, and the entry of what was done."""

Left = Mapping[str, frozenset[str]]
"""The places, by what is found there."""


def find_left(services: Services, people: Iterable[Somebody]) -> list[Left]:
    """Return for each person what is found where; an empty mapping: nothing."""
    contents = [*_read_tables(services), *_read_objects(services), *_read_files(services)]
    return [_find_needles(one, contents) for one in people]


def _find_needles(one: Somebody, contents: Iterable[tuple[str, bytes]]) -> Left:
    found: dict[str, set[str]] = defaultdict(set)
    for place, data in contents:
        for what, needle in one.needles.items():
            if needle and needle in data:
                found[what].add(place)
    return {what: frozenset(places) for what, places in found.items()}


def list_unpromised(left: Left, *, is_remembered: bool) -> list[str]:
    """Say what is left of somebody that was to be gone."""
    return [
        f"{what} in {', '.join(wrong)}"
        for what, places in left.items()
        if (wrong := sorted(place for place in places if not (is_remembered and _may(what, place))))
    ]


def _may(what: str, place: str) -> bool:
    return what in MAY_STAY and (place in _OF_ID or place.startswith("file "))


def _read_tables(services: Services) -> Iterator[tuple[str, bytes]]:
    for table in keys.TABLES:
        for item in services.ports.storage.items.scan(table):
            yield table.name, b"\n".join(_list_leaves(item))


def _list_leaves(value: Any) -> Iterator[bytes]:
    """Yield names and values of an item as bytes, however deep they lie."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield str(name).encode()
            yield from _list_leaves(member)
    elif isinstance(value, list | tuple | set | frozenset):
        for member in value:
            yield from _list_leaves(member)
    else:
        yield value if isinstance(value, bytes) else str(value).encode()


def _read_objects(services: Services) -> Iterator[tuple[str, bytes]]:
    storage = services.ports.storage
    stores: list[BlobStore] = [storage.blobs, storage.uploads]
    for store, name_place in zip(stores, (_name_object, _name_upload), strict=True):
        for blob in store.walk(""):
            yield name_place(blob.key), blob.key.encode() + (store.get(blob.key) or b"")


def _name_object(key: str) -> str:
    """Return the place of an object, as the map of data (privacy/data_map) calls it."""
    if "/faces/" in key:
        return "archives" if key.endswith(".zip") else "face pictures"
    return "sealed days" if key.endswith(".columns") else "snapshots"


def _name_upload(key: str) -> str:
    return "crops" if "-crops/" in key else "capture pictures"


def _read_files(services: Services) -> Iterator[tuple[str, bytes]]:
    """Read the files of a box as they lie on its disk, but the index of SQLite's log, which is
    shared memory."""
    folder = services.settings.storage
    if not isinstance(folder, Path):
        return
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.endswith("-shm"):
            name = path.relative_to(folder)
            yield f"file {name.parts[0]}", str(name).encode() + path.read_bytes()
