"""How many pools of memory the C library keeps for threads."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
"""Of mallopt(3), glibc."""


def limit(most: int) -> bool:
    """From now on no more than so many; False where the C library is not glibc, which knows no such limit.

    Of its own accord glibc has eight a core, and each keeps tens of megabytes of what the largest picture that its
    threads looked at took: after sixteen such pictures half a gigabyte. Fewer cost no time, since Python's threads
    compute in turn and as many as there are cores look at pictures.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, most) == 1)
    except (OSError, AttributeError):
        return False
