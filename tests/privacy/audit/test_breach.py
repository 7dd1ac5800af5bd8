"""Entries of reading, from an answer to what `regulars audit breach` prints: closed, erased, cut
off, counted."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api.dialects import READS
from chalicelib.domain import audit_events
from chalicelib.domain.audit_events import AuditEvent, kind_of
from chalicelib.domain.errors import StorageUnavailable
from chalicelib.privacy.audit.audit import Reads
from chalicelib.privacy.audit.breach import Breach, Breaches
from chalicelib.privacy.audit_entries import READ, READING, EntryFilter, is_by
from chalicelib.privacy.reading import Data, Tally, caller_of
from chalicelib.storage import keys
from chalicelib.storage.items import write
from chalicelib.storage.ports import Put
from tests.privacy.audit.steps import settle
from tests.support.audit.desk import HOUR, TENANT, Desk, desk, open_items
from tests.support.examples import examples

LIST = "GET /v1/faces"
FACES, BLIND = {"estimates", "names", "visits"}, "key blind"


def enter_reading(
    made: Desk, *faces: str, by: str = "key first", what: str = LIST, unnamed: int = 0
) -> None:
    """Answer as a process that has answered nothing yet in this hour."""
    made.clock.advance(timedelta(milliseconds=1))
    with Reads(made.book).enter_act(
        AuditEvent(what, by, kind_of(what), TENANT, tells=READS.get(what, ()))
    ):
        audit_events.report_people(faces, unnamed=unnamed)


def breach(made: Desk, by: str = "key first", since: timedelta = 100 * HOUR) -> Breach:
    since_ms = int((made.clock.now() - since).timestamp() * 1000)
    return Breaches(made.book).find_reads(TENANT, by, since_ms, READS)


def close_hours(made: Desk, what: str) -> list[dict[str, Any]]:
    return [one for one in made.entries() if one["what"] == what]


@pytest.mark.parametrize("is_closed", [False, True])
def test_who_was_read_is_said_whether_the_hour_is_closed_or_not(
    made: Desk, is_closed: bool
) -> None:
    enter_reading(made, "anna", "ben")
    enter_reading(made, "ben", what="POST /v1/identify")
    enter_reading(made, "cleo", by="key other")
    if is_closed:
        settle(made)
    tally = breach(made).tally
    assert tally.kinds == {"anna": FACES, "ben": {*FACES, "pictures", "likeness"}}
    assert tally.people == (2, 2)
    assert tally.by_kind[Data.LIKENESS] == (1, 1)
    assert tally.acts == {LIST, "POST /v1/identify"}
    assert made.verify().findings == []


def test_an_hour_of_one_caller_is_one_entry_with_the_numbers_and_the_list_shows_no_other(
    made: Desk,
) -> None:
    for number in range(5):
        enter_reading(made, "anna", f"face-{number}")
    enter_reading(made, "anna", by="key other")
    settle(made)
    numbers = {
        one["by"]: (one["people"], one["kinds"]["names"]) for one in close_hours(made, READING)
    }
    assert numbers == {"key first": (6, 6), "key other": (1, 1)}
    listed = [entry["what"] for _, entry in made.chain.read_page(TENANT, EntryFilter()).rows]
    assert listed.count(READING) == 2
    assert READ not in listed
    (by_face,) = made.chain.read_page(TENANT, EntryFilter(face="face-3")).rows
    assert by_face[1]["by"] == "key first"


def test_an_erasure_takes_the_person_and_leaves_the_others_and_the_number(made: Desk) -> None:
    people = [f"face-{number}" for number in range(40)]
    enter_reading(made, *people)
    settle(made)
    enter_reading(made, *people)
    made.erasing.erase(TENANT, ["face-7"], "erasure 1")
    assert "face-7" not in str(open_items(made))
    assert all(
        "face-7" not in str(leaf) for one in made.elements for leaf in made.chain.read_leaves(one)
    )
    found = breach(made)
    assert found.tally.kinds.keys() == {*people} - {"face-7"}
    assert found.tally.people[1] >= 40
    assert made.verify().findings == []
    settle(made)
    assert breach(made).tally.kinds.keys() == {*people} - {"face-7"}
    assert [one["people"] for one in close_hours(made, READING)] == [40, 40]
    assert made.verify().findings == []


def test_of_many_people_an_erasure_takes_a_fiftieth_of_the_names_at_most(made: Desk) -> None:
    enter_reading(made, *(f"face-{number}" for number in range(1_000)))
    settle(made)
    made.erasing.erase(TENANT, ["face-7"], "erasure 1")
    assert breach(made).tally.people == (980, 1_000)


def test_more_people_than_are_named_are_counted(made: Desk) -> None:
    enter_reading(made, *(f"face-{number}" for number in range(12_000)), what="GET /v1/face-ids")
    assert breach(made).tally.people == (10_000, 12_000)
    settle(made)
    assert breach(made).tally.people == (10_000, 12_000)


def test_people_without_a_face_are_counted(made: Desk) -> None:
    enter_reading(made, "anna", what="compreface list_subjects", unnamed=2)
    assert breach(made).tally.by_kind == {Data.NAMES: (1, 3)}
    settle(made)
    assert breach(made).tally.by_kind == {Data.NAMES: (1, 3)}
    assert close_hours(made, READING)[0]["people"] == 3


def test_what_a_change_answers_is_in_its_own_entry_and_makes_no_other(made: Desk) -> None:
    what = "PATCH /v1/faces/{id}"
    with Reads(made.book).enter_act(
        AuditEvent(what, "key first", kind_of(what), TENANT, {"face": "anna"})
    ):
        write(made.audited, [Put(keys.FACES, {"tenant": TENANT, "faceid": "anna"})])
        audit_events.report_people(["anna"])
    assert [item["entry"].count("people read") for item in open_items(made)] == [0]
    assert breach(made).tally.kinds == {"anna": {*FACES, "pictures"}}


def test_of_one_process_who_is_read_again_makes_no_entry_until_the_next_hour(made: Desk) -> None:
    reads = Reads(made.book)
    for _ in range(3):
        with reads.enter_act(AuditEvent(LIST, "key first", kind_of(LIST), TENANT)):
            audit_events.report_people(["anna"], unnamed=1)
    assert len(open_items(made)) == 1
    made.clock.advance(HOUR)
    with reads.enter_act(AuditEvent(LIST, "key first", kind_of(LIST), TENANT)):
        audit_events.report_people(["anna"])
    assert len(open_items(made)) == 2


def test_an_answer_is_not_given_if_its_entry_cannot_be_written(made: Desk) -> None:
    class Full(Reads):
        def _close(self, act: object) -> None:
            raise StorageUnavailable("the disk is full")

    with (
        pytest.raises(StorageUnavailable),
        Full(made.book).enter_act(AuditEvent(LIST, "key first", kind_of(LIST), TENANT)),
    ):
        audit_events.report_people(["anna"])


@examples(30, 500)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4), st.integers(0, 2), st.sampled_from(("read", "close", "cut", "wait"))
        )
    )
)
def test_however_processes_read_and_closings_are_cut_off_each_person_is_said_and_none_twice(
    steps: list[tuple[int, int, str]],
) -> None:
    with desk() as made:
        told: dict[str, set[str]] = {"key 0": set(), "key 1": set(), "key 2": set()}
        for face, key, step in steps:
            if step == "read":
                enter_reading(made, f"face-{face}", by=f"key {key}")
                told[f"key {key}"].add(f"face-{face}")
            elif step == "wait":
                made.clock.advance(timedelta(minutes=35))
            else:
                before = open_items(made)
                made.close()
                if step == "cut":  # after the element, before its items are deleted
                    write(
                        made.items, [Put(keys.AUDIT, item) for item in before[:50]]
                    ) if before else None
        for by, faces in told.items():
            assert breach(made, by).tally.people == (len(faces), len(faces))
        settle(made)
        for by, faces in told.items():
            assert breach(made, by).tally.kinds.keys() == faces
        assert made.verify().findings == []


def test_what_left_as_a_whole_is_said(made: Desk) -> None:
    made.write("regulars backup", "operator")
    assert [what for _, what in breach(made, "operator").tally.whole] == ["regulars backup"]


def test_what_nobody_can_say_is_counted(made: Desk) -> None:
    made.act("anna")
    settle(made)
    made.act("ben")
    settle(made)
    made.erasing.erase(TENANT, ["anna"], "erasure 1")
    found = breach(made)
    assert (found.erased, found.let_go, found.unreadable) == (1, 0, 0)
    made.overwrite(made.elements[-1], [])
    assert breach(made).unreadable == 1


@pytest.mark.parametrize(
    ("key", "by", "is_theirs"),
    [
        ("first", "key first", True),
        ("first", "key first, signed in", True),
        ("first", "key firsts", False),
        ("member 7", "Maria (manager), member 7", True),
        ("member 7", "member 7 (manager), member 8", False),
        ("camera door", "camera door", True),
        ("app_id", "app_id", True),
        ("operator", "operator", True),
    ],
)
def test_a_caller_is_named_by_its_id(key: str, by: str, is_theirs: bool) -> None:
    assert is_by({"by": by}, caller_of(key)) is is_theirs


def test_without_an_entry_nobody_was_read() -> None:
    assert (Tally(READS).people, Tally(READS).by_kind) == ((0, 0), {})
