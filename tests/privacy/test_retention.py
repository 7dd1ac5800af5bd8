from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.privacy.retention import (
    LEAST_A_SWEEP,
    ONE_IN_A_SWEEP,
    PATIENCE,
    Withheld,
    find_withheld,
)

NOW = datetime(2026, 3, 2, tzinfo=UTC)
BEFORE = st.none() | st.builds(
    lambda since, at: Withheld(9, NOW - timedelta(hours=since + at), NOW - timedelta(hours=at)),
    st.integers(0, 400),
    st.integers(-10_000, 10_000),
)


@given(BEFORE, st.integers(0, 1_000), st.integers(0, 1_000))
def test_what_is_overdue_goes_at_once_if_it_is_few_or_a_fifth_at_most(
    before: Withheld | None, overdue: int, others: int
) -> None:
    is_much = overdue > LEAST_A_SWEEP and overdue > (overdue + others) / ONE_IN_A_SWEEP
    assert (find_withheld(before, overdue, overdue + others, NOW) is not None) is is_much


@given(st.lists(st.integers(-10_000, 10_000), max_size=30))
def test_the_wait_is_a_week_of_which_each_gap_between_two_looks_counts_as_a_day_at_most(
    hours: list[int],
) -> None:
    found, now, waited = find_withheld(None, 10, 10, NOW), NOW, timedelta()
    for step in hours:
        now += timedelta(hours=step)
        waited += min(max(timedelta(hours=step), timedelta()), timedelta(days=1))
        found = find_withheld(found, 10, 10, now)
        assert found
        assert found.is_over is (waited >= PATIENCE)


def test_the_wait_begins_anew_if_much_more_is_to_go() -> None:
    at = NOW - timedelta(days=6)
    before = Withheld(20, at, NOW - timedelta(hours=1))
    assert find_withheld(before, 25, 100, NOW) == Withheld(25, at, NOW)
    assert find_withheld(before, 60, 100, NOW) == Withheld(60, NOW, NOW)
