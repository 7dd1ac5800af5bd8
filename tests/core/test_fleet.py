"""A wave of settings reaches one box, a tenth of them, all, and stops by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.fleet import SETTLES, Told, Wave, advanced

NOW = datetime(2026, 3, 1, tzinfo=UTC)
boxes = st.dictionaries(st.sampled_from([f"b{n:02d}" for n in range(40)]), st.booleans(), min_size=1)
looks = st.lists(st.tuples(st.integers(0, 60), boxes, st.sampled_from(["1.0.0", "2.0.0"])), max_size=12)


@given(looks)
def test_it_reaches_one_then_a_tenth_then_all_and_never_goes_on_beside_a_box_that_is_not_well(looks: list) -> None:
    wave, now = Wave(NOW, {"version": "2.0.0"}), NOW
    for minutes, heard, version in looks:
        now += timedelta(minutes=minutes)
        told = {box: Told(is_heard, version) for box, is_heard in heard.items()}
        before, wave = wave, advanced(wave, told, now)
        assert set(before.reached) <= set(wave.reached), "what has the settings keeps them"
        assert len(wave.reached) <= max(1, -(-len(told) // 10), len(before.reached)) or wave.is_done
        if wave != before and before.reached:
            assert not before.is_done
            assert not before.stopped
            if not wave.stopped:
                assert now - before.at >= SETTLES
                assert all(heard.get(box) for box in before.reached)
                assert version == "2.0.0"
        if wave.reached and not wave.is_done:
            assert all(heard[box] for box in wave.reached if box not in before.reached), (
                "the first are boxes that are heard"
            )


@given(boxes)
def test_if_all_are_well_all_have_it_after_three_steps(heard: dict) -> None:
    wave, told = Wave(NOW), {box: Told(is_heard=True) for box in heard}
    sizes = []
    for step in range(4):
        wave = advanced(wave, told, NOW + step * SETTLES)
        sizes.append(len(wave.reached))
    assert (wave.is_done, wave.stopped, sizes[0], sizes[-1]) == (True, None, 1, len(heard))


def test_why_it_stops_is_said() -> None:
    told = {f"b{n}": Told(is_heard=True, version="1.0.0") for n in range(20)}
    wave = advanced(Wave(NOW, {"version": "2.0.0"}), told, NOW)
    assert wave.reached == ("b0",)
    assert advanced(wave, told, NOW + SETTLES).stopped == "2.0.0 does not run: b0"
    assert advanced(wave, {**told, "b0": Told(is_heard=False)}, NOW).stopped == "silent: b0"
