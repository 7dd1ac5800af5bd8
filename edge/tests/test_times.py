from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regulars_edge.clock import Anchor, ServiceTime, StreamTime, parse_moment
from regulars_edge.spool import spool as spools
from regulars_edge.spool.model import Limits, Origin, Stamp
from regulars_edge.spool.spool import Spool
from rig.clock import BOOTED_MS, FakeClock
from rig.spooled import add

from testing.reported import replays

DAY_MS = 86_400_000


def take(spool: Spool, number: int, clock: FakeClock, source: str = "test") -> None:
    add(spool, number, Stamp(clock.moment()), Origin("door", source))


def anchored(spool: Spool, clock: FakeClock) -> None:
    spool.remember_anchor(Anchor(clock.true_ms - clock.boot_ms(), 5, clock.boot_ms()))


def times(spool: Spool) -> list[int]:
    return [entry.captured_at_ms for entry in spool.list_next("door", 100, 10**9)]


def test_the_anchor_is_the_middle_of_the_round_trip(clock: FakeClock) -> None:
    time = ServiceTime(clock)
    time.take_sample(service_ms=1_000_000, sent_boot_ms=100, received_boot_ms=300)
    assert time.anchor == Anchor(offset_ms=999_800, uncertainty_ms=101, at_boot_ms=300)


def test_a_surer_sample_replaces_a_less_sure_one_and_not_the_other_way_round() -> None:
    time = ServiceTime(FakeClock())
    time.take_sample(1_000_000, 0, 2_000)
    for sample in ((1_000_100, 0, 100), (1_001_500, 0, 3_000)):
        time.take_sample(*sample)
        assert time.anchor == Anchor(1_000_050, 51, 100)


def test_one_odd_answer_moves_nothing_and_two_that_agree_do() -> None:
    time = ServiceTime(FakeClock())
    found = []
    for sample in (
        (1_000_000, 0, 10),
        (4_600_000, 10, 20),
        (1_000_020, 20, 30),
        (4_600_030, 30, 40),
        (4_600_040, 40, 50),
    ):
        time.take_sample(*sample)
        found.append(time.anchor.offset_ms)
    assert found == [999_995, 999_995, 999_995, 999_995, 4_599_995]


def test_an_anchor_grows_less_sure_with_its_age(clock: FakeClock) -> None:
    time = ServiceTime(clock)
    time.take_sample(clock.true_ms, clock.boot_ms(), clock.boot_ms())
    assert time.is_good()
    clock.pass_(2 * 3_600_000)
    assert not time.is_good(), "100 ppm of two hours are 0.72 s"


def test_pictures_wait_until_the_service_s_time_is_known(tmp_path: Path, clock: FakeClock) -> None:
    with spools.open_spool(tmp_path, clock=clock) as spool:
        take(spool, 1, clock)
        assert spool.needs_time("door")
        # as when the picture comes after the uploader has asked whether any waits
        assert times(spool) == []
        anchored(spool, clock)
        assert times(spool) == [clock.true_ms]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(-40, 40)), min_size=1, max_size=25))
def test_times_of_one_source_are_in_order_however_the_anchor_is_refined(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]]
) -> None:
    clock = FakeClock()
    with spools.open_spool(tmp_path_factory.mktemp("spool"), clock=clock) as spool:
        found = []
        for number, (passed_ms, refined_ms) in enumerate(steps):
            clock.pass_(passed_ms)
            take(spool, number, clock)
            spool.remember_anchor(Anchor(BOOTED_MS + refined_ms, 50, clock.boot_ms()))
            found = times(spool)
            assert abs(found[-1] - clock.true_ms) < 1_000
        assert found == sorted(set(found))


# streams


def stamps(delays_ms: list[int], *, rate: float = 1.0, frame_ms: int = 67) -> list[float]:
    """By how much each frame's stamp is off, if the frames come so late; the camera's time runs at
    `rate`."""
    time, off = StreamTime(), []
    for number, delay_ms in enumerate(delays_ms):
        true_ms = 50_000 + number * frame_ms
        presented_ms = number * frame_ms * rate
        time.note_packet(presented_ms, true_ms + delay_ms)
        off.append(time.find_taken_ms(presented_ms) - true_ms)
    return off


@settings(deadline=None)
@given(st.lists(st.integers(20, 5_000), min_size=10, max_size=300))
def test_a_stamp_is_off_by_the_least_delay_so_far_however_late_a_frame_comes(
    delays_ms: list[int],
) -> None:
    least = 10**9
    for off, delay_ms in zip(stamps(delays_ms), delays_ms, strict=True):
        least = min(least, delay_ms)
        assert 0 <= off <= least + 0.005 * 300 * 67 + 5_000 * 0.005 + 1


def test_a_stall_of_the_network_moves_no_stamp() -> None:
    stall = [20] * 100 + [max(20, 8_000 - 67 * number) for number in range(120)] + [20] * 100
    assert max(stamps(stall)) <= 100


@pytest.mark.parametrize("rate", [0.9965, 0.9999, 1.0001, 1.004])
def test_a_camera_whose_time_runs_wrong_is_followed_for_hours(rate: float) -> None:
    assert max(abs(off) for off in stamps([20] * 200_000, rate=rate)) <= 100


