"""A local day's presences in columns: from which moment to which each face was there, by the
sightings of that day alone.

A sighting at t keeps its face present for the gap of its camera (domain/rules/visits). Presences
that overlap are one. So those of several days, joined once more, are the arrivals of these days,
whatever the order in which the sightings came.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from chalicelib.domain.observations import Dimensions
from chalicelib.storage.records.columns import (
    Columns,
    DamagedData,
    Marks,
    pack_arrays,
    parse_dimensions,
    unpack_arrays,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MAGIC = b"RGPRES01"
_Value = TypeVar("_Value")


class Presences(Struct, frozen=True, dict=True):
    """n presences, by face and then by time: (n,) each.

    Presence r is of face `faceids[face[r]]`. What it says beside its times is of its first
    sighting: of two at the same time, of the one with the lower id.
    """

    first_ms: NDArray[np.int64]
    last_ms: NDArray[np.int64]
    """Time of the last sighting."""
    until_ms: NDArray[np.int64]
    """Until when the face is present: a sighting before it belongs to this presence."""
    face: NDArray[np.uint32]
    dimension: NDArray[np.uint32]
    gender: NDArray[np.uint8]
    decade: NDArray[np.uint8]
    sighting: NDArray[np.uint32]
    """`hash_id` of the first sighting's id."""
    dimensions: tuple[Dimensions, ...]
    faceids_text: bytes
    marks: Marks

    @cached_property
    def faceids(self) -> list[str]:
        return self.faceids_text.decode().split("\n") if self.faceids_text else []

    def __len__(self) -> int:
        return len(self.first_ms)


def hash_id(id_: str) -> int:
    """Return 32 bits of an observation's id, which tell apart the sightings of a face at one
    instant."""
    return zlib.crc32(id_.encode())


def find_presences(columns: Columns) -> Presences:
    """Return the presences of a day: for each face, from when to when it was there.

    A sighting keeps its face present for `gap_s` seconds more; with 0, it does not count. A
    sighting that comes before an earlier one's time is over belongs to the same presence.
    """
    import numpy as np

    rows = columns.gap_s.nonzero()[0]
    # By face, then time; stable: of two sightings at one instant the first one stays first.
    rows = rows[np.argsort(columns.face[rows], kind="stable")]
    face, at_ms = columns.face[rows], columns.at_ms[rows]
    until_ms = at_ms + 1000 * columns.gap_s[rows].astype(np.int64)
    begins = mark_begins(face, at_ms, until_ms).nonzero()[0]
    begin_rows = rows[begins]
    faces, face_numbers = np.unique(face[begins], return_inverse=True)
    ids = columns.ids
    return Presences(
        first_ms=at_ms[begins],
        last_ms=find_largest(at_ms, begins),
        until_ms=find_largest(until_ms, begins),
        face=face_numbers.astype(np.uint32),
        dimension=columns.dimension[begin_rows],
        gender=columns.gender[begin_rows],
        decade=columns.decade[begin_rows],
        sighting=np.array([hash_id(ids[row]) for row in begin_rows.tolist()], np.uint32),
        dimensions=columns.dimensions,
        faceids_text="\n".join(columns.faceids[number] for number in faces.tolist()).encode(
            "ascii"
        ),
        marks=columns.marks.pick(begin_rows),
    )


