"""A local day's observations in columns: only the values that are counted, not those that are only shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.core.local_time import Span
from chalicelib.core.observations import Dimensions, ObservationFilter
from chalicelib.core.records.packing import DamagedData, pack, unpack

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAGIC = b"RGOBSD01"


class Row(NamedTuple):
    """The counted values of an observation. `id` and `faceid` are ASCII without line breaks."""

    at_ms: int
    id: str
    faceid: str
    dimensions: Dimensions


@dataclass(frozen=True)
class Columns:
    """n observations by time, then id. Row r is of face `faceids[face[r]]`, with `dimensions[dimension[r]]`."""

    at_ms: NDArray[np.int64]
    """(n,)"""
    face: NDArray[np.uint32]
    """(n,)"""
    dimension: NDArray[np.uint32]
    """(n,)"""
    dimensions: tuple[Dimensions, ...]
    _faceids: bytes
    _ids: bytes

    @cached_property
    def faceids(self) -> list[str]:
        return self._faceids.decode().split("\n") if self._faceids else []

    @cached_property
    def ids(self) -> list[str]:
        return self._ids.decode().split("\n") if self._ids else []

    def __len__(self) -> int:
        return len(self.at_ms)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Columns:
        """Make columns from observations in any order."""
        import numpy as np

        ordered = sorted(rows)
        faces: dict[str, int] = {}
        dimensions: dict[Dimensions, int] = {}
        face = [faces.setdefault(row.faceid, len(faces)) for row in ordered]
        dimension = [dimensions.setdefault(row.dimensions, len(dimensions)) for row in ordered]
        return cls(
            np.array([row.at_ms for row in ordered], np.int64),
            np.array(face, np.uint32),
            np.array(dimension, np.uint32),
            tuple(dimensions),
            "\n".join(faces).encode("ascii"),
            "\n".join(row.id for row in ordered).encode("ascii"),
        )

    def select(self, wanted: ObservationFilter, span: Span) -> NDArray[np.intp]:
        """Return the numbers of the rows, ascending, that the filter takes and that lie in the span."""
        import numpy as np

        begin, end = np.searchsorted(self.at_ms, [span.first_ms, span.last_ms + 1])
        rows = np.arange(begin, end)
        if wanted.by_dimensions:
            taken = np.array([wanted.takes(dimensions) for dimensions in self.dimensions], bool)
            rows = rows[taken[self.dimension[rows]]]
        if wanted.faceid is not None:
            if wanted.faceid not in self.faceids:
                return rows[:0]
            rows = rows[self.face[rows] == self.faceids.index(wanted.faceid)]
        return rows


def encode(columns: Columns) -> bytes:
    import numpy as np

    begin = int(columns.at_ms[0]) if len(columns) else 0
    arrays: dict[str, NDArray[Any]] = {
        "after_ms": (columns.at_ms - begin).astype(np.uint32),
        "face": columns.face,
        "dimension": columns.dimension,
        "faceids": np.frombuffer(columns._faceids, np.uint8),
        "ids": np.frombuffer(columns._ids, np.uint8),
    }
    return pack(_MAGIC, {"begin_ms": begin, "dimensions": columns.dimensions}, arrays)


def decode(data: bytes) -> Columns:
    """Invert `encode`. Raises DamagedData."""
    import numpy as np

    header, arrays = unpack(_MAGIC, data)
    columns = Columns(
        header["begin_ms"] + arrays["after_ms"].astype(np.int64),
        arrays["face"],
        arrays["dimension"],
        dimensions_of(header["dimensions"]),
        arrays["faceids"].tobytes(),
        arrays["ids"].tobytes(),
    )
    if not len(columns.at_ms) == len(columns.face) == len(columns.dimension) == len(columns.ids):
        raise DamagedData("the columns differ in length")
    return columns


def dimensions_of(listed: Sequence[Sequence[str]]) -> tuple[Dimensions, ...]:
    """Read dimensions from JSON's lists."""
    return tuple((a, b, c, d, group) for a, b, c, d, group in listed)