@replays(90, "AlexxIT/go2rtc 1943")
def test_a_camera_whose_time_begins_anew_is_followed() -> None:
    time = StreamTime()
    for presented_ms, now_ms in (
        (1_000, 60_000),
        (1_100, 60_100),
        (0, 60_200),
        (100, 60_300),
        (9_000_000, 60_400),
    ):
        time.note_packet(presented_ms, now_ms)
        assert time.find_taken_ms(presented_ms) == now_ms


def test_frames_without_presentation_times_were_taken_when_they_came() -> None:
    time = StreamTime()
    time.note_packet(None, 60_000)
    assert time.find_taken_ms(None) == 60_000


# the spool


def test_pictures_that_are_chosen_late_keep_the_times_when_they_were_taken(
    tmp_path: Path, clock: FakeClock
) -> None:
    """best_shot gives a face's best frame when the face is gone: that of the face that stays
    longest comes last."""
    with spools.open_spool(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
        for number, after_ms in enumerate((5_000, 2_000, 3_500, 1_999, 5_000)):
            add(spool, number, Stamp(parse_moment(clock, clock.boot_ms() + after_ms)))
        assert [at - clock.true_ms for at in times(spool)] == [5_000, 2_000, 3_500, 1_999, 5_001]


def test_two_sources_of_a_camera_do_not_hold_up_each_others_times(
    tmp_path: Path, clock: FakeClock
) -> None:
    with spools.open_spool(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
        take(spool, 1, clock, "rtsp")
        take(spool, 2, clock, "usb")
        assert times(spool) == [clock.true_ms, clock.true_ms]


def test_a_boot_that_never_reached_the_service_is_taken_at_its_clocks_last_word(
    tmp_path: Path,
) -> None:
    """Its clock was a day slow, then was set right: all of its pictures are put right with it."""
    clock = FakeClock(wall_error_ms=-86_400_000)
    truth = []
    with spools.open_spool(tmp_path, clock=clock) as spool:
        for number in range(4):
            if number == 3:
                clock.wall_error_ms = 0
            truth.append(clock.true_ms)
            take(spool, number, clock)
            clock.pass_(60_000)
    clock.boot_again("boot-2", off_ms=3_600_000)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
        assert times(spool) == truth


def test_pictures_of_an_earlier_boot_are_not_later_than_the_next_boot(tmp_path: Path) -> None:
    clock = FakeClock(wall_error_ms=86_400_000)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        take(spool, 1, clock)
    clock.boot_again("boot-2", off_ms=10_000)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
        assert times(spool) == [clock.true_ms]


def test_the_anchor_of_a_boot_survives_the_process(tmp_path: Path) -> None:
    clock = FakeClock(wall_error_ms=5_000_000)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
    clock.pass_(1_000)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        take(spool, 1, clock)
        assert times(spool) == [clock.true_ms]


def test_a_stated_time_is_never_corrected(tmp_path: Path) -> None:
    clock = FakeClock(wall_error_ms=5_000_000)
    with spools.open_spool(tmp_path, clock=clock) as spool:
        anchored(spool, clock)
        add(spool, 1, Stamp(stated_ms=123_456_789))
        assert times(spool) == [123_456_789]


# ages: the limits in days


def states(spool: Spool) -> list[int]:
    return [state for (state,) in spool.books.read_rows("SELECT state FROM pictures ORDER BY id")]


@pytest.mark.parametrize("wrong_ms", [-BOOTED_MS, -DAY_MS, 400 * DAY_MS])
@pytest.mark.parametrize("boots", [1, 2])
def test_the_limits_in_days_survive_a_clock_that_jumps(
    tmp_path: Path, wrong_ms: int, boots: int
) -> None:
    """1970 to now, a day back, a year ahead, within a boot and from one boot to the next; and back
    again."""
    clock = FakeClock(wall_error_ms=wrong_ms)
    limits = Limits(unsent_days=30, kept_days=30)
    for step in range(4):
        with spools.open_spool(tmp_path, limits, clock) as spool:
            take(spool, 2 * step, clock)
            take(spool, 2 * step + 1, clock)
            spool.refuse_picture(2 * step + 2, "no")
            clock.wall_error_ms = wrong_ms - clock.wall_error_ms
            spool.sweep()
            assert states(spool) == [0, 2] * (step + 1)
            assert (spool.count_totals()["door"].oldest_unsent_s or 0) == step * 3600
            clock.pass_(3_600_000)
            spool.sweep()
        if boots == 2:
            clock.boot_again(f"boot-{step + 2}", off_ms=1_000)


@pytest.mark.parametrize("boots", [1, 2])
def test_a_picture_is_as_old_as_the_machine_has_run_since(tmp_path: Path, boots: int) -> None:
    clock = FakeClock(wall_error_ms=-BOOTED_MS)
    limits = Limits(unsent_days=3, kept_days=1)
    with spools.open_spool(tmp_path, limits, clock) as spool:
        take(spool, 1, clock)
    for _ in range(2):
        with spools.open_spool(tmp_path, limits, clock) as spool:
            clock.pass_(DAY_MS + DAY_MS // 2 - 60_000)
            spool.sweep()
            assert states(spool) == [0]
        if boots == 2:
            clock.boot_again(f"boot-{clock.true_ms}", off_ms=100 * DAY_MS)
    clock.wall_error_ms = 0
    with spools.open_spool(tmp_path, limits, clock) as spool:
        clock.pass_(180_000)
        spool.sweep()
        assert states(spool) == [2]
        clock.pass_(DAY_MS + 1)
        spool.sweep()
        assert states(spool) == []
