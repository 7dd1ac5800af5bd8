"""When a place is told to be full, or free: one event of each kind a minute, and none is lost."""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import counts
from chalicelib.domain.counts import MINUTE_MS, Place

PLACE = Place("1", "Shop", ("door",), full_at=5)
steps = st.lists(st.tuples(st.integers(0, 2 * MINUTE_MS), st.booleans()), max_size=40)


turn_place = partial(counts.turn_place, held_ms=MINUTE_MS)


def test_what_was_not_told_is_told_by_a_later_report() -> None:
    place, told = PLACE, []
    for second, is_full in enumerate([True, False, True, False, True]):
        place, turns = turn_place(place, 1_000_000 + 1000 * second, is_full=is_full)
        told.append(turns)
    assert told == [1, 1, 0, 0, 0]
    assert turn_place(place, 1_000_000 + MINUTE_MS, is_full=True)[1] == 3


@given(steps)
def test_each_turn_is_told_once_and_no_kind_twice_in_a_minute(
    steps: list[tuple[int, bool]],
) -> None:
    place, now_ms, was_full, turned, told = PLACE, MINUTE_MS * 10, False, 0, 0
    told_at: dict[bool, int] = {}
    for wait_ms, is_full in steps:
        now_ms += wait_ms
        turned += is_full is not was_full
        was_full = is_full
        place, turns = turn_place(place, now_ms, is_full=is_full)
        if turns:
            assert now_ms - told_at.get(is_full, 0) >= MINUTE_MS
            told_at[is_full] = now_ms
        told += turns
        assert told + place.untold_turns == turned
    place, turns = turn_place(place, now_ms + MINUTE_MS, is_full=was_full)
    assert place.is_full is was_full, "after a minute of peace hooks know how it is"


def test_a_person_waits_for_nothing_and_a_clock_that_was_ahead_holds_nothing_back() -> None:
    place = PLACE
    for second, is_full in enumerate([True, False]):
        place, _ = turn_place(place, MINUTE_MS * 9_999 + second, is_full=is_full)
    assert counts.turn_place(place, MINUTE_MS * 9_999 + 2, is_full=True, held_ms=0)[1] == 1
    assert turn_place(place, MINUTE_MS * 9, is_full=True)[1] == 1
