"""The file of a backup or an export: a tar whose last member lists the others by size and SHA-256.

A truncated file has no last member, and a changed one fails its digests. Nothing is read from
either.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from regulars_client.errors import DamagedFile, OperatorError

MANIFEST = "manifest.json"
_DEEPEST = 16
"""Most parts of a name: none of ours is as deep."""
_HEADERS = frozenset({b"x", b"g", b"X", b"L", b"K"})
"""Kinds of headers before a member: of pax, for one or all, of Solaris, and of GNU."""
_HEADER_BYTES = 4_096
"""Largest header of a long name. Older versions of Python read one in the square of its size
(CVE-2024-6232)."""


class Entry(NamedTuple):
    size: int
    sha256: str


class Manifest(Struct, frozen=True):
    """List of an archive's files. `entries`: by path below the data folder.

    `books`: by its id (`app_id`), the number of each book in a backup; {} in an export.
    """

    created_at: datetime
    entries: Mapping[str, Entry]
    books: Mapping[str, int]


class Writer:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, path: Path) -> None:
        """Add the file's present content under `name`, without its time and mode."""
        with path.open("rb") as file:
            self.add_stream(name, file, os.fstat(file.fileno()).st_size)

    def add_stream(self, name: str, stream: IO[bytes], size: int) -> None:
        """Add so many bytes of a stream under `name`."""
        reader = _Hashing(stream)
        self._tar.addfile(_make_member(name, size), reader)
        self._entries[name] = Entry(size, reader.digest.hexdigest())

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def count(self) -> int:
        return len(self._entries)

    def finish(
        self, created_at: datetime, format_: int | str, books: Mapping[str, int] | None = None
    ) -> None:
        """Add the list of the files. `books`: as the manifest has them."""
        manifest = {
            "format": format_,
            "created_at": created_at.isoformat(timespec="milliseconds"),
            "books": books or {},
            "entries": self._entries,
        }
        data = json.dumps(manifest).encode()
        self._tar.addfile(_make_member(MANIFEST, len(data)), io.BytesIO(data))


@contextmanager
def write_members(file: IO[bytes]) -> Iterator[Writer]:
    """Write an archive into an open file."""
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        yield Writer(tar)


class _Head(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Head:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _HEADERS and header.size > _HEADER_BYTES:
            raise DamagedFile(
                f"this is no backup of ours: it holds a header of {header.size:,} bytes"
            )
        return header


def is_tar(path: Path) -> bool:
    """Tell whether a file says that it is a tar, without reading what its first head says."""
    with path.open("rb") as file:
        return file.read(262)[257:] == b"ustar"


def open_archive(path: Path, mode: Literal["r:", "r|"]) -> tarfile.TarFile:
    """Open a file to read it at random or as a stream.

    Raises DamagedFile, which its iterator raises, too.
    """
    try:
        return tarfile.open(path, mode, tarinfo=_Head)
    except (tarfile.TarError, EOFError, RecursionError) as error:
        raise DamagedFile(f"{path} is no backup, or is damaged: {error}") from error


def check_file(path: Path, judge: Callable[[str, object], str | None]) -> Manifest:
    """Compare every byte of the file with its manifest, and return the manifest.

    `judge`: returns what is wrong with a format; None: nothing. Raises DamagedFile if they differ,
    OperatorError if the format is wrong, and OSError.
    """
    entries: dict[str, Entry] = {}
    manifest: Any = None
    try:
        with open_archive(path, "r|") as tar:
            for member, content in read_members(tar):
                if member.name == MANIFEST:
                    manifest = json.loads(content.read())
                else:
                    reader = _Hashing(content)
                    while reader.read(2**20):
                        pass
                    entries[member.name] = Entry(member.size, reader.digest.hexdigest())
    except (tarfile.TarError, ValueError, EOFError, RecursionError) as error:
        raise DamagedFile(f"{path} is no backup, or is damaged: {error}") from error
    return _check_manifest(path, manifest, entries, judge)


class _Hashing:
    """Reader of a file that keeps the SHA-256 of the bytes read so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def read_members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """Yield each member and its content.

    Raises DamagedFile if one is no plain file of a name such as ours.

    A file with holes is none of ours either: two kilobytes of it may unpack to any size.
    """
    for member in tar:
        parts = PurePosixPath(member.name)
        is_ours = member.name.isprintable() and 0 < len(parts.parts) <= _DEEPEST
        content = tar.extractfile(member) if member.isreg() and not member.issparse() else None
        if content is None or not is_ours or parts.is_absolute() or ".." in parts.parts:
            raise DamagedFile(f"this is no backup of ours: it holds {member.name[:200]!r}")
        yield member, content


def _check_manifest(
    path: Path,
    manifest: Any,
    entries: Mapping[str, Entry],
    judge: Callable[[str, object], str | None],
) -> Manifest:
    """Return the manifest if it lists exactly the entries that the file has, with their sizes and
    digests.

    Raises as `check_file`.
    """
    if not isinstance(manifest, dict):
        raise DamagedFile(f"{path} was cut off: its end is missing")
    if complaint := judge(str(path), manifest.get("format")):
        raise OperatorError(complaint)
    try:
        parsed = msgspec.convert(manifest, Manifest)
    except msgspec.ValidationError as error:
        raise OperatorError(
            f"another version wrote {path}, and this one cannot read its list of files: {error}"
        ) from error
    if differing := sorted(
        name
        for name in {**parsed.entries, **entries}
        if parsed.entries.get(name) != entries.get(name)
    ):
        raise DamagedFile(
            f"{path} is damaged: {differing[0]} is not what was written ({len(differing)} of "
            f"{len(parsed.entries)})"
        )
    return parsed


def _make_member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member
