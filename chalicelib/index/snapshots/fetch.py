"""Download of a snapshot: its parts side by side, each checked and put in its place.

The sections that every search reads go into memory. A search looks at few rows of the templates, so these go into a
file without a name that is mapped into memory; a face then takes a third of the memory. The file vanishes with the
process. Small templates stay in memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.errors import StorageUnavailable
from chalicelib.core.ports import BlobStore
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

IN_MEMORY = 4 * 1024 * 1024
"""Most bytes of templates that stay in memory."""


def fetch(blobs: BlobStore, key: str, scratch: Path | None = None) -> Segment | None:
    """Download the snapshot; None if there is no such object. Raises DamagedSnapshot, StorageUnavailable.

    `scratch`: folder for the unnamed file (None: the system's for temporary files).
    """
    size = blobs.size(key)
    if size is None:
        return None
    head = _range(blobs, key, 0, min(max(size, 1), PART))
    if len(head) == size:
        segment = decode(head)
        return segment if segment.templates.nbytes <= IN_MEMORY else _loaded(blobs, key, _layout(head, size), scratch)
    return _loaded(blobs, key, _layout(_whole_header(blobs, key, head, size), size), scratch)


def _whole_header(blobs: BlobStore, key: str, head: bytes, size: int) -> bytes:
    wanted = header_length(head[:PREFIX])
    if wanted <= len(head):
        return head
    if wanted > size:
        raise DamagedSnapshot(f"its header is longer than its {size} bytes")
    return _range(blobs, key, 0, wanted)


def _layout(head: bytes, size: int) -> Layout:
    return read_layout(head[: header_length(head[:PREFIX])], size)


def _loaded(blobs: BlobStore, key: str, layout: Layout, scratch: Path | None) -> Segment:
    hot = np.empty(layout.cold_at - layout.body_at, dtype=np.uint8)
    cold = _TemplateSpace(layout.size - layout.cold_at, scratch)

    def load(number: int) -> None:
        begin = number * PART
        part = _range(blobs, key, layout.body_at + begin, min(PART, layout.size - layout.body_at - begin))
        check_part(layout, number, part)
        split = min(max(len(hot) - begin, 0), len(part))
        hot[begin : begin + split] = np.frombuffer(part, np.uint8, split)
        if split < len(part):
            cold.write(begin + split - len(hot), memoryview(part)[split:])

    with cold:
        _side_by_side(load, len(layout.checksums))
        return assemble(layout, hot.data, cold.bytes().data, on_disk=cold.on_disk)


def _side_by_side(load: Callable[[int], None], count: int) -> None:
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        for _ in threads.map(load, range(count)):
            pass


class _TemplateSpace:
    """Space for the templates: memory, or a file without a name. Raises StorageUnavailable if there is no room.

    The file is written as a file and mapped when it is complete, so that no page is resident before it is read.
    """

    def __init__(self, size: int, scratch: Path | None) -> None:
        self._size = size
        self.on_disk = size > IN_MEMORY
        self._memory = np.empty(0 if self.on_disk else size, dtype=np.uint8)
        self._file: BinaryIO | None = None
        if self.on_disk:
            with _room(size):
                self._file = cast(BinaryIO, tempfile.TemporaryFile(dir=scratch, buffering=0))  # noqa: SIM115 - closed in __exit__
                os.posix_fallocate(self._file.fileno(), 0, size)

    def write(self, at: int, data: memoryview) -> None:
        if self._file is None:
            self._memory[at : at + len(data)] = np.frombuffer(data, np.uint8)
            return
        with _room(self._size):
            while len(data):
                written = os.pwrite(self._file.fileno(), data, at)
                at, data = at + written, data[written:]

    def bytes(self) -> NDArray[np.uint8]:
        if self._file is None:
            return self._memory
        return np.memmap(self._file, dtype=np.uint8, mode="r", shape=(self._size,))

    def __enter__(self) -> _TemplateSpace:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._file is not None:
            self._file.close()  # the mapping stays


@contextmanager
def _room(size: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"there is no room for {size} bytes of templates: {error.strerror}") from error


def _range(blobs: BlobStore, key: str, begin: int, length: int) -> bytes:
    part = blobs.get_range(key, begin, length)
    if part is None:
        raise DamagedSnapshot("it was deleted while it was read")
    return part
