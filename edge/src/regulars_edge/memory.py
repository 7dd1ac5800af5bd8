"""How the C library keeps memory."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
LARGE_BYTES, ARENAS = 2**17, 2


def give_back_what_is_freed() -> None:
    """Let large blocks go back to the system when they are freed.

    glibc keeps them, for each thread apart, once a program has freed some: pictures in 4K take 25 MB each. Other C
    libraries have no such setting, and no such habit.
    """
    with suppress(AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        library.mallopt(_M_ARENA_MAX, ARENAS)
