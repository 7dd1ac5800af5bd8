from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.index.sample import in_sample, mix, mixes
from chalicelib.index.snapshots.face_ids import FaceIds


@given(st.lists(st.text(max_size=30), max_size=30))
def test_a_faceid_has_one_hash_wherever_it_is_stored(faceids: list[str]) -> None:
    assert mixes(FaceIds.of(faceids)).tolist() == [mix(faceid) for faceid in faceids]


@pytest.mark.parametrize("name", ["{:016x}", "{}", "shop-{:05d}"])
def test_each_level_holds_half_of_the_last(name: str) -> None:
    hashes = mixes(FaceIds.of(name.format(n) for n in range(40_000)))
    before = in_sample(hashes, 0)
    assert before.all()
    for level in range(1, 6):
        now = in_sample(hashes, level)
        assert not (now & ~before).any()
        assert np.mean(now) == pytest.approx(0.5**level, rel=0.15)
        before = now
