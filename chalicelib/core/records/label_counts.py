"""Numbers of a local day's observations by hour and dimensions (labels, group, camera, kind), for its summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.core.local_time import HOURS
from chalicelib.core.observations import Dimensions, ObservationFilter, Split
from chalicelib.core.records.columns import Columns, CountsByHour, counts_by_hour, dimensions_of, values_of
from chalicelib.core.records.packing import pack, unpack

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAGIC = b"RGLABL02"


@dataclass(frozen=True)
class LabelCounts:
    """Counts in e entries: entry i is `count[i]` observations in hour `hour[i]`, with `dimensions[dimension[i]]`."""

    dimensions: tuple[Dimensions, ...]
    dimension: NDArray[np.uint32]
    """(e,), ascending"""
    hour: NDArray[np.uint8]
    """(e,), 0 to 23"""
    count: NDArray[np.uint32]
    """(e,)"""

    @classmethod
    def of(cls, columns: Columns, hour: NDArray[np.int64]) -> LabelCounts:
        """Count a day's columns. `hour`: (n,) hour of the day, 0 to 23, of each row."""
        import numpy as np

        entry, count = np.unique(columns.dimension.astype(np.int64) * HOURS + hour, return_counts=True)
        return cls(
            columns.dimensions,
            (entry // HOURS).astype(np.uint32),
            (entry % HOURS).astype(np.uint8),
            count.astype(np.uint32),
        )

    def by_hour(self, wanted: ObservationFilter, split: Split | None = None) -> CountsByHour:
        """Count the observations that the filter takes by hour and by the values of a split by a dimension.

        The filter's faceid is ignored: counts have none.
        """
        import numpy as np

        taken = np.array([wanted.takes(dimensions) for dimensions in self.dimensions], bool)
        chosen = taken[self.dimension] if len(taken) else np.zeros(0, bool)
        places, names = values_of(self.dimensions, split)
        return counts_by_hour(places[self.dimension[chosen]], names, self.hour[chosen], self.count[chosen])


def encode(counts: LabelCounts, most_bytes: int) -> list[bytes]:
    """Encode as chunks of at most `most_bytes`, one at least. Each decodes to a LabelCounts, and they sum to the whole.

    A chunk is larger only if it has a single dimension.
    """
    data = pack(
        _MAGIC,
        {"dimensions": counts.dimensions},
        {"dimension": counts.dimension, "hour": counts.hour, "count": counts.count},
    )
    half = len(counts.dimensions) // 2
    if len(data) <= most_bytes or not half:
        return [data]
    return [*encode(_part(counts, 0, half), most_bytes), *encode(_part(counts, half, None), most_bytes)]


def decode(data: bytes) -> LabelCounts:
    """Decode one chunk of `encode`. Raises DamagedData."""
    header, arrays = unpack(_MAGIC, data)
    return LabelCounts(dimensions_of(header["dimensions"]), arrays["dimension"], arrays["hour"], arrays["count"])


def _part(counts: LabelCounts, begin: int, end: int | None) -> LabelCounts:
    import numpy as np

    dimensions = counts.dimensions[begin:end]
    first, last = np.searchsorted(counts.dimension, [begin, begin + len(dimensions)])
    return LabelCounts(
        dimensions,
        (counts.dimension[first:last] - begin).astype(np.uint32),
        counts.hour[first:last],
        counts.count[first:last],
    )
