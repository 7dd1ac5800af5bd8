"""What a merge or its undo makes invalid it has sealed anew, behind the request; until then figures
say that they are old."""

import json
from contextlib import closing
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chalicelib.book.statistics.calendar import FEW_DAYS
from chalicelib.book.statistics.days import ASKED_AGAIN_AFTER_MS
from chalicelib.book.statistics.statistics import Answer, Question
from chalicelib.domain.local_time import Granularity, Span
from chalicelib.domain.observations import EVERYTHING, SIGHTINGS, Measure, Split
from chalicelib.storage.records.merges import MergeState
from chalicelib.storage.values import milliseconds
from tests.support.book.book import MONDAY, Book, shot
from tests.support.storage.failing import UNANSWERED, WRITES, Calls

DAY = 24 * 60
MANY = FEW_DAYS + 2
SPAN = Span(milliseconds(MONDAY), milliseconds(MONDAY + timedelta(days=60)))


@pytest.fixture
def book(agreeing: Book) -> Book:
    agreeing.services.statistics.days.most_counted_anew = 0
    return agreeing


def come(book: Book, days: int) -> tuple[str, str]:
    """Two people come each day, and all days are sealed. Return their ids."""
    seen = book.see(*(shot(DAY * day + 60 * seed, seed) for day in range(days) for seed in (1, 2)))
    book.clock.advance(timedelta(days=2))
    assert len(book.services.statistics.sealing.seal_tenant(book.tenant)) >= days
    take(book)
    first, second, *_ = (capture.sightings[0].faceid or "" for capture in seen)
    return first, second


def take(book: Book) -> list[dict[str, Any]]:
    """Take the messages that wait, and return them."""
    taken = []
    while messages := book.storage.index_queue.receive(10, 60):
        for message in messages:
            taken.append(json.loads(message.body))
            book.storage.index_queue.delete(message.receipt)
    return taken


def do(book: Book, messages: list[dict[str, Any]]) -> None:
    for message in messages:
        book.services.sweep.handle_message(json.dumps(message), 1, lambda: float("inf"))


def ask(book: Book, measure: Measure, split: Split | None = None) -> Answer:
    question = Question(SPAN, Granularity.DAY, measure, split, SIGHTINGS)
    return book.services.statistics.answer(book.tenant, question)


def exact(book: Book, measure: Measure, split: Split | None = None) -> Any:
    question = Question(SPAN, Granularity.DAY, measure, split, SIGHTINGS)
    return book.services.statistics.list_buckets(book.tenant, question)


ASKED = [
    (Measure.PERSONS, None),
    (Measure.PRESENT, None),
    (Measure.OBSERVATIONS, Split.CAMERA),
    (Measure.ARRIVALS, Split.VISIT),
]


def test_figures_say_that_they_are_old_until_the_days_of_a_merge_are_sealed_again(
    book: Book,
) -> None:
    first, second = come(book, MANY)
    before = [ask(book, *asked) for asked in ASKED]
    assert {answer.days_counted_again for answer in before} == {0}
    merging = book.services.merges.merging
    merge = merging.merge(book.tenant, first, second)
    assert merge.state is MergeState.DONE
    for act in (lambda: None, lambda: merging.undo(book.tenant, merge.id)):
        act()
        behind = take(book)
        assert [message["chores"] for message in behind] == [["seals"]]
        for asked, answer in zip(ASKED, before, strict=True):
            old = ask(book, *asked)
            assert (old.buckets, old.days_counted_again) == (answer.buckets, MANY)
        stays = ask(book, Measure.ARRIVALS, Split.STAY).buckets
        assert {sum(bucket.amounts.values()) for bucket in stays} == {2}, "some may be unknown"
        totals = book.services.statistics.count_totals(book.tenant, SPAN, EVERYTHING, set())
        assert (totals.arrivals, totals.days_counted_again) == (2 * MANY, MANY)
        do(book, [*behind, *take(book)])
        before = [ask(book, *asked) for asked in ASKED]
        assert {answer.days_counted_again for answer in before} == {0}
        assert [answer.buckets for answer in before] == [exact(book, *asked) for asked in ASKED]
    persons = [sum(bucket.amounts.values()) for bucket in before[0].buckets]
    assert persons == [2] * MANY, "after the undo"


