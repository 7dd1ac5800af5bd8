from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.local_time import Span
from chalicelib.domain.model import Labels
from chalicelib.domain.observations import (
    OF_ARRIVALS,
    Dimensions,
    ObservationFilter,
    ObservationKind,
    Split,
)
from chalicelib.domain.pictures import Gender
from chalicelib.storage.records import columns as codec
from chalicelib.storage.records.columns import (
    Columns,
    DamagedData,
    LabelCounts,
    Row,
    decade_of,
    pack_arrays,
    unpack_arrays,
)

ALWAYS = Span(0, 10**13)
PLAIN = Dimensions("", "", "", "", "g", "", "sighting")
labels = st.sampled_from(["", "a", "女", "two words\n", '"'])
rows = st.lists(
    st.builds(
        Row,
        st.integers(1_500_000_000_000, 1_500_080_000_000),
        st.text("0123456789abcdef", min_size=1, max_size=12),
        st.sampled_from(["1", "22", "face_3", "f-4"]),
        st.builds(
            Dimensions,
            labels,
            labels,
            labels,
            labels,
            st.sampled_from(["stranger", "VIP会员"]),
            st.sampled_from(["", "door"]),
            st.sampled_from(ObservationKind),
        ),
        st.sampled_from(Gender),
        st.sampled_from([None, 0, 3, 19]),
        st.sampled_from([0, 1, 1_800, 86_400]),
        st.sampled_from(["", "", "A" * 45 + "n", "_" * 45 + "yVIP会员"]),
    ),
    max_size=40,
    unique_by=lambda row: (row.at_ms, row.id),
)


filters = st.builds(
    ObservationFilter,
    labels.map(lambda b: Labels(b=b)),
    st.sampled_from([None, "stranger", "nobody"]),
    st.sampled_from([None, "22", "nobody"]),
    st.sampled_from([None, *ObservationKind]),
    st.sampled_from([None, "door", "till"]),
)


def in_order(observed: list[Row]) -> list[Row]:
    return sorted(observed, key=lambda row: (row.at_ms, row.id))


def rows_of(columns: Columns) -> list[Row]:
    return [
        Row(
            int(columns.at_ms[n]),
            columns.ids[n],
            columns.faceids[columns.face[n]],
            columns.dimensions[columns.dimension[n]],
            tuple(Gender)[columns.gender[n]],
            None if columns.decade[n] == 20 else int(columns.decade[n]),
            int(columns.gap_s[n]),
            columns.marks.texts[columns.marks.text[n]],
        )
        for n in range(len(columns))
    ]


@settings(deadline=None)
@given(rows)
def test_columns_come_back_in_order(observed: list[Row]) -> None:
    assert rows_of(
        codec.decode_columns(codec.encode_columns(Columns.from_rows(observed)))
    ) == in_order(observed)


@settings(deadline=None)
@given(rows, filters)
def test_selected_rows_are_those_that_equal_all_that_is_given(
    observed: list[Row], wanted: ObservationFilter
) -> None:
    span = Span(1_500_000_000_000, 1_500_040_000_000)
    columns = Columns.from_rows(observed)

    chosen = [rows_of(columns)[number] for number in columns.select_rows(wanted, span)]

    assert chosen == [
        row
        for row in in_order(observed)
        if row.at_ms <= span.last_ms
        and wanted.labels.b in ("", row.dimensions.b)
        and wanted.group_name in (None, row.dimensions.group)
        and wanted.faceid in (None, row.faceid)
        and wanted.kind in (None, row.dimensions.kind)
        and wanted.camera in (None, row.dimensions.camera)
    ]


