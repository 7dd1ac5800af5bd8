"""A limit on the memory pools that the C library keeps for threads."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
"""Parameter of mallopt(3), glibc."""


def limit(most: int) -> bool:
    """Allow at most `most` pools. Return False if the C library is not glibc, which alone has such a limit.

    By default glibc makes up to eight pools a core. Each keeps tens of megabytes after a large picture: half a gigabyte
    after sixteen of them. Fewer pools cost no time, since Python's threads compute in turn, and only one thread a core
    looks at pictures.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, most) == 1)
    except (OSError, AttributeError):
        return False
