"""The sample of a large gallery in which cohorts are found: some thousand faces, however the gallery is stored.

A face is in the sample of level n if the first n bits of a hash of its faceid are zero, so half of each level's faces
are in the next level. The hash multiplies the last eight bytes (Knuth, The Art of Computer Programming 6.4). It takes
milliseconds for a million faceids. It need not be secure, since nobody gains by being in the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.index.snapshots.face_ids import FaceIds

_BYTES = 8
_ODD = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio."""
_BITS = 64
_WRAPPED = (1 << _BITS) - 1


def mix(faceid: str) -> int:
    """Hash a faceid to 64 bits."""
    value = int.from_bytes(faceid.encode()[-_BYTES:], "big")
    return value * _ODD & _WRAPPED


def mixes(ids: FaceIds) -> NDArray[np.uint64]:
    """Hash each faceid, as `mix` does; (faces,)."""
    begins, ends = ids.offsets[:-1].astype(np.int64), ids.offsets[1:].astype(np.int64)
    value = np.zeros(len(ids), dtype=np.uint64)
    for behind in range(_BYTES, 0, -1):
        at = ends - behind
        byte = np.where(at >= begins, ids.text[np.maximum(at, 0)] if len(ids.text) else 0, 0)
        value = (value << np.uint64(8)) | byte.astype(np.uint64)
    return np.asarray(value * np.uint64(_ODD))  # wraps round, as `mix` does


def in_sample(hashes: NDArray[np.uint64], level: int) -> NDArray[np.bool_]:
    """Tell for each of these hashes whether its face is in the sample; at level 0 all are."""
    if level == 0:
        return np.ones(len(hashes), dtype=bool)
    return np.asarray(hashes >> np.uint64(_BITS - level) == 0)


@dataclass(frozen=True)
class Sample:
    """Rows of a gallery with the numbers of their faces. `templates`: (rows, dimensions), float32 for computation."""

    faces: NDArray[np.int64]
    templates: NDArray[np.float32]
    largest_norm: float

    @classmethod
    def of(cls, faces: NDArray[np.int64], templates: NDArray[np.float16]) -> Sample:
        rows = templates.astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        return cls(faces, rows, float(norms.max(initial=0.0)))
