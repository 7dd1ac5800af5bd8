"""Who came, what was observed and how often, over v1: in Shanghai, where noon UTC is eight in the
evening."""

import csv
import io
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chalicelib.domain.captures import RULES
from chalicelib.services import Services
from tests.support.api.icredit.client import MarketClient, tokens
from tests.support.api.v1.client import V1Client
from tests.support.fakes import FakeClock, FakeVision, Person, picture

MINUTES, HOURS, DAYS = 1, 60, 24 * 60
DECIDED = ("score", "threshold", "gallery_size", "false_match_probability", "by", "condition")


class Shop:
    """Two cameras; `see` tells how many minutes ago somebody came."""

    def __init__(self, v1: V1Client, services: Services, clock: FakeClock) -> None:
        self.v1, self.services, self.clock = v1, services, clock
        v1.add_camera("Front door", id="door", labels={"a": "entrance"})
        v1.add_camera("=cmd", id="till", labels={"a": "=HYPERLINK(1)"})

    def see(self, minutes_ago: float, seed: int, camera: str = "door") -> str:
        """The id of the face that somebody is taken for."""
        return (
            self.v1.take(self.services, picture(Person(seed)), minutes_ago, camera)
            .sightings[0]
            .faceid
            or ""
        )


@pytest.fixture
def at(v1: V1Client, services: Services, clock: FakeClock) -> Shop:
    return Shop(v1, services, clock)


def test_who_came_today_needs_no_parameter(v1: V1Client, at: Shop) -> None:
    ann = at.see(2 * DAYS, 1)
    at.see(60, 1), at.see(40, 1, "till")
    ben = at.see(19 * HOURS, 2)
    at.see(20 * HOURS + 1, 3)  # yesterday in Shanghai, the same day in UTC

    answer = v1.done("GET", "/v1/arrivals")

    seen = {one["id"]: one for one in v1.done("GET", "/v1/observations")["observations"]}
    decided = [
        {name: seen[one["sighting"]][name] for name in DECIDED} for one in answer["arrivals"]
    ]
    assert decided[0]["score"] >= decided[0]["threshold"] > 0.0
    assert decided[1]["score"] is None, "nobody was found, so this is a new stranger"

    def arrival(number: int, face: str, **of_visit: object) -> dict[str, object]:
        links = {
            name: answer["arrivals"][number - 1][name]
            for name in ("sighting", "picture_url", "crop_url")
        }
        portrait = v1.done("GET", f"/v1/faces/{face}")["portrait"]
        of_face = {
            "face": face,
            "name": "",
            "number": number,
            "portrait": portrait,
            "group": "stranger",
            "counter_note": "",
        }
        return {**of_face, "camera": "door", **links, **of_visit, **decided[number - 1]}

    assert answer == {
        "arrivals": [
            arrival(
                1,
                ann,
                first="2026-03-01T11:00:00.000Z",
                last="2026-03-01T11:20:00.000Z",
                sightings=2,
                visit=2,
                before="2026-02-27T12:00:00.000Z",
            ),
            arrival(
                2,
                ben,
                first="2026-02-28T17:00:00.000Z",
                last="2026-02-28T17:00:00.000Z",
                sightings=1,
                visit=1,
                before=None,
            ),
        ],
        "totals": None,
        "time_zone": "Asia/Shanghai",
        "next_token": None,
    }


