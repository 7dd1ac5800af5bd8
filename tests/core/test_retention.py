"""How much of a kind one sweep deletes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.retention import FEW, OVERDUE, PATIENCE, SHARE, Withheld, withheld

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
    is_much = overdue > FEW and overdue > (overdue + others) / SHARE
    assert (withheld(before, overdue, overdue + others, NOW) is not None) is is_much


@given(BEFORE)
def test_what_is_withheld_goes_after_a_week_of_looks_only(before: Withheld | None) -> None:
    found = withheld(before, 10, 10, NOW)
    assert found
    if found.is_over:
        assert before
        assert NOW - before.since >= PATIENCE
        assert timedelta(0) <= NOW - before.at <= OVERDUE


@given(st.lists(st.integers(1, 48), min_size=30, max_size=60))
def test_each_look_within_two_days_brings_the_end_nearer(hours: list[int]) -> None:
    found, now = withheld(None, 10, 10, NOW), NOW
    for step in hours:
        now += timedelta(hours=step)
        found = withheld(found, 10, 10, now)
        assert found
        assert found.since == NOW
    assert found
    assert found.is_over is (now - NOW >= PATIENCE)
