"""A record of consent that was given before the last one ended takes no end back."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.storage.values import time_text
from tests.support.api.v1.client import V1Client, document
from tests.support.fakes import FakeClock, photo

DAY = timedelta(days=1)


OF_RIGHTS = {("PUT", "/v1/faces/{id}/consent"), ("POST", "/v1/faces")}
"""Routes that take a right with the time at which somebody gave it. Other rights are as they are
when they are said: a restriction, a hold, a withdrawal."""
OF_PICTURES = {
    ("POST", "/v1/captures"),
    ("POST", "/v1/captures/uploads"),
    ("PUT", "/v1/cameras/{id}/counts"),
    ("PUT", "/v1/cameras/{id}/film"),
}

OF_ENDS = {("POST", "/v1/keys"), ("PATCH", "/v1/keys/{id}"), ("PUT", "/v1/mute")}
"""Routes that take a time that lies ahead."""


def names_a_time(schema: Any, within: tuple[str, ...] = ()) -> bool:
    """Tell whether what is sent has a time, at any depth."""
    if isinstance(schema, list):
        return any(names_a_time(one, within) for one in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("format") == "date-time":
        return True
    if isinstance(name := schema.get("$ref"), str):
        resolved = document().all["components"]["schemas"][name.rpartition("/")[2]]
        return name not in within and names_a_time(resolved, (*within, name))
    return any(names_a_time(value, within) for value in schema.values())


def test_each_right_that_is_sent_with_a_time_is_tried_here() -> None:
    """A new one would be overwritten by an older copy, too."""
    sending = {
        (method, path)
        for method, path, operation in document().operations()
        if names_a_time(operation.get("requestBody"))
    }
    assert sending == OF_RIGHTS | OF_PICTURES | OF_ENDS


def make_record(clock: FakeClock, ago: timedelta = DAY, **more: Any) -> dict[str, Any]:
    return {"basis": "consent", "given_at": time_text(clock.now() - ago), **more}


def enrol(v1: V1Client, seed: int, record: dict[str, Any] | None, **more: Any) -> str:
    body = {"group": "regular", "picture": photo(seed), "consent": record, **more}
    return str(v1.done("POST", "/v1/faces", body)["id"])


@pytest.fixture
def old(clock: FakeClock) -> dict[str, Any]:
    return make_record(clock)


@pytest.fixture
def withdrawn(v1: V1Client, clock: FakeClock, old: dict[str, Any]) -> str:
    """The consent path of a face whose record was withdrawn a minute ago."""
    path = f"/v1/faces/{enrol(v1, 1, old, name='Eva Lee')}/consent"
    v1.done_without_body("DELETE", path)
    clock.advance(timedelta(minutes=1))
    return path


def test_the_old_record_is_refused_by_each_way_and_names_both_times(
    v1: V1Client, clock: FakeClock, old: dict[str, Any], withdrawn: str
) -> None:
    ben = enrol(v1, 2, old, name="Ben Okafor")
    new = {"group": "regular", "picture": photo(1), "name": "Eva Lee"}
    for method, path, body in (
        ("PUT", withdrawn, old),
        ("PUT", withdrawn, {**old, "evidence": "another copy", "expires_at": None}),
        ("POST", "/v1/faces", {**new, "consent": old}),
        ("POST", "/v1/faces", {**new, "consent": {**old, "basis": "employment"}}),
        ("POST", f"/v1/faces/{ben}/pictures", {"picture": photo(1), "trust": True}),
    ):
        problem = v1.failed(409, method, path, body)
        assert problem["code"] == "ConsentOlder"
        assert old["given_at"] in problem["detail"]
        assert time_text(clock.now() - timedelta(minutes=1)) in problem["detail"]
    assert [one["name"] for one in v1.done("GET", "/v1/faces")["faces"]] == ["Ben Okafor"]
    assert len(v1.done("GET", "/v1/restrictions")["restrictions"]) == 1


def test_who_consents_after_it_on_the_same_day_is_in_again(
    v1: V1Client, clock: FakeClock, old: dict[str, Any], withdrawn: str
) -> None:
    v1.done("PUT", withdrawn, make_record(clock, timedelta(seconds=30)))
    assert [one["name"] for one in v1.done("GET", "/v1/faces")["faces"]] == ["Eva Lee"]
    v1.failed(409, "PUT", withdrawn, old)
    assert v1.done("GET", withdrawn)["given_at"] != old["given_at"]


def test_a_new_record_enrols_by_another_picture_too(
    v1: V1Client, clock: FakeClock, withdrawn: str
) -> None:
    assert enrol(v1, 1, make_record(clock, timedelta(0))) not in withdrawn


def test_who_never_withdrew_may_have_an_older_record_written_down(
    v1: V1Client, clock: FakeClock, withdrawn: str
) -> None:
    """As a date that was mistyped is corrected, or a record of before is found in a drawer."""
    path = f"/v1/faces/{enrol(v1, 2, make_record(clock))}/consent"
    older = make_record(clock, 30 * DAY)
    assert v1.done("PUT", path, older)["given_at"] == older["given_at"]


def test_a_sender_whose_clock_is_behind_is_told_the_time(
    v1: V1Client, clock: FakeClock, withdrawn: str
) -> None:
    problem = v1.failed(409, "PUT", withdrawn, make_record(clock, timedelta(minutes=3)))
    assert f"It is {time_text(clock.now())} here" in problem["detail"]


def test_a_record_that_expired_is_renewed_by_a_later_one_only(
    v1: V1Client, clock: FakeClock
) -> None:
    """It may have been signed before the other expired, and be written down a week later."""
    expires_at = time_text(clock.now() + DAY)
    expired = make_record(clock, expires_at=expires_at)
    path = f"/v1/faces/{enrol(v1, 1, expired)}/consent"
    signed = make_record(clock, timedelta(0))
    clock.advance(7 * DAY)
    for stale in ({**expired, "expires_at": None}, make_record(clock, 30 * DAY)):
        problem = v1.failed(409, "PUT", path, stale)
        assert problem["code"] == "ConsentOlder"
        assert stale["given_at"] in problem["detail"]
        assert expires_at in problem["detail"]
    assert v1.done("PUT", path, signed)["given_at"] == signed["given_at"]


def test_a_clock_that_is_a_little_ahead_says_now_and_one_without_a_zone_nothing(
    v1: V1Client, clock: FakeClock, withdrawn: str
) -> None:
    ahead = make_record(clock, -timedelta(minutes=4))
    assert v1.done("PUT", withdrawn, ahead)["given_at"] == time_text(clock.now())
    far = v1.failed(400, "PUT", withdrawn, make_record(clock, -timedelta(minutes=6)))
    assert "at most now" in far["detail"]
    without_zone = {**ahead, "given_at": "2026-03-01T12:00:00"}
    assert "given_at" in v1.failed(400, "PUT", withdrawn, without_zone)["detail"]


def test_the_time_of_the_withdrawal_counts_and_not_that_of_an_earlier_restriction(
    v1: V1Client, clock: FakeClock, old: dict[str, Any]
) -> None:
    path = f"/v1/faces/{enrol(v1, 1, old)}"
    asked = {"restricted": True, "reason": "contests it"}
    v1.done("PUT", f"{path}/restriction", asked)
    clock.advance(DAY)
    between = make_record(clock, timedelta(hours=1))
    v1.done_without_body("DELETE", f"{path}/consent")
    v1.failed(409, "PUT", f"{path}/consent", between)
