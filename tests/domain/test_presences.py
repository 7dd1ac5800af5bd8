from collections import defaultdict
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.observations import Dimensions, ObservationKind
from chalicelib.domain.pictures import Gender
from chalicelib.storage.records.columns import Columns, DamagedData, Row
from chalicelib.storage.records.presences import (
    Presences,
    decode_presences,
    encode_presences,
    find_presences,
    hash_id,
    join_presences,
)

DAY_MS = 86_400_000
BEGIN_MS = 20_000 * DAY_MS

rows = st.builds(
    lambda minute, id_, face, camera, gap_s, decade: Row(
        BEGIN_MS + 60_000 * minute,
        id_,
        face,
        Dimensions("", "", "", "", "stranger", camera, ObservationKind.SIGHTING),
        Gender.FEMALE,
        decade,
        gap_s,
    ),
    st.integers(0, 4 * 1440),
    st.text("0123456789abcdef", min_size=1, max_size=4),
    st.sampled_from(["1", "22", "face-3"]),
    st.sampled_from(["door", "till"]),
    st.sampled_from([0, 60, 1_800, 14_400, 86_400]),
    st.sampled_from([None, 0, 3]),
)
sightings = st.lists(rows, max_size=40, unique_by=lambda row: (row.at_ms, row.id))


def recount(sightings: list[Row]) -> list[tuple[object, ...]]:
    """All arrivals of these sightings, one sighting after the other."""
    arrivals: dict[str, list[list[Row]]] = defaultdict(list)
    until_ms: dict[str, int] = {}
    for row in sorted(sightings, key=lambda row: row[:2]):
        if row.gap_s:
            if row.at_ms >= until_ms.get(row.faceid, 0):
                arrivals[row.faceid].append([])
            arrivals[row.faceid][-1].append(row)
            end_ms = row.at_ms + 1000 * row.gap_s
            until_ms[row.faceid] = max(until_ms.get(row.faceid, 0), end_ms)
    return sorted(
        (
            faceid,
            seen[0].at_ms,
            seen[-1].at_ms,
            seen[0].dimensions,
            seen[0].decade,
            hash_id(seen[0].id),
        )
        for faceid, visits in arrivals.items()
        for seen in visits
    )


def listed(arrivals: Presences) -> list[tuple[object, ...]]:
    decades = [None if decade == 20 else decade for decade in arrivals.decade.tolist()]
    return sorted(
        (
            arrivals.faceids[arrivals.face[row]],
            int(arrivals.first_ms[row]),
            int(arrivals.last_ms[row]),
            arrivals.dimensions[arrivals.dimension[row]],
            decades[row],
            int(arrivals.sighting[row]),
        )
        for row in range(len(arrivals))
    )


@given(sightings, st.integers(0, 1439), st.randoms(use_true_random=False))
def test_presences_of_days_joined_are_the_arrivals_of_all_sightings(
    sightings: list[Row], midnight: int, order: Random
) -> None:
    """However the time is cut into days, in any order of the days, and read from bytes."""
    by_day: dict[int, list[Row]] = defaultdict(list)
    for row in sightings:
        by_day[(row.at_ms - 60_000 * midnight) // DAY_MS].append(row)
    days = [find_presences(Columns.from_rows(of_day)) for of_day in by_day.values()]
    order.shuffle(days)
    stored = [decode_presences(encode_presences(day)) for day in days]
    assert listed(join_presences(stored)) == recount(sightings)
    twice = [*stored, *stored[:1]]
    assert listed(join_presences(twice)) == recount(sightings), "a part that is read twice"


def test_damaged_presences_are_told() -> None:
    row = Row(BEGIN_MS, "1", "7", Dimensions(*"abcdefg"), gap_s=60)
    presences = find_presences(Columns.from_rows([row]))
    data = encode_presences(presences)
    longer = Presences(
        *(getattr(presences, name) for name in Presences.__struct_fields__[:3]),
        np.zeros(2, np.uint32),
        *(getattr(presences, name) for name in Presences.__struct_fields__[4:]),
    )
    for damaged in (b"", data[:-1], b"RGOBSD02" + data[8:], encode_presences(longer)):
        with pytest.raises(DamagedData):
            decode_presences(damaged)
