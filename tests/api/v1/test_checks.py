"""A person checks a camera's count by a film without people, and the count carries its proof."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.checks import MOST_ANSWERS, NEEDED_ANSWERS
from chalicelib.domain.model import Profile
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items, write
from chalicelib.storage.ports import Put
from chalicelib.storage.records.checks import film_item
from chalicelib.storage.values import moment_of_text
from tests.support.api.v1.client import V1Client, document
from tests.support.api.v1.counting import COUNTS, minute, report
from tests.support.api.v1.films import (
    CHECKS,
    FILM,
    LINE,
    MOVED_BYTES,
    WALKED_BYTES,
    check,
    make_film,
    make_stored_film,
    make_worst_film,
    send_film,
    time_of,
)
from tests.support.fakes import FakeClock

BEAT = "/v1/cameras/door/heartbeat"
MOST_ITEM_BYTES = 400_000
"""Of an item on DynamoDB."""


@pytest.fixture
def box(v1: V1Client) -> V1Client:
    """The box of the camera `door`, with the camera's own key."""
    return v1.with_key(v1.add_camera("door")["api_key"])


def is_wanted(box: V1Client) -> bool:
    answer: bool = box.done("POST", BEAT, {})["counting"]["film_wanted"]
    return answer


def items_of(services: Services) -> list[str]:
    """The keys of what is stored of checks and films."""
    items = walk_items(services.ports.storage.items, keys.DIRECTORY, "shop")
    return [item["item"] for item in items if item["item"].startswith(("CHECKS#", "FILM#"))]


def sweep(services: Services) -> None:
    services.counts.checks.delete_old(services.tenants.get_by_name("shop"))


def test_a_film_is_asked_for_sent_looked_at_and_answered_and_then_it_is_gone(
    v1: V1Client, box: V1Client, services: Services, clock: FakeClock
) -> None:
    assert v1.done("GET", CHECKS) == {
        "asked_at": None, "unanswered_at": None, "waiting": None, "answers": [], "proof": None,
        "crossings": None,
    }  # fmt: skip
    assert not is_wanted(box)
    assert "film_wanted" in box.failed(409, "PUT", FILM, make_film())["detail"]
    asked = v1.send("POST", CHECKS)
    assert (asked.status, asked.json["asked_at"]) == (202, "2026-03-01T12:00:00.000Z")
    assert is_wanted(box)
    for _ in "twice":
        assert box.send("PUT", FILM, make_film()).status == 204
        assert not is_wanted(box)
    listed = v1.done("GET", CHECKS)
    waiting = {
        "at": time_of(30), "line": LINE, "seconds": 60, "came_at": "2026-03-01T12:00:00.000Z",
        "told": False,
    }  # fmt: skip
    assert (listed["asked_at"], listed["waiting"], listed["proof"]) == (None, waiting, None)
    sent = make_film()
    shown = {name: sent[name] for name in sent if name not in ("in", "out", "crossings")}
    assert v1.done("GET", FILM) == shown, "it does not tell how many were counted"
    report(box, minute(30, 9, 4))
    assert v1.done("GET", CHECKS)["waiting"]["told"]
    clock.advance(timedelta(minutes=1))
    answer = f"{CHECKS}/{time_of(30)}"
    answered = v1.done("PUT", answer, {"in": 10, "out": 4})
    [checked] = [{**one} for one in answered["answers"]]
    assert checked.pop("by").startswith("key ")
    assert checked == {
        "at": time_of(30), "line": LINE, "in": 9, "out": 4, "why": None,
        "seen_in": 10, "seen_out": 4,
        "answered_at": "2026-03-01T12:01:00.000Z",
    }  # fmt: skip
    assert answered["waiting"] is None
    assert answered.pop("crossings") == sent["crossings"], "who has answered may know"
    answered["crossings"] = None
    assert items_of(services) == ["CHECKS#door"]
    assert v1.failed(404, "GET", FILM)["code"] == "CheckNotFound"
    assert v1.done("PUT", answer, {"in": 10, "out": 4}) == answered, "it was said already"
    assert v1.failed(404, "PUT", answer, {"in": 11, "out": 4})["code"] == "CheckNotFound"
    assert box.send("PUT", FILM, make_film()).status == 204, "a box may repeat what was answered"
    assert items_of(services) == ["CHECKS#door"]


