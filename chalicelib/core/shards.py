"""Shards: parts of a gallery that is too large for one function's memory."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

MAX_SHARDS = 64
FACES_OF_SHARD = 1_000_000
"""Most faces that one function can hold and build a snapshot of (docs/search.md)."""


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 0) of `of` parts. A hash of the faceid alone decides a face's part."""

    number: int
    of: int

    def __post_init__(self) -> None:
        if not (1 <= self.of <= MAX_SHARDS and 0 <= self.number < self.of):
            raise ValueError(f"a shard is one of 1 to {MAX_SHARDS}, counted from 0, not {self.number} of {self.of}")

    def holds(self, faceid: str) -> bool:
        return self.of == 1 or zlib.crc32(faceid.encode()) * self.of >> 32 == self.number

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


WHOLE = Shard(0, 1)


def shards(of: int) -> tuple[Shard, ...]:
    return tuple(Shard(number, of) for number in range(of))