def test_periods_have_what_they_had_when_they_were_closed_beside_what_they_have_now(
    v1: V1Client, at: Shop
) -> None:
    at.see(5 * DAYS, 1), at.see(4 * DAYS, 1), at.see(2 * DAYS, 2)
    tenant = at.services.tenants.get_by_name("shop")
    at.services.sweep.sweep_tenant(tenant, at.clock.now())
    at.see(3 * DAYS, 2), at.see(60, 3)
    since = {"from": "2026-01-10T00:00:00Z", "by": "month"}
    answer = v1.done("GET", "/v1/statistics", **since)
    assert [(one["time"], one["amounts"]["total"]) for one in answer["buckets"]] == [
        ("2026-01", 0),
        ("2026-02", 4),
        ("2026-03", 1),
    ]
    figures = {"visits": 3, "people": 2, "new": 2, "returning": 1, "known": 0}
    one = {"time": "2026-02", "closed_at": "2026-03-01T12:00:00.000Z", **figures}
    closed = [{**one, "entries": None, "is_kept": True}]
    assert answer["closed"] == closed
    for same in ({"measure": "persons"}, {"split": "visit"}, {"split": "camera"}):
        assert v1.done("GET", "/v1/statistics", **since, **same)["closed"] == closed
    at.clock.advance(timedelta(days=1))
    at.services.sweep.sweep_tenant(tenant, at.clock.now())
    for by, time, visits in (("day", "2026-03-01", 1), ("week", "2026-02-23", 5)):
        answer = v1.done("GET", "/v1/statistics", **{**since, "by": by})
        told = [(one["time"], one["visits"]) for one in answer["closed"]]
        assert told[-1] == (time, visits)
    lines = v1.send("GET", "/v1/statistics", query={**since, "format": "csv"}).body.splitlines()
    assert lines[2] == '"2026-02","4","3"'
    by_visit = {**since, "format": "csv", "split": "visit"}
    assert v1.send("GET", "/v1/statistics", query=by_visit).body.splitlines()[1:3] == [
        '"2026-02","new","2","2"',
        '"2026-02","returning","2","1"',
    ]
    for other in (
        {"by": "hour"},
        {"by": "month", "from": "2026-02-02T00:00:00Z"},
        {"measure": "present"},
        {"measure": "observations"},
        {"camera": "door"},
        {"group": "stranger"},
        {"staff": "true"},
        {"from": "2026-03-01T00:00:00Z"},
    ):
        assert v1.done("GET", "/v1/statistics", **{**since, **other})["closed"] == [], other


def test_a_capture_has_its_sides_and_the_names_that_its_faces_have_now(
    v1: V1Client, at: Shop
) -> None:
    ann = at.see(60, 1)
    v1.done("PATCH", f"/v1/faces/{ann}", {"name": "Ann Lee"})
    at.see(20, 1)
    captures = v1.done("GET", "/v1/captures")["captures"]
    assert [one["name"] for capture in captures for one in capture["sightings"]] == [
        "Ann Lee",
        "Ann Lee",
    ]
    width, height = FakeVision().size(picture(Person(1)), RULES)
    assert [(one["width"], one["height"]) for one in captures] == [(width, height)] * 2
    door = v1.with_key(v1.done("POST", "/v1/cameras/door/key")["api_key"])
    [_, capture] = door.done("GET", "/v1/captures")["captures"]
    assert capture["sightings"] == [], "a camera's key learns nothing of faces"
    said = door.failed(403, "GET", "/v1/captures", faces="none")["detail"]
    assert said == "a camera's key is told nothing of faces: leave out faces"


def test_arrivals_are_chosen_by_time_camera_group_and_face_and_walked_by_token(
    v1: V1Client, at: Shop
) -> None:
    ann, ben = at.see(10 * HOURS, 1), at.see(9 * HOURS, 2, "till")
    at.see(5 * HOURS, 1), at.see(4 * HOURS, 2)

    def faces(**query: object) -> list[str]:
        return [one["face"] for one in v1.done("GET", "/v1/arrivals", **query)["arrivals"]]

    assert faces() == [ben, ann, ben, ann]
    assert faces(camera="till") == faces(camera="=cmd") == [ben]
    assert faces(group="regular") == []
    assert faces(face=ann, group="stranger") == [ann, ann]
    assert faces(**{"from": "2026-03-01T03:00:00Z", "to": "2026-03-01T07:00:00Z"}) == [ben]
    first = v1.done("GET", "/v1/arrivals", limit=3)
    rest = v1.done("GET", "/v1/arrivals", limit=3, token=first["next_token"])
    assert [one["visit"] for one in (*first["arrivals"], *rest["arrivals"])] == [2, 2, 1, 1]
    assert rest["next_token"] is None
    assert (
        "token"
        in v1.failed(400, "GET", "/v1/arrivals", limit=3, face=ann, token=first["next_token"])[
            "detail"
        ]
    )