def test_a_week_that_is_told_once_has_no_old_figures(book: Book) -> None:
    first, second = come(book, MANY)
    book.services.merges.merging.merge(book.tenant, first, second)
    weeks, tuesday = book.services.sightings.weeks, MONDAY.date() + timedelta(1)
    week = weeks.count_week(book.tenant, tuesday)
    assert ask(book, Measure.PERSONS).days_counted_again == MANY
    assert [figures.people for _, figures in week.days] == [1] * 7
    assert (week.total.people, week.total.visits) == (1, sum(one.visits for _, one in week.days))


def test_a_merge_of_few_days_is_counted_at_once_and_sealed_by_the_sweep(book: Book) -> None:
    first, second = come(book, FEW_DAYS)
    book.services.merges.merging.merge(book.tenant, first, second)
    assert take(book) == []
    for asked in ASKED:
        answer = ask(book, *asked)
        assert (answer.buckets, answer.days_counted_again) == (exact(book, *asked), 0)


def test_who_is_told_old_figures_of_many_small_merges_has_their_days_sealed(book: Book) -> None:
    people = range(MANY)
    seen = book.see(
        *(shot(DAY * seed + side, 2 * seed + side) for seed in people for side in (0, 1))
    )
    faceids = [capture.sightings[0].faceid or "" for capture in seen]
    book.clock.advance(timedelta(days=2))
    book.services.statistics.sealing.seal_tenant(book.tenant)
    take(book)
    for first, second in zip(faceids[::2], faceids[1::2], strict=True):
        book.services.merges.merging.merge(book.tenant, first, second)
    assert take(book) == []
    for measure in (Measure.OBSERVATIONS, Measure.PERSONS):
        assert ask(book, measure).days_counted_again == MANY
    totals = book.services.statistics.count_totals(book.tenant, SPAN, EVERYTHING, set())
    assert totals.days_counted_again == MANY
    asked = take(book)
    assert [message["chores"] for message in asked] == [["seals"]]
    do(book, asked)
    assert ask(book, Measure.PERSONS) == Answer(exact(book, Measure.PERSONS), 0, 0)
    assert take(book) == []


def make_old(book: Book) -> None:
    """Let more days be old than a question counts anew, and ask for no sealing."""
    for day in range(MANY):
        book.see(shot(DAY * day + next(LATE), 3))
    assert take(book) == []


LATE = count(120)
"""Minutes of a day at which somebody is seen late."""


def ask_a_hundred_times(book: Book) -> None:
    """Ask as many screens do: of all measures, and for totals."""
    statistics = book.services.statistics
    for asked in (ASKED * 25)[1:]:
        assert ask(book, *asked).days_counted_again == MANY
    totals = statistics.count_totals(book.tenant, SPAN, EVERYTHING, set())
    assert totals.days_counted_again == MANY


def test_a_hundred_questions_ask_once_for_old_days_to_be_sealed(book: Book) -> None:
    come(book, MANY)
    for _ in range(2):
        make_old(book)
        ask_a_hundred_times(book)
        asked = take(book)
        assert [message["chores"] for message in asked] == [["seals"]]
        do(book, asked)
        assert ask(book, Measure.PERSONS).days_counted_again == 0
    assert take(book) == []


@pytest.mark.parametrize("seals", ["another question", "the hour's sweep"])
def test_a_lost_message_for_old_days_is_no_harm(book: Book, seals: str) -> None:
    come(book, MANY)
    make_old(book)
    ask_a_hundred_times(book)
    assert len(take(book)) == 1, "and it is lost"
    if seals == "another question":
        book.clock.advance(timedelta(milliseconds=ASKED_AGAIN_AFTER_MS))
        ask_a_hundred_times(book)
        do(book, take(book))
    else:
        book.sweep()
    assert ask(book, Measure.PERSONS).days_counted_again == 0
    make_old(book)
    ask(book, Measure.PERSONS)
    assert [message["chores"] for message in take(book)] == [["seals"]]


