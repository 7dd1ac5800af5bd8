"""The faceids of a snapshot as two arrays, since a million Python strings would take far more memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_FEW = 4_095
"""Up to so many faceids are kept as strings, too. To make ten takes 0.003 ms, and a search in 1,000 faces 0.04."""
_STRING_BYTES = 90


@dataclass(frozen=True)
class FaceIds:
    """Faceids in the byte order of their UTF-8, which is also the order of Python's strings."""

    text: NDArray[np.uint8]
    """all of them, end to end"""
    offsets: NDArray[np.uint64]
    """(faces + 1,) where each begins"""

    @classmethod
    def of(cls, faceids: Iterable[str]) -> FaceIds:
        """Pack `faceids`, which are in order."""
        encoded = [faceid.encode() for faceid in faceids]
        offsets = np.zeros(len(encoded) + 1, dtype="<u8")
        np.cumsum([len(one) for one in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> str:
        text, offsets = self._views
        return str(text[offsets[number] : offsets[number + 1]], "utf-8")

    @property
    def names(self) -> list[str] | FaceIds:
        """The faceids; as strings if they are few."""
        return self._strings or self

    @cached_property
    def _strings(self) -> list[str]:
        return [self[number] for number in range(len(self))] if len(self) <= _FEW else []

    @property
    def nbytes(self) -> int:
        """Bytes of memory that they take when they are searched for."""
        return self.text.nbytes + self.offsets.nbytes + (_STRING_BYTES * len(self) if len(self) <= _FEW else 0)

    @cached_property
    def _views(self) -> tuple[memoryview, memoryview]:
        return self.text.data, self.offsets.data  # whose slices take a quarter of an array's time

    def find(self, faceid: str) -> int | None:
        """Find the number of a faceid by bisection; None if it is not there."""
        wanted, low, high = faceid.encode(), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._bytes(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self._bytes(low) == wanted else None

    def _bytes(self, number: int) -> bytes:
        return self.text[int(self.offsets[number]) : int(self.offsets[number + 1])].tobytes()
