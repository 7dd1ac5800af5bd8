"""People to import, whatever says who they are: a folder, a table, an archive."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Photo:
    """One picture. `name`: what reports call it."""

    name: str
    read: Callable[[], bytes]

    @classmethod
    def of(cls, file: Path, folder: Path) -> Photo:
        """Make the photo of a file, named by its place below the folder."""
        name = file.relative_to(folder) if file.is_relative_to(folder) else file
        return cls(shown(str(name)), file.read_bytes)


@dataclass(frozen=True)
class Person:
    """One face to be.

    `key`: what the journal calls it, unique within a source. `id` None: any. `group` None: the one that the import
    names. `more`: further members of the request, such as age. `is_vouched_for`: the photos were one face already, so
    their order stays and their likeness is not judged.
    """

    key: str
    name: str
    photos: tuple[Photo, ...]
    id: str | None = None
    group: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    is_vouched_for: bool = False


@dataclass(frozen=True)
class Source:
    """All people of a source, and the groups that it describes. `about`: what it was taken for."""

    about: str
    people: Sequence[Person]
    groups: Sequence[Mapping[str, Any]] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)


def shown(name: str) -> str:
    """Return a file's name as a text that can be written; bytes that are no UTF-8 become `\\xfc`."""
    return os.fsencode(name).decode(errors="backslashreplace")


def photo_id(data: bytes) -> str:
    """Return the id that the service gives this photo: the same bytes have the same id."""
    return hashlib.sha256(data).hexdigest()[:32]
