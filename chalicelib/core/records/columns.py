"""A local day's observations in columns: only the values that are counted, not those that are only shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.core.local_time import HOURS, Span
from chalicelib.core.observations import Dimensions, ObservationFilter, Split
from chalicelib.core.pictures import Gender
from chalicelib.core.records.packing import DamagedData, pack, unpack

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAGIC = b"RGOBSD02"
_GENDERS = tuple(Gender)
_DECADES = 20
"""The last decade is that of all ages from 190 on; its number plus one stands for an age that is not known."""
UNKNOWN = "unknown"
"""The value of a split by age if the age is not known; Gender has a word for it, too."""


class Row(NamedTuple):
    """The counted values of an observation. `id` and `faceid` are ASCII without line breaks."""

    at_ms: int
    id: str
    faceid: str
    dimensions: Dimensions
    gender: Gender = Gender.UNKNOWN
    decade: int | None = None
    """Tens of years of age; None: not known."""
    gap_s: int = 0
    """Gap by which a sighting is counted among the arrivals; 0: it is not."""


def decade_of(age: float) -> int:
    """Return the decade of an age in years, rounded as it is shown."""
    return min(max(round(age) // 10, 0), _DECADES - 1)


@dataclass(frozen=True)
class Columns:
    """n observations by time, then id. Row r is of face `faceids[face[r]]`, with `dimensions[dimension[r]]`."""

    at_ms: NDArray[np.int64]
    """(n,)"""
    face: NDArray[np.uint32]
    """(n,)"""
    dimension: NDArray[np.uint32]
    """(n,)"""
    gender: NDArray[np.uint8]
    """(n,), places in Gender"""
    decade: NDArray[np.uint8]
    """(n,)"""
    gap_s: NDArray[np.uint32]
    """(n,), 0 if not counted among arrivals"""
    dimensions: tuple[Dimensions, ...]
    faceids_text: bytes
    ids_text: bytes

    @cached_property
    def faceids(self) -> list[str]:
        return self.faceids_text.decode().split("\n") if self.faceids_text else []

    @cached_property
    def ids(self) -> list[str]:
        return self.ids_text.decode().split("\n") if self.ids_text else []

    def __len__(self) -> int:
        return len(self.at_ms)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Columns:
        """Make columns from observations in any order."""
        import numpy as np

        ordered = sorted(rows, key=lambda row: row[:2])
        faces: dict[str, int] = {}
        dimensions: dict[Dimensions, int] = {}
        face = [faces.setdefault(row.faceid, len(faces)) for row in ordered]
        dimension = [dimensions.setdefault(row.dimensions, len(dimensions)) for row in ordered]
        return cls(
            np.array([row.at_ms for row in ordered], np.int64),
            np.array(face, np.uint32),
            np.array(dimension, np.uint32),
            np.array([_GENDERS.index(row.gender) for row in ordered], np.uint8),
            np.array([_DECADES if row.decade is None else row.decade for row in ordered], np.uint8),
            np.array([row.gap_s for row in ordered], np.uint32),
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

    def values(self, split: Split | None) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Return the value of each row by a split: (n,) places in the names that come with it; None: all are ""."""
        import numpy as np

        match split:
            case Split.GENDER:
                return self.gender.astype(np.intp), tuple(gender.value for gender in _GENDERS)
            case Split.AGE:
                return self.decade.astype(np.intp), (*(str(10 * n) for n in range(_DECADES)), UNKNOWN)
        places, names = values_of(self.dimensions, split)
        return places[self.dimension], names

    def counts_by_hour(self, rows: NDArray[np.intp], hours: NDArray[np.int64], split: Split | None) -> CountsByHour:
        """Count these rows by hour of the day (`hours`, as many as `rows`) and by the values of a split."""
        places, names = self.values(split)
        return counts_by_hour(places[rows], names, hours)


CountsByHour = Mapping[str, "NDArray[np.int64]"]
"""Numbers of a day by value of a split, (24,) each; values without any are left out."""


def values_of(dimensions: Sequence[Dimensions], split: Split | None) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return the value of each of the dimensions: places in the names that come with it; None: all are ""."""
    import numpy as np

    names: dict[str, int] = {}
    values = (one.value(split) if split else "" for one in dimensions)
    places = [names.setdefault(value, len(names)) for value in values]
    return np.array(places, np.intp), tuple(names)


def counts_by_hour(
    places: NDArray[np.intp],
    names: Sequence[str],
    hours: NDArray[np.int64],
    counts: NDArray[np.uint32] | None = None,
) -> CountsByHour:
    """Add up by value and hour of the day. `places`, `hours`, `counts` (None: 1 each) are of the same length."""
    import numpy as np

    summed = np.bincount(places * HOURS + hours, counts, len(names) * HOURS).astype(np.int64).reshape(-1, HOURS)
    return {name: by_hour for name, by_hour in zip(names, summed, strict=True) if by_hour.any()}


def encode(columns: Columns) -> bytes:
    import numpy as np

    begin = int(columns.at_ms[0]) if len(columns) else 0
    arrays: dict[str, NDArray[Any]] = {
        "after_ms": (columns.at_ms - begin).astype(np.uint32),
        "face": columns.face,
        "dimension": columns.dimension,
        "gender": columns.gender,
        "decade": columns.decade,
        "gap_s": columns.gap_s,
        "faceids": np.frombuffer(columns.faceids_text, np.uint8),
        "ids": np.frombuffer(columns.ids_text, np.uint8),
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
        arrays["gender"],
        arrays["decade"],
        arrays["gap_s"],
        dimensions_of(header["dimensions"]),
        arrays["faceids"].tobytes(),
        arrays["ids"].tobytes(),
    )
    per_row = (columns.face, columns.dimension, columns.gender, columns.decade, columns.gap_s, columns.ids)
    if any(len(column) != len(columns.at_ms) for column in per_row):
        raise DamagedData("the columns differ in length")
    return columns


def dimensions_of(listed: Sequence[Sequence[str]]) -> tuple[Dimensions, ...]:
    """Read dimensions from JSON's lists."""
    return tuple(Dimensions(*values) for values in listed)
