import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.captures import SETTLES, LastSign, Wave, advance_wave, begin_wave, edge_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SET = {"mib_per_month": 50, "upload_hours": ["01:00-05:00"]}
boxes = st.dictionaries(
    st.sampled_from([f"b{n:02d}" for n in range(40)]), st.booleans(), min_size=1
)
looks = st.lists(
    st.tuples(st.integers(0, 60), boxes, st.sampled_from(["1.0.0", "2.0.0"])), max_size=12
)


@given(looks)
def test_it_reaches_one_then_a_tenth_then_all_and_never_goes_on_beside_a_box_that_is_not_well(
    looks: list,
) -> None:
    wave, now = Wave(NOW, {"version": "2.0.0"}), NOW
    for minutes, heard, version in looks:
        now += timedelta(minutes=minutes)
        told = {
            box: LastSign(now if is_heard else None, version) for box, is_heard in heard.items()
        }
        before, wave = wave, advance_wave(wave, told, now)
        assert all(map(wave.has, before.reached)), "what has the settings keeps them"
        assert len(wave.reached) <= max(1, -(-len(told) // 10), len(before.reached)) or wave.is_done
        if (wave.reached, wave.is_done, wave.stopped) != (
            before.reached,
            before.is_done,
            before.stopped,
        ) and (before.reached):
            assert not before.is_done
            assert not before.stopped
            if not wave.stopped:
                assert now - before.at >= SETTLES
                assert len(before.reached) >= 10 or all(heard.get(box) for box in before.reached)
                assert version == "2.0.0"
        if wave.reached and not wave.is_done:
            assert all(heard[box] for box in wave.reached if box not in before.reached), (
                "the first are boxes that are heard"
            )


@given(boxes)
def test_if_all_are_well_all_have_it_after_three_steps(heard: dict) -> None:
    wave, sizes = Wave(NOW), []
    for step in range(4):
        now = NOW + step * SETTLES
        wave = advance_wave(wave, {box: LastSign(now) for box in heard}, now)
        sizes.append(sum(map(wave.has, heard)))
    assert (wave.is_done, wave.stopped, sizes[0], sizes[-1]) == (True, None, 1, len(heard))


def test_why_it_stops_is_said() -> None:
    later = NOW + SETTLES
    told = {f"b{n}": LastSign(later, version="1.0.0") for n in range(20)}
    wave = advance_wave(Wave(NOW, {"version": "2.0.0"}), told, later)
    assert wave.reached == ("b0",)
    assert advance_wave(wave, told, later + SETTLES).stopped is None, (
        "nobody is heard: the service may have been away"
    )
    assert advance_wave(replace(wave, at=NOW), told, later).stopped == "2.0.0 does not run: b0"


@pytest.mark.parametrize(
    ("others", "own", "after", "stopped"),
    [
        ([], [], 29, None),
        ([], [], 30, "silent: b00"),
        ([1], [], 4, None),
        ([1], [], 5, "silent: b00"),
        ([1], [2], 5, None),
    ],
    ids=["an outage", "silent alone", "just back", "silent beside others", "heard again"],
)
def test_after_an_outage_of_the_service_a_box_is_silent_only_if_others_are_heard(
    others: list[int], own: list[int], after: int, stopped: str | None
) -> None:
    """The minutes are after the outage, which took nine; the last heartbeats were written seven
    before it."""
    before = {f"b{n:02}": LastSign(NOW - timedelta(minutes=16)) for n in range(30)}
    wave = advance_wave(Wave(NOW - timedelta(minutes=20), {}, ("b00",)), before, NOW)
    assert (wave.stopped, wave.reached) == (None, ("b00",))
    heard = {"b00": own, "b01": others}
    told = before | {
        box: LastSign(NOW + timedelta(minutes=one)) for box, found in heard.items() for one in found
    }
    assert advance_wave(wave, told, NOW + timedelta(minutes=after)).stopped == stopped


def waves(
    count: int, days: float, seeds: int, closes: bool = False, kills: float = 0.0
) -> list[Wave]:
    """Play waves to boxes that are each silent for 20 minutes once in so many days; return how they
    end.

    `closes`: one of the first tenth is switched off in the evening; `kills`: share of boxes that
    the settings silence.
    """
    found = []
    for seed in range(seeds):
        draws = random.Random(seed)
        last = {f"b{n:04}": NOW for n in range(count)}
        away = {box: draws.expovariate(1 / (days * 24 * 60)) for box in last}
        off = draws.choice(sorted(last)[: max(1, count // 10)]) if closes else ""
        dies = {box for box in last if draws.random() < kills}
        wave = Wave(NOW, {"kib_per_s": 100})
        for minute in range(0, 240, 5):
            now = NOW + timedelta(minutes=minute)
            for box in last:
                silent = away[box] <= minute < away[box] + 20 or (box == off and minute > 45)
                if not silent and not (box in dies and wave.has(box)):
                    last[box] = now - timedelta(seconds=draws.randrange(120))
            wave = advance_wave(wave, {box: LastSign(at) for box, at in last.items()}, now)
        found.append(wave)
    return found


def test_a_wave_is_not_stopped_by_boxes_that_are_silent_by_chance() -> None:
    assert sum(wave.is_done for wave in waves(1000, 5, 20)) >= 19
    assert sum(wave.is_done for wave in waves(100, 1e6, 20, closes=True)) >= 18, (
        "unless it was the very first"
    )
    assert not any(wave.is_done for wave in waves(100, 5, 20, kills=0.5))


def test_a_wave_that_has_stopped_goes_on_by_the_same_settings() -> None:
    stopped = Wave(NOW, SET, ("b1", "b2"), stopped="silent: b1", missed_at=NOW)
    assert begin_wave(stopped, SET, NOW + SETTLES) == Wave(NOW + SETTLES, SET, ("b1", "b2"))
    assert begin_wave(stopped, {"kib_per_s": 9}, NOW) == Wave(NOW, {"kib_per_s": 9})


@pytest.mark.parametrize(
    ("wave", "box", "kept"),
    [
        (Wave(NOW, SET, ("b1",)), "b1", {"send": "all", **SET}),
        (Wave(NOW, SET, is_done=True), "b9", {"send": "all", **SET}),
        (
            Wave(NOW, SET, ("b1",)),
            "b2",
            {"send": "all", "upload_hours": ["22:00-06:00"], "kib_per_s": 9},
        ),
        (Wave(NOW, SET, is_done=True), None, {"send": "all", "kib_per_s": 9}),
    ],
    ids=["reached", "all have it", "of the wave before", "no box"],
)
def test_what_a_wave_sets_stays_when_a_camera_is_changed(
    wave: Wave, box: str | None, kept: dict
) -> None:
    before = {"early": True, "upload_hours": ["22:00-06:00"]}
    assert edge_of(wave, box, before, {"send": "all", "kib_per_s": 9}) == kept
