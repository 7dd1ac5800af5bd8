"""Files on disk for the templates of large galleries; they have no name and go with them."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from chalicelib.domain.errors import Busy, StorageUnavailable
from chalicelib.domain.rules.galleries import SHARE_OF_DISK

PATIENCE_S = 2.0
"""Time to wait until searches under way no longer need what was let go."""


OpenFile = Callable[[int, int], AbstractContextManager[tuple[int, mmap.mmap]]]
"""Scratch.open_file, with or without somebody who makes room."""


class Scratch:
    """A folder for the files of large galleries, of together at most `limit_bytes`.

    `folder`: None is the system's for temporary files. `limit_bytes`: None is SHARE_OF_DISK.
    """

    def __init__(self, folder: Path | None = None, limit_bytes: int | None = None) -> None:
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        self._limit_bytes = limit_bytes
        self._claiming = threading.Lock()
        self._sizes: dict[int, int] = {}
        """of the files that are still mapped, so also of a gallery that was let go while a search
        is reading it"""

    @property
    def used_bytes(self) -> int:
        return sum(list(self._sizes.values()))

    @property
    def limit_bytes(self) -> int:
        if self._limit_bytes is None:
            disk = os.statvfs(self._folder)
            self._limit_bytes = int(SHARE_OF_DISK * disk.f_bavail * disk.f_frsize)
        return self._limit_bytes

    @contextmanager
    def open_file(
        self,
        memory_bytes: int,
        disk_bytes: int,
        make_room: Callable[[int, int], None] = lambda _memory, _disk: None,
    ) -> Iterator[tuple[int, mmap.mmap]]:
        """Open a file for a gallery's templates; give its descriptor and its mapping in memory.

        The block fills it. It has `disk_bytes` and no name, and vanishes with the mapping. First
        `make_room` is called with what the gallery takes of memory and disk, so that other
        galleries go. Raises Busy if, for PATIENCE_S, searches under way need the room. Raises
        StorageUnavailable if it never fits, and for an OSError in the block: no room to write.
        """
        try:
            with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
                with self._claiming:
                    self._wait_for_room(disk_bytes, partial(make_room, memory_bytes, disk_bytes))
                    os.posix_fallocate(file.fileno(), 0, disk_bytes)
                    mapped = mmap.mmap(file.fileno(), disk_bytes, prot=mmap.PROT_READ)
                    self._sizes[id(mapped)] = disk_bytes
                    # Count it until the mapping is gone, but not at the process's end.
                    weakref.finalize(mapped, self._sizes.pop, id(mapped)).atexit = False
                yield file.fileno(), mapped
        except OSError as error:
            raise StorageUnavailable(
                f"there is no room for {disk_bytes} bytes of templates: {error.strerror}"
            ) from error

    def _wait_for_room(self, disk_bytes: int, make_room: Callable[[], None]) -> None:
        """Wait until the disk's share for galleries has room for one more file.

        `make_room` lets galleries go, those searched longest ago first, and is called until there
        is room. A search under way may keep a file a little longer. Raises StorageUnavailable if
        the file is larger than the share, Busy after PATIENCE_S.
        """
        if disk_bytes > self.limit_bytes:
            raise StorageUnavailable(
                f"there is no room for {disk_bytes} bytes of templates: those of all galleries may "
                f"take {self.limit_bytes}; raise SearchDisk or REGULARS_SEARCH_DISK_MB"
            )
        begin_s = time.monotonic()
        make_room()
        while self.used_bytes + disk_bytes > self.limit_bytes:
            if time.monotonic() - begin_s > PATIENCE_S:
                raise Busy(
                    "searches under way take the disk that a gallery needs: send the request again "
                    "in a moment"
                )
            time.sleep(0.01)
            make_room()
