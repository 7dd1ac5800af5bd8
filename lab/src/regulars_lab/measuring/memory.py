"""Results of looking at pictures, saved by the picture's sha256 and the digest of models and
program.

So an interrupted run continues where it stopped, and a second run has nothing to look at. The file
holds biometric templates: only its owner may read it. If you delete the pictures, delete it too.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict
from numpy.typing import NDArray

from regulars.errors import DamagedFile, OperatorError

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS seen (sha256 TEXT, by TEXT, face TEXT, embedding BLOB, "
    "PRIMARY KEY (sha256, by))"
)


class PictureResult(Struct, frozen=True):
    """The person found in a picture.

    `failure`: why there is none, else empty. `faces`: number of detected faces.

    `stages_ms`: time by stage. `embedding`: a unit vector, None after a failure.
    """

    failure: str
    faces: int
    quality: float
    stages_ms: dict[str, float]
    embedding: NDArray[np.float32] | None


class Memory:
    """File of results.

    Its methods raise OperatorError if SQLite cannot use the file, DamagedFile, and OSError.
    """

    def __init__(self, path: Path, pack_digest: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._pack_digest = path, pack_digest
        _make_private(path)
        with self._translate_errors():
            self._connection = sqlite3.connect(path)
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute(_SCHEMA)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        self._connection.close()

    def find(self, sha256: str) -> PictureResult | None:
        with self._translate_errors():
            row = self._connection.execute(
                "SELECT face, embedding FROM seen WHERE sha256 = ? AND by = ?",
                (sha256, self._pack_digest),
            ).fetchone()
            if row is None:
                return None
            embedding = (
                None if row[1] is None else np.frombuffer(row[1], dtype="<f4").astype(np.float32)
            )
            return PictureResult(**json.loads(row[0]), embedding=embedding)

    def keep(self, results: Iterable[tuple[str, PictureResult]]) -> None:
        """Store results by the SHA-256 of their pictures, in place of earlier ones."""
        rows = [
            (
                sha256,
                self._pack_digest,
                json.dumps({k: v for k, v in asdict(result).items() if k != "embedding"}),
                None if result.embedding is None else result.embedding.astype("<f4").tobytes(),
            )
            for sha256, result in results
        ]
        with self._translate_errors(), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", rows)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OperatorError(
                f"{self._path} cannot be used ({error}): name a folder with --out where you may "
                "write and there is room"
            ) from error
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise DamagedFile(
                f"{self._path} is damaged ({error}): delete it, and the pictures are looked at anew"
            ) from error


def _make_private(path: Path) -> None:
    """Make the file, or take away the rights of others.

    SQLite gives its log and index the mode of the file.

    An existing file is not opened: closing a descriptor would drop this process's locks on it
    (POSIX).
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
