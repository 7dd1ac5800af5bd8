"""The file of a backup or an export: a tar whose last member lists the others by size and SHA-256.

A truncated file has no last member, and a changed one fails its digests. Nothing is restored from
either.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from chalicelib.storage.box.blobs import sync_folder
from chalicelib.storage.box.durable import write_new
from chalicelib.storage.formats import FORMAT, wrong_format
from regulars.errors import DamagedFile, OperatorError

MANIFEST = "manifest.json"
_PARTIAL = ".partial"
_CHUNK = 1024 * 1024
"""Bytes that are copied at once."""
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
    """List of a backup's files. `entries`: by path below the data folder.

    `books`: by its id (`app_id`), the number of each book in it (standing.Point); {} in an export.
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
        member, reader = _make_member(name, size), _Hashing(stream)
        self._tar.addfile(member, reader)
        self._entries[name] = Entry(size, reader.digest.hexdigest())

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def count(self) -> int:
        return len(self._entries)

    def finish(
        self,
        created_at: datetime,
        format_: int | str = FORMAT,
        books: Mapping[str, int] | None = None,
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
def write_archive(path: Path) -> Iterator[Writer]:
    """Write a new file, readable by its owner only.

    It appears at `path` when the block ends without an error.

    Raises FileExistsError if `path` exists.
    """
    _remove_partial(path.parent)
    with (
        write_new(path) as file,
        tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
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


def check_file(path: Path, judge: Callable[[str, object], str | None] = wrong_format) -> Manifest:
    """Compare every byte of the file with its manifest, and return the manifest.

    `judge`: returns what is wrong with a format; None: nothing. Raises DamagedFile if they differ,
    OperatorError if the format is wrong, and OSError.
    """
    entries: dict[str, Entry] = {}
    manifest: Any = None
    try:
        with open_archive(path, "r|") as tar:
            for member, content in _read_members(tar):
                if member.name == MANIFEST:
                    manifest = json.loads(content.read())
                    continue
                digest = hashlib.sha256()
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
                entries[member.name] = Entry(member.size, digest.hexdigest())
    except (tarfile.TarError, ValueError, EOFError, RecursionError) as error:
        raise DamagedFile(f"{path} is no backup, or is damaged: {error}") from error
    return _check_manifest(path, manifest, entries, judge)


def read_manifest(path: Path) -> Manifest | None:
    """Read a backup's list of files, which is not compared with them; None: it is no backup."""
    try:
        with open_archive(path, "r:") as tar:
            content = tar.extractfile(MANIFEST)
            manifest = b"" if content is None else content.read()
        return msgspec.json.decode(manifest, type=Manifest)
    except (tarfile.TarError, KeyError, EOFError, DamagedFile, msgspec.DecodeError, OSError):
        return None


def unpack_file(path: Path, into: Path, is_wanted: Callable[[str], bool] = lambda _: True) -> None:
    """Write the entries whose names are wanted below the folder `into`, but not the manifest.

    They are on the disk when this returns.

    Call `check_file` first: this does not compare them with the manifest.
    """
    with open_archive(path, "r|") as tar:
        for member, content in _read_members(tar):
            if member.name == MANIFEST or not is_wanted(member.name):
                continue
            target = into
            for part in PurePosixPath(member.name).parts:
                target.mkdir(mode=0o700, exist_ok=True)
                target /= part
            with os.fdopen(
                os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                shutil.copyfileobj(content, file, _CHUNK)
                file.flush()
                os.fsync(file.fileno())
    for subfolder, _, _ in os.walk(into):
        sync_folder(Path(subfolder))


def _remove_partial(folder: Path) -> None:
    """Remove the files that killed processes left: no process holds their lock."""
    for partial_path in folder.glob(f".*{_PARTIAL}"):
        with suppress(OSError), partial_path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial_path.unlink()


class _Hashing:
    """Reader of a file that keeps the SHA-256 of the bytes read so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _read_members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
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