def test_a_request_holds_for_a_day_and_one_film_waits_at_a_time(
    v1: V1Client, box: V1Client, services: Services, clock: FakeClock
) -> None:
    asked_at = v1.done("POST", CHECKS)["asked_at"]
    clock.advance(timedelta(hours=23, minutes=59))
    assert is_wanted(box)
    clock.advance(timedelta(minutes=1))
    assert not is_wanted(box)
    listed = v1.done("GET", CHECKS)
    assert (listed["asked_at"], listed["unanswered_at"]) == (None, asked_at), "none came"
    assert box.failed(409, "PUT", FILM, make_film())["code"] == "Conflict"
    send_film(v1, box, ago=40)
    listed = v1.done("GET", CHECKS)
    assert (listed["asked_at"], listed["unanswered_at"]) == (None, None)
    assert time_of(40) in v1.failed(409, "POST", CHECKS)["detail"], "nobody chooses between two"
    left = v1.done("DELETE", f"{CHECKS}/{time_of(40)}")
    assert (left["waiting"], left["answers"], left["proof"]["left_out"]) == (None, [], 1)
    v1.done("POST", CHECKS)
    assert box.send("PUT", FILM, make_film(40)).status == 204, "it was left out"
    assert v1.done("GET", CHECKS)["waiting"] is None
    v1.done("PATCH", "/v1/cameras/door", {"enabled": False})
    assert "switched off" in v1.failed(409, "POST", CHECKS)["detail"]
    assert items_of(services) == ["CHECKS#door"]


def test_the_counted_numbers_are_those_that_are_stored_and_not_those_of_the_film(
    v1: V1Client, box: V1Client
) -> None:
    send_film(v1, box, 30, **{"in": 700, "out": 300})
    answer = f"{CHECKS}/{time_of(30)}"
    assert "ten minutes" in v1.failed(409, "PUT", answer, {"in": 3, "out": 0})["detail"]
    report(box, minute(30, 2))
    [checked] = v1.done("PUT", answer, {"in": 3, "out": 0})["answers"]
    assert (checked["in"], checked["out"]) == (2, 0)
    report(box, {**minute(29, None, None, None), "why": "crowd"})
    send_film(v1, box, 29)
    [unknown, *_] = v1.done("PUT", f"{CHECKS}/{time_of(29)}", {"in": 5, "out": 0})["answers"]
    assert (unknown["in"], unknown["why"]) == (None, "crowd")
    report(box, minute(28, 7))
    v1.done("DELETE", COUNTS, **{"from": time_of(28), "to": time_of(27)})
    send_film(v1, box, 28)
    [voided, *_] = v1.done("PUT", f"{CHECKS}/{time_of(28)}", {"in": 3, "out": 0})["answers"]
    assert (voided["in"], voided["out"]) == (None, None), "it was void"
    proof = v1.done("GET", CHECKS)["proof"]
    assert (proof["answers"], proof["unknown"], proof["of"]) == (1, 2, 3)


