from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.jobs import SETTLED, TRUSTED, Called, judge_clock

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTES = st.integers(-600 * 1_440, 600 * 1_440)


def calls(*minutes: int) -> list[Called]:
    """Return what is noted of calls, each so many minutes after the one before."""
    noted = [judge_clock(None, START)]
    for step in minutes:
        noted.append(judge_clock(noted[-1], noted[-1].at + timedelta(minutes=step)))
    return noted


@given(st.lists(st.one_of(MINUTES, st.integers(-2, 90)), max_size=12))
def test_a_time_is_believed_only_after_calls_near_it_or_near_one_that_was(steps: list[int]) -> None:
    for before, now in zip(noted := calls(*steps), noted[1:], strict=False):
        near_believed = abs(now.at - before.believed_at) <= TRUSTED
        near_doubted = before.doubted_since is not None and abs(now.at - before.at) <= TRUSTED
        assert now.doubted_since is not None or near_believed or near_doubted
        if now.doubted_since is None and not near_believed:
            assert before.doubted_since
            assert now.at - before.doubted_since >= SETTLED
        assert (now.believed_at == now.at) is (
            now.doubted_since is None
        ) or now.at == before.believed_at


@given(MINUTES, MINUTES)
def test_two_jumps_are_both_doubted_unless_the_second_leads_back(one: int, other: int) -> None:
    jump, then = (timedelta(minutes=one), timedelta(minutes=other))
    if min(map(abs, (jump, then, jump + then))) > TRUSTED:
        assert [call.doubted_since is None for call in calls(one, other)] == [True, False, False]


@given(MINUTES)
def test_a_clock_that_runs_on_is_believed_an_hour_after_it_jumped_wherever_it_is(jump: int) -> None:
    assert calls(jump, 60)[-1].doubted_since is None
    assert calls(jump, -jump)[-1].doubted_since is None


@given(st.lists(st.one_of(MINUTES, st.integers(-2, 90)), max_size=12))
def test_a_settled_time_is_an_earlier_calls_that_was_believed(steps: list[int]) -> None:
    noted = calls(*steps)
    for number, call in enumerate(noted):
        believed = [one.at for one in noted[:number] if one.doubted_since is None]
        if call.settled_at is not None:
            assert call.settled_at in believed
            assert call.at - call.settled_at >= SETTLED
        elif number and call.doubted_since is None and noted[number - 1].doubted_since is None:
            assert call.at - believed[-1] < SETTLED
