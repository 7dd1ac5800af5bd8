from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.local_time import Span
from chalicelib.core.model import Labels
from chalicelib.core.observations import ObservationFilter
from chalicelib.core.records import columns as codec
from chalicelib.core.records import label_counts
from chalicelib.core.records.columns import Columns, Row
from chalicelib.core.records.label_counts import LabelCounts
from chalicelib.core.records.packing import DamagedData, pack, unpack

ALWAYS = Span(0, 10**13)
labels = st.sampled_from(["", "a", "女", "two words\n", '"'])
rows = st.lists(
    st.builds(
        Row,
        st.integers(1_500_000_000_000, 1_500_080_000_000),
        st.text("0123456789abcdef", min_size=1, max_size=12),
        st.sampled_from(["1", "22", "face_3", "f-4"]),
        st.tuples(labels, labels, labels, labels, st.sampled_from(["stranger", "VIP会员"])),
    ),
    max_size=40,
    unique_by=lambda row: (row.at_ms, row.id),
)


def rows_of(columns: Columns) -> list[Row]:
    return [
        Row(int(at), id_, columns.faceids[face], columns.dimensions[dimension])
        for at, id_, face, dimension in zip(columns.at_ms, columns.ids, columns.face, columns.dimension, strict=True)
    ]


@settings(deadline=None)
@given(rows)
def test_columns_come_back_in_order(observed: list[Row]) -> None:
    assert rows_of(codec.decode(codec.encode(Columns.of(observed)))) == sorted(observed)


@settings(deadline=None)
@given(rows, labels, st.sampled_from([None, "stranger", "nobody"]), st.sampled_from([None, "22", "nobody"]))
def test_selected_rows_are_those_that_equal_all_that_is_given(
    observed: list[Row], label: str, group: str | None, faceid: str | None
) -> None:
    wanted, span = ObservationFilter(Labels(b=label), group, faceid), Span(1_500_000_000_000, 1_500_040_000_000)
    columns = Columns.of(observed)

    chosen = [rows_of(columns)[number] for number in columns.select(wanted, span)]

    assert chosen == [
        row
        for row in sorted(observed)
        if row.at_ms <= span.last_ms
        and label in ("", row.dimensions[1])
        and group in (None, row.dimensions[4])
        and faceid in (None, row.faceid)
    ]


@settings(deadline=None)
@given(rows, labels, st.sampled_from([200, 10**6]))
def test_label_counts_in_chunks_sum_to_the_whole(observed: list[Row], label: str, most_bytes: int) -> None:
    columns, wanted = Columns.of(observed), ObservationFilter(Labels(a=label))
    hour = (columns.at_ms // 3_600_000) % 24

    chunks = label_counts.encode(LabelCounts.of(columns, hour), most_bytes)

    summed = sum(label_counts.decode(chunk).by_hour(wanted) for chunk in chunks)
    assert np.array_equal(summed, np.bincount(hour[columns.select(wanted, ALWAYS)], minlength=24))


def test_chunks_are_as_small_as_they_must_be() -> None:
    columns = Columns.of([Row(n, "i", "f", (f"label {n}", "", "", "", "g")) for n in range(2_000)])

    chunks = label_counts.encode(LabelCounts.of(columns, columns.at_ms % 24), 2_000)

    assert len(chunks) > 3
    assert max(map(len, chunks)) <= 2_000


@pytest.mark.parametrize("place", [0, 3, 8, 9, 60, -33, -1])
def test_one_wrong_byte_is_seen(place: int) -> None:
    data = bytearray(codec.encode(Columns.of([Row(1, "i", "f", ("", "", "", "", "g"))])))
    data[place] ^= 1
    with pytest.raises(DamagedData):
        codec.decode(bytes(data))


@pytest.mark.parametrize("length", [0, 7, 8, 39, 40, -1])
def test_columns_that_were_cut_off_are_seen(length: int) -> None:
    data = codec.encode(Columns.of([Row(1, "i", "f", ("", "", "", "", "g"))]))
    with pytest.raises(DamagedData):
        codec.decode(data[:length])
    with pytest.raises(DamagedData):
        codec.decode(data + b"x")


def test_columns_of_different_lengths_are_no_columns() -> None:
    arrays = {"after_ms": np.zeros(2, np.uint32), "face": np.zeros(1, np.uint32), "dimension": np.zeros(2, np.uint32)}
    text = {"faceids": np.frombuffer(b"f", np.uint8), "ids": np.frombuffer(b"i\nj", np.uint8)}
    data = pack(b"RGOBSD01", {"begin_ms": 0, "dimensions": [["", "", "", "", "g"]]}, {**arrays, **text})
    assert unpack(b"RGOBSD01", data)[0]["begin_ms"] == 0
    with pytest.raises(DamagedData):
        codec.decode(data)
    with pytest.raises(DamagedData):
        label_counts.decode(data)