def test_observations_say_what_they_are_and_whose(
    v1: V1Client, at: Shop, market: MarketClient
) -> None:
    ann = at.see(60, 1, "till")
    enrolled = tokens(market.enrol("VIP", picture(Person(2))))[0]

    enrolment, sighting = v1.done("GET", "/v1/observations")["observations"]

    assert (sighting["face"], sighting["kind"], sighting["camera"]) == (ann, "sighting", "till")
    assert sighting["capture"] in sighting["id"]
    assert sighting["labels"]["a"] == "=HYPERLINK(1)"
    assert (enrolment["face"], enrolment["kind"], enrolment["group"]) == (
        enrolled,
        "enrolment",
        "VIP",
    )
    assert (enrolment["camera"], enrolment["capture"], enrolment["picture_url"]) == (
        None,
        None,
        None,
    )
    assert sighting["capture"] in sighting["picture_url"]
    assert f"/v1/captures/{sighting['capture']}/crops/0" in sighting["crop_url"]
    assert enrolment["crop_url"] is None
    for query, meant in (
        ({"kind": "sighting"}, [sighting]),
        ({"kind": "search"}, []),
        ({"camera": "till"}, [sighting]),
        ({"group": "VIP"}, [enrolment]),
        ({"face": ann}, [sighting]),
        ({"to": sighting["at"]}, []),
        ({"from": sighting["at"], "to": "2026-03-01T11:00:00.001Z"}, [sighting]),
    ):
        assert v1.done("GET", "/v1/observations", **query)["observations"] == meant
    first = v1.done("GET", "/v1/observations", limit=1)
    rest = v1.done("GET", "/v1/observations", limit=1, token=first["next_token"])
    assert [*first["observations"], *rest["observations"]] == [enrolment, sighting]
    assert rest["next_token"] is None


def test_a_name_comes_along_and_a_deleted_face_has_none(
    v1: V1Client, at: Shop, services: Services
) -> None:
    ann = at.see(60, 1)
    tenant = services.tenants.get_by_name("shop")
    services.deletion.delete_faces_of_group(tenant, "stranger", [ann])
    for path, members in (("/v1/observations", "observations"), ("/v1/arrivals", "arrivals")):
        [one] = v1.done("GET", path)[members]
        assert (one["face"], one["name"], one["portrait"]) == (ann, None, None)
    assert one["visit"] is None


def test_a_key_without_pictures_sees_none(v1: V1Client, at: Shop) -> None:
    at.see(60, 1)
    key = v1.done("POST", "/v1/keys", {"name": "screen", "role": "viewer", "pictures": False})[
        "api_key"
    ]
    for path, members in (("/v1/observations", "observations"), ("/v1/arrivals", "arrivals")):
        assert v1.done("GET", path)[members][0]["picture_url"].startswith("http")
        [one] = v1.with_key(key).done("GET", path)[members]
        assert (one["picture_url"], one["crop_url"]) == (None, None)


def test_statistics_count_visits_unless_asked_otherwise(
    v1: V1Client, at: Shop, market: MarketClient
) -> None:
    at.see(60, 1), at.see(50, 1), at.see(5, 2, "till")
    market.enrol("VIP", picture(Person(3)))

    def total(**query: object) -> int:
        [bucket] = v1.done("GET", "/v1/statistics", **query)["buckets"]
        assert bucket["time"] == "2026-03-01"
        return bucket["amounts"]["total"]

    assert total() == total(measure="persons") == 2
    assert total(measure="observations") == 3
    assert total(measure="observations", kind="enrolment") == 1
    assert total(measure="observations", kind="all") == 4
    assert total(camera="till") == total(measure="observations", camera="till") == 1