def test_after_ten_answers_the_figure_carries_its_proof(v1: V1Client, box: V1Client) -> None:
    for ago in range(1, NEEDED_ANSWERS):
        proof = check(v1, box, ago, (10, 5), (10, 5))["proof"]
        assert (proof["answers"], proof["in"], proof["out"]) == (ago, None, None)
    proof = check(v1, box, NEEDED_ANSWERS, (7, 5), (10, 5))["proof"]
    assert proof == {
        "answers": 10, "needed": 10, "unknown": 0, "in": 0.97, "out": 1.0, "of": 150, "left_out": 0,
        "wrong": [],
    }  # fmt: skip
    assert v1.done("GET", "/v1/cameras/door")["proof"] == proof
    assert v1.done("GET", "/v1/cameras")["cameras"][0]["proof"] is None, "it is of one camera"
    changed = v1.done("PATCH", "/v1/cameras/door", {"learns": False})
    assert changed["proof"] == proof
    query = {"by": "hour", "from": "2026-02-28T00:00:00Z", "entries": "true"}
    assert v1.done("GET", "/v1/statistics", camera="door", **query)["proof"] == proof
    assert v1.done("GET", "/v1/statistics", **query)["proof"] is None, "it is of one camera"
    assert box.done("GET", "/v1/cameras/door")["proof"] is None, "a box is not told"


def test_below_nine_tenths_it_says_which_minutes_were_wrong(v1: V1Client, box: V1Client) -> None:
    for ago in range(1, 8):
        check(v1, box, ago, (1, 1), (1, 1))
    check(v1, box, 8, (5, 1), (1, 1))
    check(v1, box, 9, (0, 9), (9, 0))
    check(v1, box, 10, (0, 1), (1, 1))
    proof = v1.done("GET", "/v1/cameras/door")["proof"]
    assert proof["wrong"] == [
        {"at": time_of(9), "in": 0, "out": 9, "seen_in": 9, "seen_out": 0},
        {"at": time_of(8), "in": 5, "out": 1, "seen_in": 1, "seen_out": 1},
        {"at": time_of(10), "in": 0, "out": 1, "seen_in": 1, "seen_out": 1},
    ]
    assert proof["in"] == pytest.approx(1 - 14 / 18, abs=1e-4)
    assert proof["out"] == 0.0


def test_another_line_begins_the_proof_anew_and_the_answers_stay(
    v1: V1Client, box: V1Client
) -> None:
    check(v1, box, 30, (1, 0), (1, 0))
    send_film(v1, box, 28)
    other = [[0.2, 0.4], [0.8, 0.6]]
    v1.done("PATCH", "/v1/cameras/door", {"edge": {"count": other}})
    assert v1.done("GET", "/v1/cameras/door")["proof"]["answers"] == 0
    assert v1.done("GET", CHECKS)["waiting"] is None, "it is of the line of before"
    v1.failed(404, "GET", FILM)
    v1.done("POST", CHECKS)
    assert box.send("PUT", FILM, make_film(27)).status == 204
    assert is_wanted(box), "its box has not heard of the line yet"
    check(v1, box, 29, (1, 0), (1, 0), line=other)
    listed = v1.done("GET", CHECKS)
    assert [one["line"] for one in listed["answers"]] == [other, LINE]
    assert listed["proof"]["answers"] == 1
    v1.done("PATCH", "/v1/cameras/door", {"edge": {"count": LINE}})
    assert v1.done("GET", CHECKS)["proof"]["answers"] == 1
    v1.done("PATCH", "/v1/cameras/door", {"edge": {}})
    assert v1.done("GET", CHECKS)["proof"]["answers"] == 1, "its box has the line in its file"


def test_a_film_comes_from_its_camera_alone_and_is_shown_to_operators_alone(
    v1: V1Client, box: V1Client, services: Services
) -> None:
    v1.done("POST", CHECKS)
    other = v1.with_key(v1.add_camera("till")["api_key"])
    assert other.send("PUT", FILM, make_film()).status == 403
    assert "own key" in v1.failed(403, "PUT", FILM, make_film())["detail"]
    assert box.send("PUT", FILM, make_film()).status == 204
    viewer = v1.done("POST", "/v1/keys", {"name": "Wall", "role": "viewer"})["api_key"]
    answer = {"in": 1, "out": 1}
    for client in (box, other, v1.with_key(viewer)):
        assert client.send("GET", FILM).status == 403
        assert client.send("GET", CHECKS).status == 403
        assert client.send("POST", CHECKS).status == 403
        assert client.send("PUT", f"{CHECKS}/{time_of(30)}", answer).status == 403
        assert client.send("DELETE", f"{CHECKS}/{time_of(30)}").status == 403
    stranger = services.tenants.add("elsewhere", Profile.CLOUD)
    assert v1.with_key(stranger.api_key).failed(404, "GET", FILM)["code"] == "CameraNotFound"
    operator = v1.done("POST", "/v1/keys", {"name": "Till", "role": "operator"})["api_key"]
    assert v1.with_key(operator).done("GET", FILM)["at"] == time_of(30)