def mark_begins(
    face: NDArray[Any], at_ms: NDArray[np.int64], until_ms: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return for each stretch of time whether a new presence begins with it: (n,).

    It does if no earlier stretch of the same face reaches it. The stretches go from `at_ms` to
    `until_ms`, and are ordered by face, then by begin.
    """
    import numpy as np

    if not len(face):
        return np.zeros(0, bool)
    is_first = np.r_[True, face[1:] != face[:-1]]
    # The latest end so far, of each face alone. Each face's times are lifted above those of the
    # face before, so that one running maximum finds it for all.
    ends = until_ms - at_ms.min()
    lift = np.cumsum(is_first) * (ends.max() + 1)
    latest_ms = np.maximum.accumulate(ends + lift) - lift + at_ms.min()
    return np.asarray(is_first | (at_ms >= np.r_[0, latest_ms[:-1]]), bool)


def find_largest(values: NDArray[np.int64], begins: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the largest of the values from each begin until the next one."""
    import numpy as np

    return np.maximum.reduceat(values, begins) if len(begins) else values[:0]


def encode_presences(presences: Presences) -> bytes:
    """Pack a day's presences. Times are stored as ms since the earliest one, which fits 32 bits."""
    import numpy as np

    begin_ms = int(presences.first_ms.min()) if len(presences) else 0
    arrays: dict[str, NDArray[Any]] = {
        "first_ms": (presences.first_ms - begin_ms).astype(np.uint32),
        "length_ms": (presences.last_ms - presences.first_ms).astype(np.uint32),
        "gap_ms": (presences.until_ms - presences.last_ms).astype(np.uint32),
        "face": presences.face,
        "dimension": presences.dimension,
        "gender": presences.gender,
        "decade": presences.decade,
        "sighting": presences.sighting,
        "faceids": np.frombuffer(presences.faceids_text, np.uint8),
    }
    header = {"begin_ms": begin_ms, "dimensions": presences.dimensions}
    marks_header, mark_arrays = presences.marks.pack()
    return pack_arrays(_MAGIC, {**header, **marks_header}, {**arrays, **mark_arrays})


def decode_presences(data: bytes) -> Presences:
    """Invert `encode_presences`. Raises DamagedData."""
    import numpy as np

    header, arrays = unpack_arrays(_MAGIC, data)
    first_ms = header["begin_ms"] + arrays["first_ms"].astype(np.int64)
    last_ms = first_ms + arrays["length_ms"]
    per_presence = ("face", "dimension", "gender", "decade", "sighting")
    presences = Presences(
        first_ms=first_ms,
        last_ms=last_ms,
        until_ms=last_ms + arrays["gap_ms"],
        face=arrays["face"],
        dimension=arrays["dimension"],
        gender=arrays["gender"],
        decade=arrays["decade"],
        sighting=arrays["sighting"],
        dimensions=parse_dimensions(header["dimensions"]),
        faceids_text=arrays["faceids"].tobytes(),
        marks=Marks.unpack(header, arrays, len(first_ms)),
    )
    if any(len(arrays[name]) != len(first_ms) for name in per_presence):
        raise DamagedData("the columns of presences differ in length")
    return presences


def join_presences(days: Sequence[Presences]) -> Presences:
    """Return the presences of several days as one; each of the result is an arrival.

    A face that stayed over midnight has a presence on both days, and they become one. Each day
    numbers its faces, dimensions and marks for itself, so they are numbered anew.
    """
    import numpy as np

    faceids, face = _number_anew([(day.faceids, day.face) for day in days])
    dimensions, dimension = _number_anew([(day.dimensions, day.dimension) for day in days])
    mark_texts, mark = _number_anew([(day.marks.texts, day.marks.text) for day in days])

    def concatenate(name: str, type_: type[Any]) -> NDArray[Any]:
        return np.concatenate([np.zeros(0, type_), *(getattr(day, name) for day in days)])

    first_ms = concatenate("first_ms", np.int64)
    order = np.lexsort((first_ms, face))  # by face, then by time
    first_ms, face = first_ms[order], face[order]
    until_ms, last_ms = (concatenate(name, np.int64)[order] for name in ("until_ms", "last_ms"))
    begins = mark_begins(face, first_ms, until_ms).nonzero()[0]
    picked = order[begins]  # the rows, as they came, that begin an arrival
    return Presences(
        first_ms=first_ms[begins],
        last_ms=find_largest(last_ms, begins),
        until_ms=find_largest(until_ms, begins),
        face=face[begins],
        dimension=dimension[picked],
        gender=concatenate("gender", np.uint8)[picked],
        decade=concatenate("decade", np.uint8)[picked],
        sighting=concatenate("sighting", np.uint32)[picked],
        dimensions=tuple(dimensions),
        faceids_text="\n".join(faceids).encode("ascii"),
        marks=Marks(tuple(mark_texts), mark[picked]),
    )


def _number_anew(
    days: Sequence[tuple[Sequence[_Value], NDArray[np.uint32]]],
) -> tuple[list[_Value], NDArray[np.uint32]]:
    """Return all different values of several days, and for each row the number of its value.

    Each of `days` has its own values, and for each row the number of its value among these. Days
    with a, b and b, c together have a, b, c; so the second day's number 0 becomes 1.
    """
    import numpy as np

    # The same value of two days gets one number.
    values_of_days = [*chain.from_iterable(values for values, _ in days)]
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values_of_days))}
    number_of_value = np.fromiter(
        map(numbers.__getitem__, values_of_days), np.uint32, len(values_of_days)
    )
    # A row's value stands among all days' values where its day's begin, and its own number on.
    begins = accumulate((len(values) for values, _ in days), initial=0)
    rows = [row_values + begin for (_, row_values), begin in zip(days, begins, strict=False)]
    return [*numbers], number_of_value[np.concatenate([np.zeros(0, np.intp), *rows])]