def test_a_clock_that_was_ahead_holds_no_sealing_up(book: Book) -> None:
    come(book, MANY)
    book.clock.advance(timedelta(hours=1))
    make_old(book)
    ask(book, Measure.PERSONS)
    assert len(take(book)) == 1, "and it is lost"
    book.clock.advance(timedelta(minutes=-1))
    ask(book, Measure.PERSONS)
    assert len(take(book)) == 1


def test_of_two_processes_that_are_asked_at_once_one_sends_a_message(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Book(tmp_path / "data", wrap=calls.wrap)) as book:
        book.services.statistics.days.most_counted_anew = 0
        come(book, MANY)
        make_old(book)
        calls.let(1, lambda: ask(book, Measure.PERSONS), "items.transact")
        assert ask(book, Measure.PERSONS).days_counted_again == MANY
        assert len(take(book)) == 1


def test_figures_are_told_even_if_nobody_can_be_asked_to_seal_days(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Book(tmp_path / "data", wrap=calls.wrap)) as book:
        book.services.statistics.days.most_counted_anew = 0
        come(book, MANY)
        make_old(book)
        for writes in ("items.transact", "index_queue.send"):
            calls.fail(1, UNANSWERED, writes)
            assert ask(book, Measure.PERSONS).days_counted_again == MANY
            assert take(book) == []


def test_a_question_about_sealed_days_writes_nothing(tmp_path: Path) -> None:
    calls = Calls()
    with closing(Book(tmp_path / "data", wrap=calls.wrap)) as book:
        come(book, MANY)
        calls.names.clear()
        for asked in ASKED:
            ask(book, *asked)
        assert not {name for name in calls.names if name.partition(".")[2] in WRITES}


def test_a_change_of_zone_has_all_days_sealed_anew(book: Book) -> None:
    come(book, MANY)
    book.services.tenants.change_settings("shop", {"time_zone": "Asia/Tokyo"})
    asked = take(book)
    assert [message["chores"] for message in asked] == [["seals"]]
    do(book, asked)
    assert book.services.statistics.sealing.seal_tenant(book.tenant) == []
    book.services.tenants.change_settings("shop", {"display_name": "Corner shop"})
    assert take(book) == []
    book.services.tenants.change_settings("shop", {"time_zone": "UTC"})


def test_what_a_request_has_no_time_for_is_moved_behind_it_and_sealed(book: Book) -> None:
    first, second = come(book, MANY)
    book.services.merges.mover.request_cpu_s = -1.0
    merge = book.services.merges.merging.merge(book.tenant, first, second)
    assert merge.state is MergeState.MOVING
    behind = take(book)
    assert [message["chores"] for message in behind] == [["merges", "seals"]]
    do(book, behind)
    assert book.services.merges.records.get("shop", merge.id).state is MergeState.DONE
    assert ask(book, Measure.PERSONS).days_counted_again == 0
    persons = [sum(one.amounts.values()) for one in ask(book, Measure.PERSONS).buckets]
    assert persons == [1] * MANY


def test_sealing_stops_when_the_time_is_over_and_goes_on_by_another_message(book: Book) -> None:
    come(book, MANY)
    late = shot(0, 3)
    book.see(late, *(shot(DAY * day + 30, 3) for day in range(1, MANY)))
    left = iter([1_000.0, 1_000.0, 0.0])
    body = {"tenant": "shop", "hour": milliseconds(book.clock.now()), "chores": ["seals"]}
    message = json.dumps({**body, "after": "", "is_part": True})
    book.services.sweep.handle_message(message, 1, lambda: next(left, 0.0))
    [more] = take(book)
    assert more["chores"] == ["seals"]
    do(book, [more])
    assert book.services.statistics.sealing.seal_tenant(book.tenant) == []
