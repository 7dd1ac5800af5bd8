"""A local day's observations (records of seen faces) as arrays, counted fast and stored small.

They have only the values that are counted, not those that are only shown.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from chalicelib.domain.local_time import HOURS_PER_DAY, Span
from chalicelib.domain.observations import Dimensions, ObservationFilter, Split
from chalicelib.domain.pictures import Gender
from chalicelib.domain.rules.ended import takes_mark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")
_MAGIC_BYTES = 8
"""Bytes by which the form of an object is known."""
_CHECKSUM_BYTES = 32
"""Bytes of the SHA-256 at an object's end."""


class DamagedData(ValueError):
    """Bytes of a wrong format, or incomplete ones; the message says what is wrong."""


def pack_arrays(
    magic: bytes, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> bytes:
    """Return a JSON header and arrays of one dimension as bytes, compressed and with a checksum.

    The bytes are `magic`, eight bytes that name the kind and its version, then a body, compressed
    by zlib, and the SHA-256 of both. The body is the header's length as uint32, the header, and the
    arrays one after another, all little-endian. The header lists the arrays' names, types and
    lengths, too.
    """
    little_endian = {
        name: array.astype(array.dtype.newbyteorder("<")) for name, array in arrays.items()
    }
    descriptions = [[name, array.dtype.str, len(array)] for name, array in little_endian.items()]
    whole_header = {**header, "arrays": descriptions}
    header_json = json.dumps(whole_header, ensure_ascii=False).encode()
    array_bytes = b"".join(array.tobytes() for array in little_endian.values())
    body = _LENGTH.pack(len(header_json)) + header_json + array_bytes
    content = magic + zlib.compress(body)
    return content + hashlib.sha256(content).digest()


def unpack_arrays(magic: bytes, data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header, and the arrays by name, of the bytes that `pack_arrays` made.

    Raises DamagedData if the bytes are of another kind, damaged or cut off.
    """
    import numpy as np

    if len(data) < _MAGIC_BYTES + _CHECKSUM_BYTES or not data.startswith(magic):
        raise DamagedData(f"{len(data)} bytes that do not begin with {magic!r}")
    packed = memoryview(data)[:-_CHECKSUM_BYTES]  # without a copy
    if hashlib.sha256(packed).digest() != data[-_CHECKSUM_BYTES:]:
        raise DamagedData("the checksum does not fit the bytes")

    body = zlib.decompress(packed[_MAGIC_BYTES:])
    (header_bytes,) = _LENGTH.unpack_from(body)
    offset = _LENGTH.size + header_bytes
    header: dict[str, Any] = json.loads(body[_LENGTH.size : offset])
    arrays = {}  # they follow the header, in the order in which it lists them
    for name, type_name, count in header.pop("arrays"):
        dtype = np.dtype(type_name)
        end = offset + count * dtype.itemsize
        if end > len(body):
            raise DamagedData(f"the header tells of more than the {len(body)} bytes that there are")
        arrays[name] = np.frombuffer(body, dtype, count, offset)
        offset = end
    if offset != len(body):
        raise DamagedData(f"the header tells of {offset} bytes, and there are {len(body)}")
    return header, arrays


_MAGIC = b"RGOBSD02"
_GENDERS = tuple(Gender)
_DECADES = 20
"""The last decade is that of all ages from 190 on; its number plus one stands for an age that is
not known."""
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
    mark: str = ""
    """Of somebody who was erased (domain/rules/ended)."""


def decade_of(age: float) -> int:
    """Return the decade of an age in years, rounded as it is shown."""
    return min(max(round(age) // 10, 0), _DECADES - 1)


class Marks(Struct, frozen=True):
    """The marks of n rows: row r has `texts[text[r]]`; "" unless its person was erased.

    A mark says in which hours, days and so on an observation was its erased person's first.
    """

    texts: tuple[str, ...]
    text: NDArray[np.uint32]
    """(n,)"""

    @property
    def is_marked(self) -> NDArray[np.bool_]:
        """Return for each row whether its person was erased: (n,)."""
        return self.find(lambda _: True, default=False)

    def find(self, says: Callable[[str], bool], *, default: bool) -> NDArray[np.bool_]:
        """Return each row's answer of `says` about its mark, or `default` without one: (n,)."""
        import numpy as np

        # asked once for each text, not for each row
        answers = [says(text) if text else default for text in self.texts]
        return np.asarray(np.array(answers, bool)[self.text])

    def takes(self, wanted: ObservationFilter) -> NDArray[np.bool_]:
        """Return for each row whether a filter takes it, as far as its mark says: (n,)."""
        return self.find(lambda text: takes_mark(wanted, text), default=True)

    def pick(self, rows: NDArray[np.intp]) -> Marks:
        """Return the marks of some rows."""
        return Marks(self.texts, self.text[rows])

    def pack(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what a header and arrays have of them: nothing if nobody was erased."""
        return ({"marks": self.texts}, {"mark": self.text}) if any(self.texts) else ({}, {})

    @classmethod
    def unpack(
        cls, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], count: int
    ) -> Marks:
        """Invert `pack`."""
        import numpy as np

        texts = tuple(header.get("marks", ("",)))
        return cls(texts, arrays.get("mark", np.zeros(count, np.uint32)))


class Columns(Struct, frozen=True, dict=True):
    """n observations by time, then id: an array for each counted value, a row for each observation.

    Row r is of face `faceids[face[r]]`, with `dimensions[dimension[r]]`.
    """

    at_ms: NDArray[np.int64]
    """(n,)"""
    face: NDArray[np.uint32]
    """(n,)"""
    dimension: NDArray[np.uint32]
    """(n,)"""
    gender: NDArray[np.uint8]
    """(n,), indexes of Gender's members"""
    decade: NDArray[np.uint8]
    """(n,)"""
    gap_s: NDArray[np.uint32]
    """(n,), 0 if not counted among arrivals"""
    dimensions: tuple[Dimensions, ...]
    faceids_text: bytes
    ids_text: bytes
    marks: Marks

    @cached_property
    def faceids(self) -> list[str]:
        return self.faceids_text.decode().split("\n") if self.faceids_text else []

    @cached_property
    def ids(self) -> list[str]:
        return self.ids_text.decode().split("\n") if self.ids_text else []

    def __len__(self) -> int:
        return len(self.at_ms)

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> Columns:
        """Return the columns, an array a value, of a day's observations, which come in any order.

        They are sorted by time. Faces, dimensions (labels, group, camera, kind) and marks (what an
        erased person's observation still says) repeat. So each different one is kept once, and a
        row has its number. Numbers begin at 0, in the order in which they are met.
        """
        import numpy as np

        ordered_rows = sorted(rows, key=lambda row: (row.at_ms, row.id))
        # each different value with its number, in the order of the numbers
        faces: dict[str, int] = {}
        dimensions: dict[Dimensions, int] = {}
        marks = {"": 0}  # "": none
        face_numbers, dimension_numbers, mark_numbers = [], [], []
        for row in ordered_rows:
            face_numbers.append(faces.setdefault(row.faceid, len(faces)))
            dimension_numbers.append(dimensions.setdefault(row.dimensions, len(dimensions)))
            mark_numbers.append(marks.setdefault(row.mark, len(marks)))
        genders = [_GENDERS.index(row.gender) for row in ordered_rows]
        decades = [_DECADES if row.decade is None else row.decade for row in ordered_rows]
        return cls(
            at_ms=np.array([row.at_ms for row in ordered_rows], np.int64),
            face=np.array(face_numbers, np.uint32),
            dimension=np.array(dimension_numbers, np.uint32),
            gender=np.array(genders, np.uint8),
            decade=np.array(decades, np.uint8),
            gap_s=np.array([row.gap_s for row in ordered_rows], np.uint32),
            dimensions=tuple(dimensions),
            faceids_text="\n".join(faces).encode("ascii"),
            ids_text="\n".join(row.id for row in ordered_rows).encode("ascii"),
            marks=Marks(tuple(marks), np.array(mark_numbers, np.uint32)),
        )

    def select_rows(self, observation_filter: ObservationFilter, span: Span) -> NDArray[np.intp]:
        """Return the numbers of the rows (observations) of a span that a filter takes, ascending.

        Many rows share a face, or dimensions (labels, group, camera, kind). So the filter is asked
        once for each of these, not for each row, and a row looks up the answer by its number.
        """
        import numpy as np

        begin, end = np.searchsorted(self.at_ms, [span.first_ms, span.last_ms + 1])
        rows = np.arange(begin, end)  # they are in order of time
        if observation_filter.by_dimensions:
            takes_dimensions = np.array(
                [observation_filter.lets_pass(dimensions) for dimensions in self.dimensions], bool
            )
            rows = rows[takes_dimensions[self.dimension[rows]]]
        if observation_filter.by_face:
            takes_face = np.array(
                [observation_filter.takes_face(faceid) for faceid in self.faceids], bool
            )
            rows = rows[takes_face[self.face[rows]]]
        # who was staff when erased may be left out, by the row's mark
        return rows[self.marks.pick(rows).takes(observation_filter)]

    def list_values(self, split: Split | None) -> tuple[NDArray[np.intp], tuple[str, ...]]:
        """Return the value of each row by a split, as an index, and the values that these mean.

        By camera, of rows of cameras a, b, a: [0, 1, 0] and ("a", "b"). None: all values are "".
        """
        if split in (Split.GENDER, Split.AGE):
            return list_gender_or_age(self.gender, self.decade, split)
        value_indexes, names = list_values(self.dimensions, split)
        return value_indexes[self.dimension], names  # a row has the value of its dimensions

    def count_by_hour(
        self, rows: NDArray[np.intp], hours: NDArray[np.int64], split: Split | None
    ) -> CountsByHour:
        """Count these rows by hour of the day (`hours`, as many as `rows`) and by the values of a
        split."""
        value_indexes, names = self.list_values(split)
        return count_by_hour(value_indexes[rows], names, hours)


CountsByHour = Mapping[str, "NDArray[np.int64]"]
"""Numbers of a day by value of a split, (24,) each; values without any are left out."""


def list_values(
    dimensions: Sequence[Dimensions], split: Split | None
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return which value each of the dimensions has by a split, as an index, and all the values.

    Each of `dimensions` is a combination of labels, group, camera and kind. By camera, three of
    cameras a, b, a give [0, 1, 0] and ("a", "b"). With a `split` of None, all values are "".
    """
    import numpy as np

    names: dict[str, int] = {}
    value_indexes = []
    for values in dimensions:
        name = values.value(split) if split else ""
        value_indexes.append(names.setdefault(name, len(names)))
    return np.array(value_indexes, np.intp), tuple(names)


def list_gender_or_age(
    gender: NDArray[np.uint8], decade: NDArray[np.uint8], split: Split
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Return which gender or age each row has, as an index, and the names that the indexes mean.

    `split` says which of the two. An index is the number as it is stored, of the gender or of the
    decade of age. A decade's name is its first year: "30" for 30 to 39. Behind the decades comes
    UNKNOWN.
    """
    import numpy as np

    if split is Split.GENDER:
        return gender.astype(np.intp), tuple(gender.value for gender in _GENDERS)
    return decade.astype(np.intp), (*(str(10 * n) for n in range(_DECADES)), UNKNOWN)


def count_by_hour(
    value_indexes: NDArray[np.intp],
    names: Sequence[str],
    hours: NDArray[np.integer[Any]],
    counts: NDArray[np.uint32] | None = None,
) -> CountsByHour:
    """Return, by value, how many there are in each hour of the day, 24 numbers each.

    `value_indexes` says which of the `names` (values) each row has, `hours` its hour, 0 to 23.
    `counts` has how many a row stands for; None: 1 each. Values with no count are left out.
    """
    import numpy as np

    # Value and hour make one number, the place of their sum: a line of 24 for each value.
    cells = value_indexes * HOURS_PER_DAY + hours
    sums = np.bincount(cells, counts, len(names) * HOURS_PER_DAY).astype(np.int64)
    by_value = zip(names, sums.reshape(-1, HOURS_PER_DAY), strict=True)
    return {name: by_hour for name, by_hour in by_value if by_hour.any()}


def encode_columns(columns: Columns) -> bytes:
    """Return a day's columns as bytes, which `decode_columns` reads.

    Times are stored as ms since the first one, which fit 32 bits within a day. Texts are stored as
    arrays of bytes.
    """
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
    header = {"begin_ms": begin, "dimensions": columns.dimensions}
    marks_header, mark_arrays = columns.marks.pack()
    return pack_arrays(_MAGIC, {**header, **marks_header}, {**arrays, **mark_arrays})


def decode_columns(data: bytes) -> Columns:
    """Return the columns of what `encode_columns` made. Raises DamagedData if it is damaged."""
    import numpy as np

    header, arrays = unpack_arrays(_MAGIC, data)
    columns = Columns(
        at_ms=header["begin_ms"] + arrays["after_ms"].astype(np.int64),
        face=arrays["face"],
        dimension=arrays["dimension"],
        gender=arrays["gender"],
        decade=arrays["decade"],
        gap_s=arrays["gap_s"],
        dimensions=parse_dimensions(header["dimensions"]),
        faceids_text=arrays["faceids"].tobytes(),
        ids_text=arrays["ids"].tobytes(),
        marks=Marks.unpack(header, arrays, len(arrays["face"])),
    )
    one_a_row = (
        columns.face,
        columns.dimension,
        columns.gender,
        columns.decade,
        columns.gap_s,
        columns.ids,
        columns.marks.text,
    )
    if any(len(column) != len(columns.at_ms) for column in one_a_row):
        raise DamagedData("the columns differ in length")
    return columns


def parse_dimensions(stored_dimensions: Sequence[Sequence[str]]) -> tuple[Dimensions, ...]:
    """Read dimensions from JSON's lists. What a later version added behind is passed over."""
    known = len(Dimensions._fields)
    return tuple(Dimensions(*values[:known]) for values in stored_dimensions)


_COUNTS_MAGIC = b"RGLABL02"


class LabelCounts(Struct, frozen=True):
    """The numbers of a day's observations by hour and by labels, group, camera and kind.

    There are e entries: entry i is `count[i]` observations in hour `hour[i]`, with
    `dimensions[dimension[i]]`.
    """

    dimensions: tuple[Dimensions, ...]
    dimension: NDArray[np.uint32]
    """(e,), ascending"""
    hour: NDArray[np.uint8]
    """(e,), 0 to 23"""
    count: NDArray[np.uint32]
    """(e,)"""

    @classmethod
    def from_columns(cls, columns: Columns, hour: NDArray[np.int64]) -> LabelCounts:
        """Return how many of a day's observations there are by dimensions and hour.

        Dimensions are labels, group, camera and kind together. `hour`, (n,), is the hour of the
        day, 0 to 23, of each row of the columns.
        """
        import numpy as np

        # Dimensions and hour are packed into one number, so that numpy counts them together. They
        # come out ascending, with the dimensions first.
        packed = columns.dimension.astype(np.int64) * HOURS_PER_DAY + hour
        entry, count = np.unique(packed, return_counts=True)
        return cls(
            dimensions=columns.dimensions,
            dimension=(entry // HOURS_PER_DAY).astype(np.uint32),
            hour=(entry % HOURS_PER_DAY).astype(np.uint8),
            count=count.astype(np.uint32),
        )

    def count_by_hour(
        self, observation_filter: ObservationFilter, split: Split | None = None
    ) -> CountsByHour:
        """Return how many observations a filter takes in each hour, by the values of a split.

        Split by camera, the result is `{"door": [24 numbers]}`; without a split, all are of "".
        What the filter asks of faces is ignored, since these counts have none.
        """
        import numpy as np

        takes_dimensions = np.array(
            [observation_filter.lets_pass(dimensions) for dimensions in self.dimensions], bool
        )
        is_chosen = np.zeros(0, bool)  # a day without observations has no entry
        if len(takes_dimensions):
            is_chosen = takes_dimensions[self.dimension]  # for each entry
        value_indexes, names = list_values(self.dimensions, split)
        chosen_values = value_indexes[self.dimension[is_chosen]]
        return count_by_hour(chosen_values, names, self.hour[is_chosen], self.count[is_chosen])


def encode_counts(counts: LabelCounts, max_bytes: int) -> list[bytes]:
    """Return counts as chunks of at most `max_bytes`, at least one, each for a stored item.

    Counts that are too large are cut in two by their dimensions (labels, group, camera, kind),
    until each part fits. Those of a single one cannot be cut, and stay larger. Each chunk decodes
    to counts of its own. Added up, they are the whole's.
    """
    data = pack_arrays(
        _COUNTS_MAGIC,
        {"dimensions": counts.dimensions},
        {"dimension": counts.dimension, "hour": counts.hour, "count": counts.count},
    )
    half = len(counts.dimensions) // 2
    if len(data) <= max_bytes or not half:
        return [data]
    first_half, second_half = _cut_counts(counts, 0, half), _cut_counts(counts, half, None)
    return [*encode_counts(first_half, max_bytes), *encode_counts(second_half, max_bytes)]


def decode_counts(data: bytes) -> LabelCounts:
    """Decode one chunk of `encode_counts`. Raises DamagedData."""
    header, arrays = unpack_arrays(_COUNTS_MAGIC, data)
    return LabelCounts(
        dimensions=parse_dimensions(header["dimensions"]),
        dimension=arrays["dimension"],
        hour=arrays["hour"],
        count=arrays["count"],
    )


def _cut_counts(counts: LabelCounts, begin: int, end: int | None) -> LabelCounts:
    """Return the counts of the dimensions from `begin` up to, but without, `end`; None: all others.

    Dimensions are combinations of labels, group, camera and kind. In the result they are numbered
    from 0 again.
    """
    import numpy as np

    dimensions = counts.dimensions[begin:end]
    # Entries are in the order of their dimensions: find the first, and the one behind the last.
    first, last = np.searchsorted(counts.dimension, [begin, begin + len(dimensions)])
    return LabelCounts(
        dimensions=dimensions,
        dimension=(counts.dimension[first:last] - begin).astype(np.uint32),
        hour=counts.hour[first:last],
        count=counts.count[first:last],
    )
