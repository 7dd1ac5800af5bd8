"""The proof of a count is what people saw, beside what was counted."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.checks import (
    MOST_ANSWERS,
    NEEDED_ANSWERS,
    CheckAnswer,
    add_answer,
    measure_proof,
)
from chalicelib.storage.records.checks import StoredChecks, checks_from, checks_item

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LINE, OTHER = ((0.1, 0.5), (0.9, 0.5)), ((0.2, 0.5), (0.9, 0.5))
Pair = tuple[int, int]


def answer(ago: int, counted: Pair | None, seen: Pair, line: object = LINE) -> CheckAnswer:
    at = NOON - timedelta(minutes=ago)
    return CheckAnswer(at, line, counted, seen, "key 1", NOON)  # type: ignore[arg-type]


def test_there_is_no_share_before_ten_answers_and_none_of_a_way_that_nobody_went() -> None:
    answers = [answer(ago, (4, 0), (5, 0)) for ago in range(NEEDED_ANSWERS)]
    assert measure_proof(answers[1:], LINE)[:4] == (9, 0, None, None)
    proof = measure_proof(answers, LINE)
    assert (proof.right_in, proof.right_out, proof.of) == (0.8, None, 50)
    assert [minute[1:] for minute in proof.wrong] == [((4, 0), (5, 0))] * 5
    assert proof.wrong[0].at == NOON, "of equal ones the newest"


def test_a_share_is_cut_and_not_rounded_so_that_less_than_nine_tenths_is_said() -> None:
    answers = [answer(ago, (3_000, 0), (3_000, 0)) for ago in range(1, NEEDED_ANSWERS)]
    answers.append(answer(0, (0, 0), (3_001, 0)))
    proof = measure_proof(answers, LINE)
    assert proof.right_in == 0.8999, "it would be rounded to 0.9"
    assert proof.wrong != ()


def test_who_is_counted_where_nobody_walked_is_wrong() -> None:
    answers = [answer(ago, (5, 0), (0, 0)) for ago in range(NEEDED_ANSWERS)]
    proof = measure_proof(answers, LINE)
    assert (proof.right_in, proof.right_out, proof.of) == (0.0, None, 0)
    assert [minute[1:] for minute in proof.wrong] == [((5, 0), (0, 0))] * 5


def test_a_wrong_minute_says_both_numbers_of_both_directions() -> None:
    answers = [answer(ago, (1, 1), (1, 1)) for ago in range(1, NEEDED_ANSWERS)]
    proof = measure_proof([*answers, answer(0, (9, 0), (0, 8))], LINE)
    assert proof.wrong == ((NOON, (9, 0), (0, 8)),)


def test_minutes_without_a_number_and_other_lines_are_not_wrong() -> None:
    answers = [answer(ago, (5, 1), (5, 1)) for ago in range(NEEDED_ANSWERS)]
    others = [answer(100, None, (50, 0)), answer(101, (0, 0), (50, 0), OTHER)]
    proof = measure_proof([*answers, *others], LINE)
    assert proof == (10, 1, 1.0, 1.0, 60, (), 0)


numbers = st.tuples(st.integers(0, 40), st.integers(0, 40))
pairs = st.lists(st.tuples(numbers, numbers), min_size=NEEDED_ANSWERS, max_size=40)


@given(pairs)
def test_a_share_is_whole_exactly_if_all_is_right_and_its_order_says_nothing(
    told: list[tuple[Pair, Pair]],
) -> None:
    answers = [answer(ago, *pair) for ago, pair in enumerate(told)]
    proof = measure_proof(answers, LINE)
    assert measure_proof(random.Random(1).sample(answers, len(answers)), LINE) == proof
    for way, share in enumerate((proof.right_in, proof.right_out)):
        seen = sum(pair[1][way] for pair in told)
        is_right = all(counted[way] == looked[way] for counted, looked in told)
        assert (share is None) == (seen == 0 and is_right)
        assert share is None or (0 <= share <= 1 and (share == 1.0) == is_right)


def test_of_more_answers_than_are_kept_those_that_were_given_last_stay_and_one_of_a_minute() -> (
    None
):
    given = random.Random(2).sample(range(MOST_ANSWERS + 5), MOST_ANSWERS + 5)
    answers: list[CheckAnswer] = []
    for after, ago in enumerate(given):
        one = answer(ago, (1, 1), (1, 1))._replace(answered_at=NOON + timedelta(seconds=after))
        answers = add_answer(answers, one)
    again = answer(given[9], (1, 1), (2, 1))._replace(answered_at=NOON + timedelta(days=1))
    answers = add_answer(answers, again)
    assert [one.at for one in answers] == [
        NOON - timedelta(minutes=ago) for ago in sorted(given[5:], reverse=True)
    ]
    assert again in answers


def test_two_hundred_answers_are_some_kilobytes() -> None:
    drawn = random.Random(3)
    answers = tuple(
        answer(ago * 777, (drawn.randrange(30), drawn.randrange(30)), (drawn.randrange(30), 9))
        for ago in reversed(range(MOST_ANSWERS))
    )
    checks = StoredChecks(None, answers)
    item = checks_item("shop", "door", checks, 1)
    assert checks_from(item) == checks
    assert len(item["checks"]) < 6_000
