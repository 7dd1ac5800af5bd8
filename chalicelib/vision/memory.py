"""Room for pictures: the process's memory stays below a limit, however many pictures are sent at once."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.core import telemetry
from chalicelib.core.errors import Busy

WAIT_S = 20.0
"""How long a picture may wait for room; Lambda's gateway waits 29 s for an answer."""

_LOOK_EVERY_S = 0.05
_SMALL = 16
"""A picture that takes this part of the limit or less is small: 7 megapixels of 2 GB."""
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the process's resident memory; 0 if the system does not tell."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class PictureMemory:
    """A limit of resident memory, of which pictures that are being decoded hold a part that they may not use yet.

    What a tenant holds beyond one picture is at most half of what is left, so that there is room for others. If the
    process is full without any picture, of galleries say, it still decodes one small picture at a time.
    """

    def __init__(self, limit_bytes: int, resident: Callable[[], int] = resident_bytes, wait_s: float = WAIT_S) -> None:
        self._limit, self._resident, self._wait_s = limit_bytes, resident, wait_s
        self._promised: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Hold room for decoding that takes so many bytes. Raises Busy if there is none for WAIT_S."""
        tenant, deadline = telemetry.tenant(), time.monotonic() + self._wait_s
        while not self._promise(tenant, size):
            if time.monotonic() > deadline:
                raise Busy("there is no memory for a picture of this size now: send it again later, or a smaller one")
            time.sleep(_LOOK_EVERY_S)  # memory comes free without a word
        try:
            yield
        finally:
            with self._lock:
                self._promised[tenant] -= size

    def _promise(self, tenant: str, size: int) -> bool:
        with self._lock:
            left, held = self._limit - self._resident(), self._promised[tenant]
            is_alone = not self._promised.total() and size <= self._limit / _SMALL
            if (not is_alone and self._promised.total() + size > left) or (held and held + size > left / 2):
                return False
            self._promised[tenant] += size
            return True