def test_what_is_no_film_is_refused_and_says_what_would_be_right(
    v1: V1Client, box: V1Client
) -> None:
    v1.done("POST", CHECKS)

    def of_bytes(count: int) -> str:
        return base64.b64encode(bytes(count)).decode()

    def look(**changes: Any) -> list[dict[str, Any]]:
        return [{"ms": 0, "moved": of_bytes(MOVED_BYTES), "bodies": [], **changes}]

    for wrong, says in (
        ({"at": time_of(30.5)}, "second 0"),
        ({"at": time_of(8 * 24 * 60)}, "7 days"),
        ({"at": time_of(-10)}, "ahead"),
        ({"grid": [48, 28]}, "[48, 27]"),
        ({"line": [[0.5, 0.5], [0.5, 0.51]]}, "long"),
        ({"walked": of_bytes(WALKED_BYTES - 1)}, f"{WALKED_BYTES} bytes"),
        ({"looks": look(moved=of_bytes(MOVED_BYTES + 1))}, f"{MOVED_BYTES} bytes"),
        ({"looks": look(bodies=[[1, 2, 3, 4, 2]])}, "1 or 0"),
        ({"looks": look(bodies=[[1, 2, 3, 1_001, 1]])}, "0 to 1000"),
        ({"looks": look(bodies=[[-1, 2, 3, 4, 1]])}, "0 to 1000"),
        ({"looks": look(bodies=[[1, 2, 3, 4]])}, "bodies"),
        ({"looks": look(bodies=[[1, 2, 3, 4, 1]] * 41)}, "bodies"),
        ({"looks": look() * 401}, "looks"),
        ({"crossings": [{"ms": 1, "way": "up"}]}, "way"),
        ({"in": 1_001}, "in"),
        ({"seconds": 61}, "seconds"),
        ({"picture": "AA=="}, "picture"),
    ):
        problem = box.failed(400, "PUT", FILM, make_film(**wrong))
        assert says in json.dumps(problem), (wrong, problem)
    assert is_wanted(box), "nothing came of it"
    for path in (f"{CHECKS}/noon", f"{CHECKS}/2026"):
        v1.failed(400 if path.endswith("noon") else 404, "DELETE", path)
    v1.failed(400, "PUT", f"{CHECKS}/{time_of(30)}", {"in": 1_001, "out": 0})


def test_the_largest_film_fits_into_an_item(
    v1: V1Client, box: V1Client, services: Services
) -> None:
    v1.done("POST", CHECKS)
    film = make_worst_film()
    assert box.send("PUT", FILM, film).status == 204
    assert v1.done("GET", FILM)["looks"] == film["looks"]
    item = services.ports.storage.items.get(keys.DIRECTORY, ("shop", keys.film_item("door")))
    assert item is not None
    assert len(bytes(item["film"])) < MOST_ITEM_BYTES * 3 / 4


