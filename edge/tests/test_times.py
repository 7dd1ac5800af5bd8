"""Which time a picture gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regulars_edge.clock import Anchor, ServiceTime
from regulars_edge.picture import content_of
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Origin, Stamp
from regulars_edge.spool.spool import Spool
from rig import pictures
from rig.clock import BOOTED_MS, FakeClock


def take(spool: Spool, number: int, clock: FakeClock, source: str = "test") -> None:
    data = pictures.jpeg(number)
    content = content_of(data)
    assert content is not None
    spool.intake.add(Origin("door", source), data, content, Stamp(clock.moment()))


def anchored(spool: Spool, clock: FakeClock) -> None:
    spool.outbox.remember(Anchor(clock.true_ms - clock.boot_ms(), 5, clock.boot_ms()))


def times(spool: Spool) -> list[int]:
    return [entry.captured_at_ms for entry in spool.outbox.next("door", 100, 10**9)]


def test_the_anchor_is_the_middle_of_the_round_trip() -> None:
    clock = FakeClock()
    time = ServiceTime(clock)
    time.observe(service_ms=1_000_000, sent_boot_ms=100, received_boot_ms=300)
    assert time.anchor == Anchor(offset_ms=999_800, uncertainty_ms=101, at_boot_ms=300)


def test_a_surer_sample_replaces_a_less_sure_one_and_not_the_other_way_round() -> None:
    time = ServiceTime(FakeClock())
    time.observe(1_000_000, 0, 2_000)
    assert time.observe(1_000_100, 0, 100) is True
    assert time.observe(1_001_500, 0, 3_000) is False
    assert time.anchor == Anchor(1_000_050, 51, 100)


def test_one_odd_answer_moves_nothing_and_two_that_agree_do() -> None:
    time = ServiceTime(FakeClock())
    time.observe(1_000_000, 0, 10)
    assert time.observe(4_600_000, 10, 20) is False
    time.observe(1_000_020, 20, 30)
    assert time.observe(4_600_030, 30, 40) is False
    assert time.observe(4_600_040, 40, 50) is True
    assert time.anchor is not None
    assert time.anchor.offset_ms == 4_599_995


def test_an_anchor_grows_less_sure_with_its_age() -> None:
    clock = FakeClock()
    time = ServiceTime(clock)
    time.observe(clock.true_ms, clock.boot_ms(), clock.boot_ms())
    assert time.good()
    clock.pass_(2 * 3_600_000)
    assert not time.good(), "100 ppm of two hours are 0.72 s"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(-40, 40)), min_size=1, max_size=25))
def test_times_of_one_source_are_in_order_however_the_anchor_is_refined(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    clock = FakeClock()
    with spools.opened(tmp_path_factory.mktemp("spool"), clock=clock) as spool:
        found = []
        for number, (passed_ms, refined_ms) in enumerate(steps):
            clock.pass_(passed_ms)
            take(spool, number, clock)
            spool.outbox.remember(Anchor(BOOTED_MS + refined_ms, 50, clock.boot_ms()))
            found = times(spool)
            assert abs(found[-1] - clock.true_ms) < 1_000
        assert found == sorted(set(found))


def test_two_sources_of_a_camera_do_not_hold_up_each_others_times(tmp_path: Path) -> None:
    clock = FakeClock()
    with spools.opened(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
        take(spool, 1, clock, "rtsp")
        take(spool, 2, clock, "usb")
        assert times(spool) == [clock.true_ms, clock.true_ms]


def test_a_boot_that_never_reached_the_service_is_taken_at_its_clocks_last_word(tmp_path: Path) -> None:
    """Its clock was a day slow, then was set right: all of its pictures are put right with it."""
    clock = FakeClock(wall_error_ms=-86_400_000)
    truth = []
    with spools.opened(tmp_path, clock=clock) as spool:
        for number in range(4):
            if number == 3:
                clock.wall_error_ms = 0
            truth.append(clock.true_ms)
            take(spool, number, clock)
            clock.pass_(60_000)
    clock.boot_again("boot-2", off_ms=3_600_000)
    with spools.opened(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
        assert times(spool) == truth


def test_pictures_of_an_earlier_boot_are_not_later_than_the_next_boot(tmp_path: Path) -> None:
    clock = FakeClock(wall_error_ms=86_400_000)
    with spools.opened(tmp_path, clock=clock) as spool:
        take(spool, 1, clock)
    clock.boot_again("boot-2", off_ms=10_000)
    with spools.opened(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
        assert times(spool) == [clock.true_ms]


def test_the_anchor_of_a_boot_survives_the_process(tmp_path: Path) -> None:
    clock = FakeClock(wall_error_ms=5_000_000)
    with spools.opened(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
    clock.pass_(1_000)
    with spools.opened(tmp_path, clock=clock) as spool:
        take(spool, 1, clock)
        assert times(spool) == [clock.true_ms]


def test_a_stated_time_is_never_corrected(tmp_path: Path) -> None:
    clock = FakeClock(wall_error_ms=5_000_000)
    with spools.opened(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
        data = pictures.jpeg(1)
        content = content_of(data)
        assert content is not None
        spool.intake.add(Origin("door", "test"), data, content, Stamp(stated_ms=123_456_789))
        assert times(spool) == [123_456_789]
