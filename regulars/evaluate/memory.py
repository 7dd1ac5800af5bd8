"""What was seen in pictures, kept in a file by the picture's sha256 and by what looked at it.

So a run that was stopped goes on where it was, and a second one has nothing to look at. The file holds biometric
templates: it is for its owner only, and whoever deletes the pictures deletes it too.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regulars.errors import DamagedFile, OperatorError

_SCHEMA = "CREATE TABLE IF NOT EXISTS seen (sha256 TEXT, by TEXT, face TEXT, embedding BLOB, PRIMARY KEY (sha256, by))"


@dataclass(frozen=True)
class Seen:
    """A picture's person. `failure`: why there is none; then the rest is empty. `stages_ms` by stage."""

    failure: str
    faces: int
    quality: float
    stages_ms: dict[str, float]
    embedding: NDArray[np.float32] | None


class Memory:
    """What was seen, in a file. Raises OperatorError where SQLite cannot use it, DamagedFile, OSError."""

    def __init__(self, path: Path, by: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._by = path, by
        _make_private(path)
        with self._told():
            self._connection = sqlite3.connect(path)
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute(_SCHEMA)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        self._connection.close()

    def find(self, sha256: str) -> Seen | None:
        with self._told():
            row = self._connection.execute(
                "SELECT face, embedding FROM seen WHERE sha256 = ? AND by = ?", (sha256, self._by)
            ).fetchone()
            if row is None:
                return None
            embedding = None if row[1] is None else np.frombuffer(row[1], dtype="<f4").astype(np.float32)
            return Seen(**json.loads(row[0]), embedding=embedding)

    def keep(self, found: Iterable[tuple[str, Seen]]) -> None:
        rows = [
            (
                sha256,
                self._by,
                json.dumps({k: v for k, v in asdict(seen).items() if k != "embedding"}),
                None if seen.embedding is None else seen.embedding.astype("<f4").tobytes(),
            )
            for sha256, seen in found
        ]
        with self._told(), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", rows)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OperatorError(
                f"{self._path} cannot be used ({error}): name a folder with --out where you may write and there is room"
            ) from error
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise DamagedFile(
                f"{self._path} is damaged ({error}): delete it, and the pictures are looked at anew"
            ) from error


def _make_private(path: Path) -> None:
    """SQLite gives its log and index the mode of the file. Never opened where it is there, only its mode is changed:
    closing a descriptor would drop the locks that this process holds on it (POSIX).
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