def test_films_go_after_a_week_and_answers_after_a_year(
    v1: V1Client, box: V1Client, services: Services, clock: FakeClock
) -> None:
    check(v1, box, 30, (1, 0), (1, 0))
    send_film(v1, box, ago=20)
    clock.advance(timedelta(days=6, hours=23))
    sweep(services)
    assert v1.done("GET", FILM)["at"] == time_of(20)
    clock.advance(timedelta(hours=1))
    sweep(services)
    assert v1.failed(404, "GET", FILM)["code"] == "CheckNotFound"
    listed = v1.done("GET", CHECKS)
    assert (listed["waiting"], listed["proof"]["left_out"]) == (None, 1)
    assert items_of(services) == ["CHECKS#door"]
    clock.advance(timedelta(days=357, hours=23))
    sweep(services)
    assert len(v1.done("GET", CHECKS)["answers"]) == 1
    clock.advance(timedelta(hours=1))
    sweep(services)
    assert v1.done("GET", CHECKS)["answers"] == []
    clock.advance(timedelta(days=7))
    sweep(services)
    assert v1.done("GET", CHECKS)["proof"] is None, "what was left out goes after a year, too"


def test_a_wrong_answer_is_taken_back_by_an_admin_alone_and_the_proof_says_so(
    v1: V1Client, box: V1Client
) -> None:
    check(v1, box, 30, (1, 0), (1, 0))
    check(v1, box, 20, (1, 0), (99, 0))
    operator = v1.done("POST", "/v1/keys", {"name": "Till", "role": "operator"})["api_key"]
    refused = v1.with_key(operator).failed(403, "DELETE", f"{CHECKS}/{time_of(20)}")
    assert "admin" in refused["detail"], "the answer has told what was counted"
    left = v1.done("DELETE", f"{CHECKS}/{time_of(20)}")
    assert [one["at"] for one in left["answers"]] == [time_of(30)]
    assert (left["proof"]["answers"], left["proof"]["left_out"]) == (1, 1)
    send_film(v1, box, 10)
    assert v1.with_key(operator).done("DELETE", f"{CHECKS}/{time_of(10)}")["proof"]["left_out"] == 2


def test_what_was_left_out_stands_at_the_camera_too_before_there_is_an_answer(
    v1: V1Client, box: V1Client
) -> None:
    send_film(v1, box, 10)
    proof = v1.done("DELETE", f"{CHECKS}/{time_of(10)}")["proof"]
    assert proof["left_out"] == 1
    assert v1.done("GET", "/v1/cameras/door")["proof"] == proof


def test_a_camera_that_was_switched_off_since_the_request_gives_no_film(
    v1: V1Client, box: V1Client
) -> None:
    v1.done("POST", CHECKS)
    v1.done("PATCH", "/v1/cameras/door", {"enabled": False})
    assert not is_wanted(box)
    assert box.failed(403, "PUT", FILM, make_film())["code"] == "CameraDisabled"
    v1.done("PATCH", "/v1/cameras/door", {"enabled": True})
    assert is_wanted(box)


def test_of_a_minute_that_its_box_can_tell_no_more_nobody_knows(
    v1: V1Client, box: V1Client, clock: FakeClock
) -> None:
    v1.done("POST", CHECKS)
    assert box.send("PUT", FILM, make_film()).status == 204
    assert not v1.done("GET", CHECKS)["waiting"]["told"]
    clock.advance(timedelta(days=2, hours=1))
    waiting = v1.done("GET", CHECKS)["waiting"]
    assert waiting["told"]
    answered = v1.done("PUT", f"{CHECKS}/{waiting['at']}", {"in": 3, "out": 0})
    assert answered["answers"][0]["in"] is None
    assert answered["proof"]["unknown"] == 1