@settings(deadline=None)
@given(
    rows,
    labels,
    st.sampled_from([200, 10**6]),
    st.sampled_from([None, Split.CAMERA, Split.LABEL_B]),
)
def test_label_counts_in_chunks_sum_to_the_whole(
    observed: list[Row], label: str, most_bytes: int, split: Split | None
) -> None:
    columns, wanted = Columns.from_rows(observed), ObservationFilter(Labels(a=label))
    hour = (columns.at_ms // 3_600_000) % 24

    chunks = codec.encode_counts(LabelCounts.from_columns(columns, hour), most_bytes)

    summed: Counter[tuple[str, int]] = Counter()
    for chunk in chunks:
        for value, by_hour in codec.decode_counts(chunk).count_by_hour(wanted, split).items():
            summed.update({(value, hour): int(count) for hour, count in enumerate(by_hour)})
    chosen = [
        (rows_of(columns)[number].dimensions, int(hour[number]))
        for number in columns.select_rows(wanted, ALWAYS)
    ]
    assert +summed == Counter((one.value(split) if split else "", hour) for one, hour in chosen)


@settings(deadline=None)
@given(
    rows, st.sampled_from([*(one for one in Split if one not in OF_ARRIVALS), None])
)  # which visit it is, the face's history says
def test_rows_have_the_values_of_a_split(observed: list[Row], split: Split | None) -> None:
    columns = Columns.from_rows(observed)
    places, names = columns.list_values(split)
    meant = {
        None: lambda row: "",
        Split.GENDER: lambda row: row.gender.value,
        Split.AGE: lambda row: (
            "unknown" if row.decade is None else f"{row.decade}0".replace("00", "0")
        ),
    }.get(split, lambda row: row.dimensions.value(split))
    assert [names[place] for place in places] == [meant(row) for row in in_order(observed)]


def test_age_is_rounded_as_it_is_shown_and_has_an_end() -> None:
    assert [decade_of(age) for age in (0.0, 9.4, 9.6, 29.5, 30.0, 195.0, 900.0, -3.0)] == [
        0,
        0,
        1,
        3,
        3,
        19,
        19,
        0,
    ]


def test_chunks_are_as_small_as_they_must_be() -> None:
    columns = Columns.from_rows(
        [
            Row(n, "i", "f", Dimensions(f"label {n}", "", "", "", "g", "", "sighting"))
            for n in range(2_000)
        ]
    )

    chunks = codec.encode_counts(LabelCounts.from_columns(columns, columns.at_ms % 24), 2_000)

    assert len(chunks) > 3
    assert max(map(len, chunks)) <= 2_000


@pytest.mark.parametrize("place", [0, 3, 8, 9, 60, -33, -1])
def test_one_wrong_byte_is_seen(place: int) -> None:
    data = bytearray(codec.encode_columns(Columns.from_rows([Row(1, "i", "f", PLAIN)])))
    data[place] ^= 1
    with pytest.raises(DamagedData):
        codec.decode_columns(bytes(data))


@pytest.mark.parametrize("length", [0, 7, 8, 39, 40, -1])
def test_columns_that_were_cut_off_are_seen(length: int) -> None:
    data = codec.encode_columns(Columns.from_rows([Row(1, "i", "f", PLAIN)]))
    with pytest.raises(DamagedData):
        codec.decode_columns(data[:length])
    with pytest.raises(DamagedData):
        codec.decode_columns(data + b"x")


def test_columns_of_different_lengths_are_no_columns() -> None:
    names = {"after_ms": 2, "face": 1, "dimension": 2, "gender": 2, "decade": 2, "gap_s": 2}
    arrays = {name: np.zeros(length, np.uint32) for name, length in names.items()}
    text = {"faceids": np.frombuffer(b"f", np.uint8), "ids": np.frombuffer(b"i\nj", np.uint8)}
    data = pack_arrays(b"RGOBSD02", {"begin_ms": 0, "dimensions": [PLAIN]}, {**arrays, **text})
    assert unpack_arrays(b"RGOBSD02", data)[0]["begin_ms"] == 0
    with pytest.raises(DamagedData):
        codec.decode_columns(data)
    with pytest.raises(DamagedData):
        codec.decode_counts(data)
