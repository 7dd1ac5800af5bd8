"""Which bytes of a page of SQLite's file are nobody's, and are they empty?

SQLite overwrites what is deleted (`secure_delete`), where it stands then. But if a page is divided
or joined with another one, rows move, and copies of them stay in bytes that are no row's any more.

The layout of a page is that of https://www.sqlite.org/fileformat2.html, sections 1.5 and 1.6.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from struct import unpack, unpack_from

_INTERIOR_INDEX, _INTERIOR_TABLE, _LEAF_INDEX, _LEAF_TABLE = 2, 5, 10, 13
_INTERIOR, _TABLE = (_INTERIOR_INDEX, _INTERIOR_TABLE), (_INTERIOR_TABLE, _LEAF_TABLE)
_KINDS = frozenset({_INTERIOR_INDEX, _INTERIOR_TABLE, _LEAF_INDEX, _LEAF_TABLE})
"""First bytes of the pages that hold rows. Others hold the rest of a long row, or nothing: these
begin with a page's number, and 0 unless a file has 64 GB. SQLite empties them when they become
free."""

_LEAST_CELL = 4
"""Bytes that the shortest row takes."""

Extent = tuple[int, int]
"""Where bytes begin, and where the next ones do."""


class UnknownPage(Exception):
    """A page of which it is not certain which bytes are somebody's."""


def empty_page(page: bytes, usable: int) -> bytes:
    """Return the page with 0 in each byte that is nobody's.

    `usable`: how many of its bytes SQLite uses. SQLite reads the result as it reads the page.
    Raises UnknownPage.
    """
    kind = page[0]
    if kind not in _KINDS:
        return page
    first_free, count, begin = unpack_from(">HHH", page, 1)
    begin_of_cells = begin or 65_536
    header = 12 if kind in _INTERIOR else 8
    end_of_pointers = header + 2 * count
    if not end_of_pointers <= begin_of_cells <= usable:
        raise UnknownPage("there is no room for the rows")
    gap = page[end_of_pointers:begin_of_cells]
    if not first_free and not page[7] and gap.count(0) == len(gap):
        return page
    try:
        cells = unpack_from(f">{count}H", page, header)
        rows = [
            (cell, cell + max(_LEAST_CELL, _measure_cell(page, kind, cell, usable)))
            for cell in cells
        ]
        free = _list_free(page, first_free)
    except (IndexError, ValueError, struct.error) as error:
        raise UnknownPage(str(error)) from error
    _require_whole([*rows, *free], (begin_of_cells, usable), scattered=page[7])
    emptied = bytearray(len(page))
    links = ((at, at + _LEAST_CELL) for at, _ in free)
    for start, end in ((0, end_of_pointers), *rows, *links, (usable, len(page))):
        emptied[start:end] = page[start:end]
    return bytes(emptied)


def _list_free(page: bytes, first: int) -> list[Extent]:
    """Follow the list of free blocks, each of which begins with the next one's place and its own
    size."""
    free: list[Extent] = []
    at = first
    while at:
        following, size = unpack_from(">HH", page, at)
        if size < _LEAST_CELL or (following and following < at + size):
            raise ValueError("free blocks do not follow each other")
        free.append((at, at + size))
        at = following
    return free


def _require_whole(extents: list[Extent], within: Extent, *, scattered: int) -> None:
    """Raise UnknownPage unless rows and free blocks fill the bytes, apart from each other and from
    so many `scattered` ones, which are too few for a block."""
    at, left = within[0], 0
    for start, end in sorted(extents):
        if start < at or end > within[1]:
            raise UnknownPage("rows overlap")
        left += start - at
        at = end
    if left + within[1] - at != scattered:
        raise UnknownPage("bytes are left that are no free block")


def _measure_cell(page: bytes, kind: int, start: int, usable: int) -> int:
    """Count the bytes of a row that stand in the page itself."""
    at = start + 4 if kind in _INTERIOR else start
    size, at = _read_number(page, at)
    if kind == _INTERIOR_TABLE:
        return at - start
    if kind == _LEAF_TABLE:
        _, at = _read_number(page, at)
    most = usable - 35 if kind in _TABLE else (usable - 12) * 64 // 255 - 23
    if size <= most:
        return at + size - start
    least = (usable - 12) * 32 // 255 - 23
    own = least + (size - least) % (usable - 4)
    return at + (own if own <= most else least) + 4 - start


def _read_number(page: bytes, at: int) -> tuple[int, int]:
    """Read a number of one to nine bytes, and return it with the place behind it."""
    number = 0
    for length in range(1, 9):
        byte = page[at + length - 1]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at + length
    return number << 8 | page[at + 8], at + 9


_descriptors: dict[tuple[int, int], int] = {}


def _open_for_ever(path: Path) -> int:
    """Return a descriptor of the file, the same one each time.

    It is never closed: by that a process loses all locks that it holds on the file (POSIX), also
    those of SQLite.
    """
    status = path.stat()
    inode = status.st_dev, status.st_ino
    if inode not in _descriptors:
        _descriptors[inode] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return _descriptors[inode]


class Pages:
    """The pages of a file that SQLite has open, by numbers from 0, without the log beside it."""

    def __init__(self, path: Path) -> None:
        self._file = _open_for_ever(path)
        header = os.pread(self._file, 100, 0)
        (size,) = unpack_from(">H", header, 16)
        self._size = 65_536 if size == 1 else size
        self._usable = self._size - header[20]

    def list_untidy(self) -> Iterator[int]:
        """Yield the pages that have something in bytes that are nobody's.

        The first page is left out: it has only the names of tables. Others may write meanwhile, so
        that a page may be read half written. What is written since holds nothing that was deleted
        before.
        """
        free = self._list_free()
        for number in range(1, self._count()):
            try:
                page, emptied = self._read(number, free)
            except UnknownPage:
                yield number
            else:
                if emptied != page:
                    yield number

    def empty(self, numbers: Iterable[int]) -> None:
        """Empty what is nobody's in these pages. Nobody may write meanwhile. Raises UnknownPage."""
        free = self._list_free()
        for number in numbers:
            page, emptied = self._read(number, free)
            if emptied != page:
                os.pwrite(self._file, emptied, number * self._size)

    def sync(self) -> None:
        """Wait until all is on the disk."""
        os.fsync(self._file)

    def _count(self) -> int:
        return os.fstat(self._file).st_size // self._size

    def _list_free(self) -> dict[int, int]:
        """Return the pages that are free, each with how many of its first bytes SQLite reads.

        It reads those of a list of further ones, which begins with the next list's number, from 1,
        and its own length.
        """
        free: dict[int, int] = {}
        (following,) = unpack(">I", os.pread(self._file, 4, 32))
        while 0 < following <= self._count() and following - 1 not in free:
            number = following - 1
            page = os.pread(self._file, self._size, number * self._size)
            following, length = unpack_from(">II", page)
            listed = unpack_from(f">{min(length, self._size // 4 - 2)}I", page, 8)
            free |= {one - 1: 0 for one in listed} | {number: 8 + 4 * len(listed)}
        return free

    def _read(self, number: int, free: Mapping[int, int]) -> tuple[bytes, bytes]:
        """Read a page, and return with it what it is without the bytes that are nobody's.

        `free`: as `_list_free` returns. Raises UnknownPage.
        """
        page = os.pread(self._file, self._size, number * self._size)
        if number in free:
            return page, page[: free[number]].ljust(self._size, b"\0")
        return page, empty_page(page, self._usable)