def test_more_answers_than_are_kept_go_in_the_order_in_which_they_came(
    v1: V1Client, box: V1Client, services: Services, clock: FakeClock
) -> None:
    schema = document().all["components"]["schemas"]["Checks"]
    assert schema["properties"]["answers"]["maxItems"] == MOST_ANSWERS
    report(box, *(minute(ago, 1) for ago in range(1, MOST_ANSWERS + 2)))
    tenant, checks = services.tenants.get_by_name("shop"), services.counts.checks
    for ago in range(1, MOST_ANSWERS + 2):
        clock.advance(timedelta(seconds=1))
        checks.ask(tenant, "door")
        checks.store_film(tenant, "door", make_stored_film(time_of(ago)))
        checks.answer(tenant, "door", moment_of_text(time_of(ago)), (1, 0), "key 1")
    listed = v1.done("GET", CHECKS)
    assert [one["at"] for one in listed["answers"]] == [
        time_of(ago) for ago in range(2, MOST_ANSWERS + 2)
    ]


def test_a_minute_that_is_void_after_the_answer_is_no_error(v1: V1Client, box: V1Client) -> None:
    check(v1, box, 30, (1, 0), (1, 0))
    check(v1, box, 20, (5, 0), (0, 0))
    v1.done("DELETE", COUNTS, **{"from": time_of(20), "to": time_of(19)})
    query = {"by": "hour", "from": "2026-02-28T00:00:00Z", "entries": "true", "camera": "door"}
    for proof in (
        v1.done("GET", CHECKS)["proof"],
        v1.done("GET", "/v1/cameras/door")["proof"],
        v1.done("GET", "/v1/statistics", **query)["proof"],
    ):
        assert (proof["answers"], proof["unknown"], proof["of"]) == (1, 1, 1)


def test_a_film_waits_for_a_week_also_if_nobody_sweeps(
    v1: V1Client, box: V1Client, clock: FakeClock
) -> None:
    send_film(v1, box)
    report(box, minute(30, 1))
    clock.advance(timedelta(days=7))
    v1.failed(404, "GET", FILM)
    assert v1.done("GET", CHECKS)["waiting"] is None
    v1.failed(404, "PUT", f"{CHECKS}/{time_of(30)}", {"in": 1, "out": 0})
    send_film(v1, box, ago=10 - 7 * 24 * 60)
    assert v1.done("GET", CHECKS)["proof"]["left_out"] == 1, "nobody answered the one before"


def test_a_film_that_is_not_the_one_that_waits_is_shown_to_nobody(
    v1: V1Client, box: V1Client, services: Services
) -> None:
    send_film(v1, box, ago=20)
    film = make_stored_film(time_of(30))
    put = Put(keys.DIRECTORY, film_item("shop", "door", film))
    write(services.ports.storage.items, [put])
    v1.failed(404, "GET", FILM)


def test_a_deleted_camera_leaves_nothing_and_another_of_its_name_begins_anew(
    v1: V1Client, box: V1Client, services: Services
) -> None:
    check(v1, box, 30, (1, 0), (1, 0))
    send_film(v1, box, ago=20)
    assert items_of(services) == ["CHECKS#door", "FILM#door"]
    v1.done_without_body("DELETE", "/v1/cameras/door")
    assert items_of(services) == []
    v1.add_camera("door")
    assert v1.done("GET", CHECKS)["answers"] == []


def test_the_audit_says_who_asked_and_who_answered(v1: V1Client, box: V1Client) -> None:
    check(v1, box, 30, (1, 0), (1, 0))
    send_film(v1, box, ago=20)
    v1.done("DELETE", f"{CHECKS}/{time_of(20)}")
    for what in (
        "POST /v1/cameras/{id}/checks",
        "PUT /v1/cameras/{id}/checks/{at}",
        "DELETE /v1/cameras/{id}/checks/{at}",
    ):
        entries = v1.done("GET", "/v1/audit", what=what)["entries"]
        assert entries, what
        assert all(one["by"].startswith("key ") for one in entries)
        assert {one["details"]["of"] for one in entries} == {"door"}
    assert v1.done("GET", "/v1/audit", what="PUT /v1/cameras/{id}/film")["entries"] == []
    send_film(v1, box, ago=10)
    v1.done("GET", FILM)
    assert f"film door {time_of(10)}" in json.dumps(v1.done("GET", "/v1/audit"))
