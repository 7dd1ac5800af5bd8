"""Download of a snapshot: its parts side by side, each checked and put in its place.

The sections that every search reads go into memory. A search looks at few rows of the templates, so these go into a
file that is mapped into memory; a face then takes a third of the memory. A snapshot of one part stays in memory as it
came.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from chalicelib.core.ports import BlobStore
from chalicelib.index.snapshots.scratch import Place
from chalicelib.index.snapshots.segment import (
    PART,
    PREFIX,
    DamagedSnapshot,
    Layout,
    Segment,
    assemble,
    check_part,
    decode,
    header_length,
    read_layout,
)

SIDE_BY_SIDE = 8
"""Requests at once: one S3 connection is slower than a function's network."""


def fetch(blobs: BlobStore, key: str, place: Place) -> Segment | None:
    """Download the snapshot; None if there is no such object. Raises DamagedSnapshot, StorageUnavailable, Busy."""
    size = blobs.size(key)
    if size is None:
        return None
    head = _range(blobs, key, 0, min(max(size, 1), PART))
    if len(head) == size:
        return decode(head)
    length = header_length(head[:PREFIX])
    if length > size:
        raise DamagedSnapshot(f"its header is longer than its {size} bytes")
    if length > len(head):
        head = _range(blobs, key, 0, length)
    return _loaded(blobs, key, read_layout(head[:length], size), place)


def _loaded(blobs: BlobStore, key: str, layout: Layout, place: Place) -> Segment:
    hot_bytes, cold_bytes = layout.cold_at - layout.body_at, layout.size - layout.cold_at
    with place(hot_bytes, cold_bytes) as (descriptor, mapped):
        hot = np.empty(hot_bytes, dtype=np.uint8)

        def load(number: int) -> None:
            begin = number * PART
            part = _range(blobs, key, layout.body_at + begin, min(PART, layout.size - layout.body_at - begin))
            check_part(layout, number, part)
            split = min(max(len(hot) - begin, 0), len(part))
            hot[begin : begin + split] = np.frombuffer(part, np.uint8, split)
            _write(descriptor, memoryview(part)[split:], begin + split - len(hot))

        with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            for _ in threads.map(load, range(len(layout.checksums))):
                pass
    return assemble(layout, hot.data, memoryview(mapped), on_disk=True)


def _write(descriptor: int, data: memoryview, at: int) -> None:
    """Write all of the data: one call may write less."""
    while data:
        written = os.pwrite(descriptor, data, at)
        at, data = at + written, data[written:]


def _range(blobs: BlobStore, key: str, begin: int, length: int) -> bytes:
    part = blobs.get_range(key, begin, length)
    if part is None:
        raise DamagedSnapshot("it was deleted while it was read")
    return part
