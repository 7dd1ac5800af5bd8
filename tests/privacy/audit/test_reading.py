from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidInput
from chalicelib.privacy.audit.chain import Chain
from chalicelib.privacy.audit_entries import EntryFilter
from tests.privacy.audit.steps import STEPS, Step, play, settle
from tests.support.audit.desk import HOUR, TENANT, Desk, desk
from tests.support.examples import examples
from tests.support.paged import paged


def read(
    made: Desk, wanted: EntryFilter, limit: int, between: int = 0, hours_a_page: int = 200
) -> list[str]:
    """The ids of all pages.

    `between`: minutes that pass between two pages, after which hours are closed.
    """
    reading = Chain(made.book)
    reading.hours_a_page = hours_a_page
    found: list[str] = []
    for page in paged(lambda token: reading.read_page(TENANT, wanted, limit, token)):
        found += [str(entry["id"]) for _, entry in page.rows]
        if between:
            made.clock.advance(timedelta(minutes=between))
            made.close()
    return found


@examples(40, 1_000)
@example([("act", 0), ("wait", 70), ("act", 0), ("close", 0), ("late act", 1)], 1, 180)
@given(STEPS, st.integers(1, 7), st.sampled_from((0, 30, 180)))
def test_pages_of_any_size_hold_every_entry_once(
    steps: list[Step], limit: int, between: int
) -> None:
    with desk() as made:
        written = play(made, [step for step in steps if step[0] not in ("erase", "trim", "renew")])
        found = read(made, EntryFilter(), limit, between)
        assert sorted(found) == sorted(written)


def test_the_newest_come_first_open_or_closed(made: Desk) -> None:
    ids = []
    for _ in range(3):
        ids.append(made.act("anna"))
        made.clock.advance(timedelta(minutes=40))
        made.close()
    assert read(made, EntryFilter(), 2) == ids[::-1]


def test_entries_are_found_by_face_act_actor_and_time(made: Desk) -> None:
    anna, ben = made.act("anna"), made.act("ben", what="DELETE /v1/faces/{id}")
    settle(made)
    late = made.act("anna")
    now = int(made.clock.now().timestamp() * 1000)
    assert set(read(made, EntryFilter(face="anna"), 10)) == {anna, late}
    assert read(made, EntryFilter(what="DELETE /v1/faces/{id}"), 10) == [ben]
    assert read(made, EntryFilter(by="key other"), 10) == []
    assert read(made, EntryFilter(since_ms=now - 1000), 10) == [late]
    assert set(read(made, EntryFilter(until_ms=now - 1000), 10)) == {anna, ben}


def test_an_entry_that_came_after_its_hour_was_closed_is_listed_as_late(made: Desk) -> None:
    made.act("anna")
    settle(made)
    made.act("ben", late=3 * HOUR)
    settle(made)
    page = Chain(made.book).read_page(TENANT, EntryFilter())
    assert {entry["faces"][0]: entry.get("late") for _, entry in page.rows} == {
        "anna": None,
        "ben": True,
    }


def test_a_token_of_another_question_is_refused(made: Desk) -> None:
    for _ in range(3):
        made.act("anna")
    reading = Chain(made.book)
    token = reading.read_page(TENANT, EntryFilter(), 1).next_token
    with pytest.raises(InvalidInput, match="token"):
        reading.read_page(TENANT, EntryFilter(face="anna"), 1, token)


def test_many_hours_without_a_match_end_a_page_and_the_next_goes_on(made: Desk) -> None:
    first = made.act("anna")
    for _ in range(6):
        made.clock.advance(HOUR)
        made.act("ben")
        settle(made)
    assert read(made, EntryFilter(face="anna"), 5, hours_a_page=2) == [first]
