"""Limits on the memory that the C library keeps after it was freed."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
"""Parameters of mallopt(3), glibc."""

_LARGE_BYTES = 16 * 1024 * 1024
"""More than any block of a capture of 1280x960 pixels: its three colours as float32 take 15 MB."""

_KEPT_BYTES = 64 * 1024 * 1024
"""More than such a capture takes in all."""


def give_large_blocks_back() -> bool:
    """Return large blocks to the system as soon as they are free.

    Return False if the C library is not glibc.

    By default glibc keeps freed blocks below a limit, and raises this limit with each larger block
    that is freed, up to 32 MiB. After pictures of 8192 pixels it kept half a gigabyte.

    Of smaller blocks a pool keeps as much as an ordinary picture takes. Otherwise the system would
    empty each page, and hand it out again at the next picture. That took a seventh of a search's
    time, and a twentieth of a capture's.
    """
    return _set(_M_MMAP_THRESHOLD, _LARGE_BYTES) and _set(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def limit_arenas(max_pools: int) -> bool:
    """Allow at most `max_pools` pools.

    Return False if the C library is not glibc, which alone has such a limit.

    By default glibc makes up to eight pools a core. Each keeps tens of megabytes after a large
    picture: half a gigabyte after sixteen of them. Fewer pools cost no time, since Python's threads
    compute in turn, and only one thread a core looks at pictures.
    """
    return _set(_M_ARENA_MAX, max_pools)


def _set(parameter: int, value: int) -> bool:
    try:
        return bool(ctypes.CDLL(None).mallopt(parameter, value) == 1)
    except (OSError, AttributeError):
        return False
