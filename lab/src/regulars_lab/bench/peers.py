"""Other exact searches, each as its makers mean it to be used, on one thread, over the same
vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """`load` opens what `build` stored; `search` gives the numbers of the best rows, best first."""

    name: str

    def build(self, folder: Path, vectors: NDArray[np.float32]) -> None: ...

    def load(self, folder: Path) -> None: ...

    def search(self, probe: NDArray[np.float32], limit: int) -> list[int]: ...

    def bytes_per_face(self) -> float: ...


class Numpy:
    """One matrix times vector, and a partition."""

    name = "numpy"

    def build(self, folder: Path, vectors: NDArray[np.float32]) -> None:
        np.save(folder / f"{self.name}.npy", vectors)

    def load(self, folder: Path) -> None:
        self._vectors = np.load(folder / f"{self.name}.npy")

    def search(self, probe: NDArray[np.float32], limit: int) -> list[int]:
        scores = self._vectors @ probe
        best = np.argpartition(scores, len(scores) - limit)[-limit:]
        return list(best[np.argsort(-scores[best])])

    def bytes_per_face(self) -> float:
        return self._vectors.nbytes / len(self._vectors)


class Faiss:
    """An index of faiss by inner product: `factory` as faiss calls it."""

    def __init__(self, name: str, factory: str) -> None:
        self.name = name
        self._factory = factory

    def build(self, folder: Path, vectors: NDArray[np.float32]) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        index = faiss.index_factory(vectors.shape[1], self._factory, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors[:100_000])
        index.add(vectors)
        faiss.write_index(index, str(folder / self.name))

    def load(self, folder: Path) -> None:
        import faiss

        self._index = faiss.read_index(str(folder / self.name))
        self._bytes = (folder / self.name).stat().st_size / self._index.ntotal

    def search(self, probe: NDArray[np.float32], limit: int) -> list[int]:
        return list(self._index.search(probe[None], limit)[1][0])

    def bytes_per_face(self) -> float:
        return float(self._bytes)


class Usearch(Numpy):
    """usearch's exact search over the same matrix: it needs no index."""

    name = "usearch-exact"

    def search(self, probe: NDArray[np.float32], limit: int) -> list[int]:
        from usearch.index import MetricKind, search

        found = search(self._vectors, probe, limit, MetricKind.IP, exact=True, threads=1)
        return [int(key) for key in found.keys]


class SqliteVec:
    """A vec0 table by cosine, which orders unit vectors as the inner product does; read from its
    file."""

    name = "sqlite-vec"

    def build(self, folder: Path, vectors: NDArray[np.float32]) -> None:
        connection = self._connection(folder)
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            f"CREATE VIRTUAL TABLE faces USING vec0(v float[{vectors.shape[1]}] "
            "distance_metric=cosine)"
        )
        rows = ((number + 1, vector.tobytes()) for number, vector in enumerate(vectors))
        with connection:
            connection.executemany("INSERT INTO faces(rowid, v) VALUES (?, ?)", rows)
        connection.close()

    def load(self, folder: Path) -> None:
        self._faces = self._connection(folder)
        rows = next(self._faces.execute("SELECT count(*) FROM faces"))[0]
        self._bytes = (folder / "faces.sqlite").stat().st_size / rows

    def search(self, probe: NDArray[np.float32], limit: int) -> list[int]:
        question = "SELECT rowid FROM faces WHERE v MATCH ? AND k = ? ORDER BY distance"
        return [row[0] - 1 for row in self._faces.execute(question, (probe.tobytes(), limit))]

    def bytes_per_face(self) -> float:
        return float(self._bytes)

    @staticmethod
    def _connection(folder: Path) -> Any:
        """By apsw: not every Python's own sqlite3 loads extensions."""
        import apsw
        import sqlite_vec

        connection = apsw.Connection(str(folder / "faces.sqlite"))
        connection.enable_load_extension(True)
        connection.load_extension(sqlite_vec.loadable_path())
        return connection


def peers() -> list[Engine]:
    return [
        Numpy(),
        Faiss("faiss-flat", "Flat"),
        Faiss("faiss-fp16", "SQfp16"),
        Faiss("faiss-8bit", "SQ8"),
        Usearch(),
        SqliteVec(),
    ]
