"""The memory of a process for galleries, and the size up to which a gallery needs no search
function."""

from __future__ import annotations

NEAR_FACES = 5_000
"""Faces of a small gallery: it takes 4 MB of memory and no disk, and is loaded in some 60 ms."""

MEMORY_MB, DISK_MB = 3008, 3584
"""Memory and disk of a search function, if nobody says otherwise: the defaults of SearchMemory and
SearchDisk. A new account has no function of more than 3,008 MB."""

FACE_MEMORY_BYTES, FACE_DISK_BYTES = 436, 768
"""What a face of a gallery of 30,000 takes in memory and on disk, by face-pack-3 (lab:
bench/tenants.py). A cold search loads both."""

_WITHOUT_GALLERIES_MB = 256
"""Memory of a function that holds no gallery, and of the parts of one that is being loaded (lab:
bench/tenants.py)."""

_SNAPSHOT_PERCENT = 160
"""Memory that the making of a whole snapshot takes, in per cent of the bytes that are stored: the
gallery as it was loaded, and as it is to be stored. Of 1,200 bytes a face that is 1,900 (lab:
bench/cold_search.py)."""

_MIB = 1024 * 1024

SHARE_OF_DISK = 0.9
"""Part of what is free on the disk, when the first gallery is loaded, that templates may take."""


def share_memory(memory_mb: int) -> int:
    """Return the MiB of a function's memory that galleries may take: two thirds of what is left for
    them."""
    return max(0, (memory_mb - _WITHOUT_GALLERIES_MB) * 2 // 3)


def measure_snapshot_memory(stored_bytes: int) -> int:
    """Return the memory, in bytes, for the making of a whole snapshot of `stored_bytes`."""
    return stored_bytes * _SNAPSHOT_PERCENT // 100