def test_totals_are_those_of_all_pages_and_staff_can_be_left_out(v1: V1Client, at: Shop) -> None:
    at.see(50, 1), at.see(40, 2)
    ben, group = at.see(3 * DAYS, 3), v1.done("POST", "/v1/groups", {"name": "Team", "capacity": 9})
    v1.done("PATCH", f"/v1/faces/{ben}", {"group": "Team"})
    at.see(30, 3)

    def totals(**query: str) -> Any:
        return v1.done("GET", "/v1/arrivals", totals="true", limit="1", **query)["totals"]

    team = {
        "arrivals": 3,
        "persons": 3,
        "first": 2,
        "uncertain": 0,
        "groups": {"stranger": 2, "Team": 1},
        "staff": 0,
        "days_counted_again": 0,
    }
    team["kinds"] = {"new": 2, "known": 1}
    assert totals() == totals(only="first") == team, "nobody is staff yet"
    assert len(v1.done("GET", "/v1/arrivals", only="first")["arrivals"]) == 2
    assert v1.done("GET", "/v1/arrivals", only="uncertain")["arrivals"] == []
    assert v1.done("GET", "/v1/arrivals")["totals"] is None
    v1.done("PATCH", f"/v1/groups/{group['id']}", {"staff": True})
    less = {"arrivals": 2, "persons": 2, "groups": {"stranger": 2}, "kinds": {"new": 2}, "staff": 1}
    assert totals() == {**team, **less}
    assert totals(staff="true") == {**team, "kinds": {"new": 2, "staff": 1}}
    assert totals(group="Team")["arrivals"] == 1, "who asks for staff gets it"
    v1.done("PATCH", f"/v1/faces/{at.see(50, 1)}", {"group": "Team"})
    assert (totals()["groups"], totals()["staff"]) == ({"stranger": 1}, 2), (
        "staff are staff before they were put there"
    )
    assert [one["group"] for one in v1.done("GET", "/v1/arrivals")["arrivals"]] == ["stranger"]
    counted = v1.done("GET", "/v1/statistics", split="visit")
    assert counted["staff"] == 3 - 1
    with_staff = v1.done("GET", "/v1/statistics", split="visit", staff="true")
    assert [one["amounts"] for one in with_staff["buckets"]] == [{"new": 1, "staff": 2}]
    assert [one["amounts"] for one in counted["buckets"]] == [{"new": 1}]
    assert counted["begun"] == v1.done("GET", "/v1/observations")["observations"][-1]["at"][:10]


def test_statistics_are_split_and_have_every_bucket(
    v1: V1Client, at: Shop, market: MarketClient
) -> None:
    at.see(60, 1), at.see(50, 1), at.see(5, 2, "till")
    at.see(3 * DAYS, 1)
    market.enrol("VIP", picture(Person(3)))
    since = {"from": "2026-02-26T16:00:00Z"}

    def split(by: str, **query: object) -> list[dict[str, int]]:
        answer = v1.done("GET", "/v1/statistics", split=by, **since, **query)
        assert answer["time_zone"] == "Asia/Shanghai"
        assert [bucket["time"] for bucket in answer["buckets"]] == [
            "2026-02-27",
            "2026-02-28",
            "2026-03-01",
        ]
        return [bucket["amounts"] for bucket in answer["buckets"]]

    since = {"from": "2026-02-26T16:00:00Z"}
    assert split("camera") == [{}, {}, {"door": 1, "till": 1}]
    assert split("kind", measure="observations") == [{}, {}, {"enrolment": 1, "sighting": 3}]
    assert split("labels.a", measure="observations") == [
        {},
        {},
        {"entrance": 2, "=HYPERLINK(1)": 1},
    ]
    assert split("group", measure="persons", kind="all") == [{}, {}, {"VIP": 1, "stranger": 2}]
    assert sum(split("age")[2].values()) == sum(split("gender")[2].values()) == 2


