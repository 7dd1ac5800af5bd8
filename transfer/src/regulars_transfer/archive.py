"""The file of an export as a tar, whose last member lists the others by size and SHA-256.

A truncated file has no last member, and a changed one fails its digests. Nothing is imported from
either.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from regulars_transfer.errors import DamagedFile, TransferError

FORMAT = "export-1"
MANIFEST = "manifest.json"
_HEADERS = frozenset({b"x", b"g", b"X", b"L", b"K"})
"""Kinds of headers before a member: of pax, for one or all, of Solaris, and of GNU."""
_HEADER_BYTES = 4_096
"""Largest header of a long name. Older versions of Python read one in the square of its size
(CVE-2024-6232)."""


class Writer:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._entries: dict[str, tuple[int, str]] = {}

    def add(self, name: str, stream: IO[bytes]) -> None:
        """Add a stream under `name`, from its begin to its end."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = stream.seek(0, os.SEEK_END), 0o600
        stream.seek(0)
        self._entries[name] = member.size, hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        stream.seek(0)
        self._tar.addfile(member, stream)

    def finish(self, created_at: datetime, format_: str = FORMAT) -> None:
        """Add the list of the members."""
        manifest = {
            "format": format_,
            "created_at": created_at.isoformat(timespec="milliseconds"),
            "entries": self._entries,
        }
        self.add(MANIFEST, io.BytesIO(json.dumps(manifest).encode()))


@contextmanager
def write_archive(path: Path) -> Iterator[Writer]:
    """Write a new file, readable by its owner only.

    It appears at `path` when the block ends without an error. Raises FileExistsError if `path`
    exists.
    """
    if path.exists():
        raise FileExistsError(
            f"{path} is there already, and nothing is written over it: name a new file"
        )
    # always the same: what a killed export left is written over
    partial = path.with_name(f".{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TransferError(f"another export writes {path}: name another file") from error
        file.truncate()
        try:
            with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                yield Writer(tar)
            file.flush()
            os.fsync(file.fileno())
            os.link(partial, path)  # fails if another process has made `path` meanwhile
        finally:
            partial.unlink()


class _Head(tarfile.TarInfo):
    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Head:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _HEADERS and header.size > _HEADER_BYTES:
            raise DamagedFile(f"this is no export: it holds a header of {header.size:,} bytes")
        return header


def is_tar(path: Path) -> bool:
    """Tell whether a file says that it is a tar, without reading what its first head says."""
    with path.open("rb") as file:
        return file.read(262)[257:] == b"ustar"


def open_archive(path: Path) -> tarfile.TarFile:
    """Open a file to read it at random. Raises DamagedFile, which its iterator raises, too."""
    try:
        return tarfile.open(path, "r:", tarinfo=_Head)
    except (tarfile.TarError, EOFError, RecursionError) as error:
        raise DamagedFile(f"{path} is no export, or is damaged: {error}") from error


def check_file(path: Path) -> None:
    """Compare every byte of the file with its manifest.

    Raises DamagedFile if they differ, TransferError if it is another kind of file, and OSError.
    """
    entries: dict[str, list[Any]] = {}
    manifest: Any = None
    try:
        with open_archive(path) as tar:
            for member in tar:
                # a file with holes is none of ours: two kilobytes of it may unpack to any size
                is_plain = member.isreg() and not member.issparse()
                content = tar.extractfile(member) if is_plain else None
                if content is None:
                    raise DamagedFile(f"this is no export: it holds {member.name[:200]!r}")
                if member.name == MANIFEST:
                    manifest = json.loads(content.read())
                else:
                    digest = hashlib.file_digest(content, "sha256")  # type: ignore[arg-type]
                    entries[member.name] = [member.size, digest.hexdigest()]
    except (tarfile.TarError, ValueError, EOFError, RecursionError) as error:
        raise DamagedFile(f"{path} is no export, or is damaged: {error}") from error
    if not isinstance(manifest, dict):
        raise DamagedFile(f"{path} was cut off: its end is missing")
    format_, wanted = manifest.get("format"), manifest.get("entries")
    if isinstance(format_, int):
        raise TransferError(
            f"{path} is a backup, not an export: `regulars restore` makes a data folder from it"
        )
    if format_ != FORMAT:
        raise TransferError(
            f"{path} is an export of the format {format_!r}, and this version reads {FORMAT}"
        )
    listed = wanted if isinstance(wanted, dict) else {}
    differing = [name for name in listed | entries if listed.get(name) != entries.get(name)]
    if differing:
        raise DamagedFile(
            f"{path} is damaged: {min(differing)} is not what was written ({len(differing)} of "
            f"{len(listed)})"
        )
