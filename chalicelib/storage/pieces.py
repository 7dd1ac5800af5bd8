"""A file of pieces of memory, for objects that are too large to be joined."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class Pieces(io.RawIOBase):
    """A readable file of these pieces, end to end, which copies no more than what is read of it.

    `size`: its bytes; `pieces`: those that are not empty.
    """

    def __init__(self, pieces: Iterable[ReadableBuffer]) -> None:
        views = [memoryview(piece) for piece in pieces]
        self.pieces = [view.cast("B") for view in views if view.nbytes]
        self._ends = list(accumulate(map(len, self.pieces)))
        self.size = self._ends[-1] if self._ends else 0
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        origins = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}
        self._position = max(0, origins[whence] + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill the buffer, or read to the end of the file.

        A shorter read would be a chunk of its own on its way to S3, which takes none of less than
        8 KiB but the last.
        """
        target, filled = memoryview(buffer).cast("B"), 0
        while filled < len(target) and self._position < self.size:
            number = bisect_right(self._ends, self._position)
            rest = self.pieces[number][self._position - self._ends[number] :]
            part = rest[: len(target) - filled]
            target[filled : filled + len(part)] = part
            filled += len(part)
            self._position += len(part)
        return filled