def test_buckets_are_written_as_people_write_them(v1: V1Client, at: Shop) -> None:
    at.see(60, 1)
    for by, time in (("hour", "2026-03-01T19:00"), ("week", "2026-02-23"), ("month", "2026-03")):
        buckets = v1.done("GET", "/v1/statistics", by=by)["buckets"]
        assert [one["time"] for one in buckets if one["amounts"]["total"]] == [time]
    assert len(v1.done("GET", "/v1/statistics", by="hour")["buckets"]) == 21


def test_csv_has_a_line_for_each_amount_and_begins_no_formula(v1: V1Client, at: Shop) -> None:
    at.see(60, 1), at.see(5, 2, "till")

    reply = v1.send("GET", "/v1/statistics", query={"format": "csv", "split": "labels.a"})

    assert (reply.status, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert list(csv.reader(io.StringIO(reply.body.removeprefix("\ufeff")))) == [
        ["time", "labels.a", "amount"],
        ["2026-03-01", "'=HYPERLINK(1)", "1"],
        ["2026-03-01", "entrance", "1"],
    ]
    plain = v1.send("GET", "/v1/statistics", query={"format": "csv"})
    assert plain.body == '\ufeff"time","amount","closed"\r\n"2026-03-01","2",""\r\n'


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("statistics", {"split": "visit", "measure": "persons"}, "choose measure=arrivals"),
        (
            "statistics",
            {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"},
            "to .* is not behind from",
        ),
        ("statistics", {"from": "0", "by": "hour"}, "10000 buckets"),
        ("statistics", {"from": "-1"}, "from is a time of the years 1970 to 9998"),
        ("arrivals", {"to": "1"}, "to .* is not behind from"),
        ("observations", {"to": "9999-12-31T00:00:00Z"}, "to is a time of the years 1970 to 9998"),
    ],
)
def test_what_does_not_fit_is_said(
    v1: V1Client, path: str, query: dict[str, str], said: str
) -> None:
    error = v1.failed(400, "GET", f"/v1/{path}", **query)
    assert error["code"] == "InvalidInput"
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(error["detail"])


def test_an_attribute_that_is_switched_off_is_no_split(v1: V1Client, services: Services) -> None:
    services.tenants.change_settings("shop", {"attributes_off": frozenset({"age"})})
    assert "switched off age" in v1.failed(400, "GET", "/v1/statistics", split="age")["detail"]
    v1.done("GET", "/v1/statistics", split="gender")


def test_how_somebody_usually_comes_is_told_with_the_sightings(
    v1: V1Client, at: Shop, clock: FakeClock
) -> None:
    for weeks in reversed(range(7)):
        ann = at.see(weeks * 7 * DAYS + 5, 1)
    ben = at.see(5, 2)
    local = clock.now().astimezone(ZoneInfo("Asia/Shanghai"))
    month = sum((local - timedelta(weeks=weeks)).month == local.month for weeks in range(7))
    assert v1.done("GET", f"/v1/faces/{ann}/sightings", limit="1")["habit"] == {
        "weekdays": [local.weekday()],
        "part_of_day": "evening",
        "every_days": 7,
        "next_day": f"{local + timedelta(days=7):%Y-%m-%d}",
        "missed_day": None,
        "visits_this_month": month,
    }
    nothing = {
        "weekdays": [],
        "part_of_day": None,
        "every_days": None,
        "next_day": None,
        "missed_day": None,
        "visits_this_month": 1,
    }
    assert v1.done("GET", f"/v1/faces/{ben}/sightings")["habit"] == nothing
    team = v1.done("POST", "/v1/groups", {"name": "Team", "capacity": 10})["id"]
    v1.done("PATCH", f"/v1/groups/{team}", {"staff": True})
    v1.done("PATCH", f"/v1/faces/{ann}", {"group": "Team"})
    of_staff = v1.done("GET", f"/v1/faces/{ann}/sightings")["habit"]
    assert of_staff == {**nothing, "visits_this_month": month}, (
        "when employees come is no matter of the book"
    )
