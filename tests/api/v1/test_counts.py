"""Cameras report minutes, statistics say entries, and places say how many are inside."""

import base64
import csv
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from regulars_client import models
from regulars_mqtt.discovery import list_entries

from chalicelib.book.counts.places import MAX_DOORS, MAX_LIMIT, MAX_PLACES
from chalicelib.domain.counts import MAX_CROSSINGS, MINUTES
from chalicelib.privacy.retention import Kind
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from tests.support.api.devices import BY_HTTPS, sign_in
from tests.support.api.v1.client import V1Client, document
from tests.support.api.v1.counting import (
    COUNTS,
    PLACES,
    add_place,
    minute,
    read_entries,
    read_told,
    report,
    said,
    sum_minutes_after,
)
from tests.support.fakes import FakeClock, Person, picture


def test_entries_stand_beside_visits_and_what_nobody_watched_is_null(door: V1Client) -> None:
    report(door, minute(60, 2, 1), minute(59, 1), minute(1, None, None, None), minute(0, 5))
    assert read_entries(door) == {
        "2026-03-01T19:00": said(3, 1, 120),
        "2026-03-01T20:00": said(5),
        "all": said(8, 1, 180),
    }
    assert read_entries(door, by="day")["2026-03-01"] == said(8, 1, 180)
    plain = door.done("GET", "/v1/statistics")
    assert plain["entries"] is None
    assert [bucket["entries"] for bucket in plain["buckets"]] == [None]


def test_a_report_that_comes_twice_shuffled_or_late_is_the_same(
    door: V1Client, clock: FakeClock
) -> None:
    chance = random.Random(7)
    minutes = [minute(ago, chance.randrange(5), chance.randrange(5)) for ago in range(300)]
    worse = [{**one, "seconds": 30, "in": 9} for one in chance.sample(minutes, 100)]
    report(door, *minutes)
    before = read_entries(door)
    for _ in range(3):
        report(door, *chance.sample(minutes, 300))
        report(door, *chance.sample(worse, 100))
    assert read_entries(door) == before
    door.add_camera("back")
    clock.advance(timedelta(hours=48))
    for part in (worse, minutes[200:], minutes[:200]):
        report(door, *chance.sample(part, len(part)), camera="back")
    assert read_entries(door, camera="back") == before


def test_reports_at_the_same_time_lose_nothing(door: V1Client) -> None:
    parts = [[minute(60 * part + ago, 1) for ago in range(10)] for part in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda part: report(door, *part), parts))
    assert read_entries(door)["all"] == said(40, watched_s=2_400)


def test_known_people_are_told_from_others_and_staff_is_taken_off(
    door: V1Client, services: Services
) -> None:
    ann, ben, finn = Person(1), Person(2), Person(3)
    crew = door.done("POST", "/v1/groups", {"name": "crew", "capacity": 9})
    door.done("PATCH", f"/v1/groups/{crew['id']}", {"staff": True})
    for person, group in ((ann, "regular"), (ben, "crew")):
        sent = base64.b64encode(picture(person)).decode()
        door.done("POST", "/v1/faces", {"group": group, "picture": sent})
    for person in (ann, ben, finn):
        door.take(services, picture(person), minutes_ago=30)
    report(door, minute(30, 6, 2, 4))
    assert read_entries(door)["all"] == said(5, 2, known=1, not_known=2, faceless=2, staff=1)
    with_staff = read_entries(door, staff="true")["all"]
    assert with_staff == said(6, 2, known=2, not_known=2, faceless=2)


def test_entries_are_in_csv_too(door: V1Client) -> None:
    report(door, minute(60, 2, 1))
    query = {"format": "csv", "by": "hour", "entries": "true", "from": "2026-03-01T10:00:00Z"}
    lines = door.send("GET", "/v1/statistics", query=query).body.lstrip("\ufeff").splitlines()
    assert lines[0] == (
        '"time","amount","in","out","known","not_known","faceless","staff","watched_s","open_s"'
    )
    assert lines[1] == '"2026-03-01T18:00","0","","","","","","","",""'
    assert lines[2] == '"2026-03-01T19:00","0","2","1","0","0","2","0","60","3000"'


def test_who_was_invited_to_a_page_of_figures_sees_entries_and_nothing_of_staff(
    door: V1Client, services: Services
) -> None:
    crew = door.done("POST", "/v1/groups", {"name": "crew", "capacity": 9})
    door.done("PATCH", f"/v1/groups/{crew['id']}", {"staff": True})
    sent = base64.b64encode(picture(Person(2))).decode()
    door.done("POST", "/v1/faces", {"group": "crew", "picture": sent})
    door.take(services, picture(Person(2)), minutes_ago=30)
    report(door, minute(30, 6, 2, 4))
    assert read_entries(door)["all"]["staff"] == 1
    boss = {"name": "Boss", "role": "viewer", "screen": True, "page": "traffic"}
    url = door.done("POST", "/v1/members", boss)["url"]
    session = sign_in(door, {"invitation": url.partition("#invitation=")[2]})
    cookie = {"Cookie": session.headers["set-cookie"].partition(";")[0], **BY_HTTPS}
    query = {"from": "2026-02-28T00:00:00Z", "entries": "true"}
    nobody = door.with_key(None)
    read = nobody.send("GET", "/v1/statistics", query=query, headers=cookie).json
    assert (read["entries"]["in"], read["entries"]["staff"], read["staff"]) == (6, 0, 0)
    text = nobody.send(
        "GET", "/v1/statistics", query={**query, "format": "csv"}, headers=cookie
    ).body
    [*_, row] = csv.DictReader(text.lstrip("\ufeff").splitlines())
    assert row["staff"] == "0"
    refused = nobody.send("GET", "/v1/places", headers=cookie)
    assert refused.status == 403


@pytest.mark.parametrize("other", [{"split": "camera"}, {"group": "regular"}, {"face": "1"}])
def test_entries_of_some_people_only_are_refused(door: V1Client, other: dict[str, str]) -> None:
    problem = door.failed(400, "GET", "/v1/statistics", entries="true", **other)
    assert "leave these out" in problem["detail"]


def test_a_wrong_minute_is_told_by_its_index_and_nothing_is_stored(door: V1Client) -> None:
    body = {"minutes": [minute(3, 1), minute(2, 1, faces=2)]}
    problem = door.failed(400, "PUT", COUNTS, body)
    assert problem["index"] == 1
    assert read_entries(door)["all"] is None
    more = {"minutes": [{**minute(3, 1), "track": "7"}]}
    assert "no field 'minutes[0].track'" in door.failed(400, "PUT", COUNTS, more)["detail"]
    door.failed(400, "PUT", COUNTS, {"minutes": []})
    door.failed(404, "PUT", "/v1/cameras/cellar/counts", {"minutes": [minute(3, 1)]})
    door.done("PATCH", "/v1/cameras/door", {"enabled": False})
    problem = door.failed(403, "PUT", COUNTS, {"minutes": [minute(3, 1)]})
    assert problem["code"] == "CameraDisabled"


def test_a_cameras_key_reports_its_own_minutes_only(v1: V1Client) -> None:
    key = v1.add_camera("door")["api_key"]
    v1.add_camera("back")
    of_door = v1.with_key(key)
    report(of_door, minute(1, 1))
    of_door.failed(403, "PUT", "/v1/cameras/back/counts", {"minutes": [minute(1, 1)]})


def test_bounds_in_the_document_are_those_of_the_code() -> None:
    schemas = document().all["components"]["schemas"]
    minutes = schemas["MinutesCounted"]["properties"]["minutes"]
    assert (minutes["minItems"], minutes["maxItems"]) == (MINUTES[0], MINUTES[-1])
    assert f"'maximum': {MAX_CROSSINGS}" in str(schemas["MinuteSent"]["properties"]["in"])
    assert schemas["NewPlace"]["properties"]["doors"]["maxItems"] == MAX_DOORS
    assert schemas["Places"]["properties"]["places"]["maxItems"] == MAX_PLACES
    assert f"'maximum': {MAX_LIMIT}" in str(schemas["NewPlace"]["properties"]["full_at"])
    assert schemas["InsideSaid"]["properties"]["inside"]["maximum"] == MAX_LIMIT


def test_a_camera_has_a_line_among_its_edge_settings(door: V1Client) -> None:
    line = {"count": [[0.1, 0.5], [0.9, 0.5]]}
    assert door.done("PATCH", "/v1/cameras/door", {"edge": line})["edge"] == line
    assert door.done("POST", "/v1/cameras/door/heartbeat", {})["edge"] == line
    short = {"edge": {"count": [[0.1, 0.5], [0.1, 0.51]]}}
    assert "at least 0.05" in door.failed(400, "PATCH", "/v1/cameras/door", short)["detail"]
    assert door.done("GET", "/v1/cameras/door")["edge"] == line


def test_a_place_says_how_many_are_inside(door: V1Client) -> None:
    door.add_camera("back")
    place = add_place(door, doors=["door", "back"])
    assert place == {
        "id": place["id"],
        "name": "Shop",
        "doors": ["door", "back"],
        "full_at": None,
        "free_at": None,
        "inside": 0,
        "full": False,
        "open": True,
        "openings": [
            {
                "opened_at": "2026-02-28T16:00:00.000Z",  # midnight in Shanghai
                "closed_at": None,
                **dict.fromkeys(("in", "out", "dropped", "corrected"), 0),
                **dict.fromkeys(("most", "left", "watched_s"), 0),
                "open_s": 2 * (20 * 60 - 10) * 60,
                "whole": False,  # it is 20:00 there
                "corrections": [],
            }
        ],
        "revision": 1,
    }
    report(door, minute(30, 5), minute(20, 0, 3))
    report(door, minute(20, 2, 1), camera="back")
    read = door.done("GET", f"{PLACES}/{place['id']}")
    assert (read["inside"], read["openings"][-1]["most"]) == (3, 5)
    assert read["openings"][-1]["watched_s"] == 180
    listed = door.done("GET", PLACES)
    assert listed["places"] == [read]


def test_a_correction_is_shown_and_audited(door: V1Client) -> None:
    place = add_place(door)
    report(door, minute(30, 5))
    path = f"{PLACES}/{place['id']}"
    corrected = door.done("PUT", f"{path}/inside", {"inside": 3})
    [opening] = corrected["openings"]
    assert (corrected["inside"], opening["corrected"]) == (3, -2)
    [correction] = opening["corrections"]
    assert correction == {
        "at": "2026-03-01T12:00:00.000Z",
        "inside": 3,
        "change": -2,
        "by": correction["by"],
    }
    entries = door.done("GET", "/v1/audit", what="PUT /v1/places/{id}/inside")["entries"]
    assert [(one["by"], one["details"]["of"]) for one in entries] == [
        (correction["by"], place["id"])
    ]
    assert entries[0]["details"]["inside"] == 3
    assert entries[0]["details"]["before"] == 5


def test_a_closed_place_is_empty_and_says_who_was_left(door: V1Client, clock: FakeClock) -> None:
    door.done("PATCH", "/v1/settings", {"opening": "Mon-Sun 09:00-21:00"})
    place = add_place(door, full_at=10)
    report(door, minute(30, 5))  # 19:30 in Shanghai
    assert door.done("GET", f"{PLACES}/{place['id']}")["inside"] == 5
    clock.advance(timedelta(hours=1, minutes=1))
    closed = door.done("GET", f"{PLACES}/{place['id']}")
    assert (closed["inside"], closed["open"], closed["openings"][-1]["left"]) == (0, False, 5)
    problem = door.failed(409, "PUT", f"{PLACES}/{place['id']}/inside", {"inside": 3})
    assert "closed" in problem["detail"]
    clock.advance(timedelta(hours=20))
    days = door.done("GET", PLACES, days=2)["places"][0]["openings"]
    assert [(one["left"], one["closed_at"] is None) for one in days] == [(5, False), (0, True)]


def test_hooks_are_told_once_that_it_is_full_and_once_that_it_is_free(
    door: V1Client, clock: FakeClock
) -> None:
    events = ["place.full", "place.free"]
    mailbox = door.done("POST", "/v1/hooks", {"url": None, "name": "m", "events": events})["id"]
    place = add_place(door, full_at=10)
    assert place["free_at"] == 9
    steps = [(9, 0), (1, 0), (0, 0), (2, 1), (0, 1), (0, 1), (0, 1), (3, 0), (0, 5)]
    for number, (came, went) in enumerate(steps):
        clock.advance(timedelta(minutes=1))
        for _ in "twice":
            report(door, minute(-number, came, went))
    told = [("place.full", 10), ("place.free", 9), ("place.full", 11), ("place.free", 6)]
    assert read_told(door, mailbox) == told
    path = f"{PLACES}/{place['id']}"
    clock.advance(timedelta(minutes=1))
    door.done("PUT", f"{path}/inside", {"inside": 50})
    assert door.done("GET", path)["full"]
    clock.advance(timedelta(minutes=1))
    door.done("PUT", f"{path}/inside", {"inside": 1})
    assert read_told(door, mailbox) == [*told, ("place.full", 50), ("place.free", 1)]
    data = door.done("GET", f"/v1/hooks/{mailbox}/deliveries", state="pending")["deliveries"][0]
    assert data["event"]["data"]["name"] == "Shop"
    looked = {name: data["event"]["data"][name] for name in ("watched_s", "open_s", "whole")}
    opening = door.done("GET", path)["openings"][-1]
    assert looked["whole"] is False
    assert 0 < looked["watched_s"] <= opening["watched_s"] < looked["open_s"] <= opening["open_s"]
    assert (data["event"]["camera"], data["event"]["group"]) == (None, None)


def test_a_cameras_key_has_hooks_told_once_a_minute_and_kind_however_often_it_turns_a_place(
    door: V1Client, clock: FakeClock
) -> None:
    """It sends an old minute anew, with more who came in, or more who went out."""
    events = ["place.full", "place.free"]
    mailbox = door.done("POST", "/v1/hooks", {"url": None, "name": "m", "events": events})["id"]
    path = f"{PLACES}/{add_place(door, full_at=5)['id']}"
    for number in range(1, 41):
        report(door, minute(number, 0, 900))
        report(door, minute(number, 10, 0))
    told = read_told(door, mailbox)
    assert told == [("place.full", 10)]
    for _ in range(3):
        clock.advance(timedelta(minutes=1))
        report(door, minute(1, 0, 0))
    assert door.done("GET", path)["full"]
    assert read_told(door, mailbox) == told


def test_places_are_changed_and_forgotten(door: V1Client) -> None:
    place = add_place(door, full_at=80)
    path = f"{PLACES}/{place['id']}"
    assert place["free_at"] == 72
    changed = door.done("PATCH", path, {"name": "Hall", "full_at": 10, "revision": 1})
    assert (changed["name"], changed["free_at"], changed["revision"]) == ("Hall", 9, 2)
    assert door.done("PATCH", path, {"full_at": None})["free_at"] is None
    problem = door.failed(409, "PATCH", path, {"name": "Cellar", "revision": 1})
    assert (problem["code"], problem["present"]["name"]) == ("Changed", "Hall")
    door.done_without_body("DELETE", path)
    for method, body in (("GET", None), ("PATCH", {"name": "Hall"}), ("DELETE", None)):
        assert door.failed(404, method, path, body)["code"] == "PlaceNotFound"
    assert door.failed(404, "PUT", f"{path}/inside", {"inside": 3})["code"] == "PlaceNotFound"


def test_a_camera_is_a_door_of_one_place(door: V1Client) -> None:
    door.add_camera("back")
    add_place(door)
    hall = add_place(door, name="Hall", doors=["back"])
    problem = door.failed(409, "POST", PLACES, {"name": "Cellar", "doors": ["door"]})
    assert "door of 'Shop'" in problem["detail"]
    door.failed(409, "PATCH", f"{PLACES}/{hall['id']}", {"doors": ["door"]})
    door.failed(404, "POST", PLACES, {"name": "Cellar", "doors": ["cellar"]})
    for limits in ({"full_at": 5, "free_at": 5}, {"free_at": 5}):
        problem = door.failed(400, "PATCH", f"{PLACES}/{hall['id']}", limits)
        assert "less than full_at" in problem["detail"]


def test_a_deleted_cameras_counts_stay(door: V1Client) -> None:
    place = add_place(door)
    report(door, minute(30, 5))
    door.done_without_body("DELETE", "/v1/cameras/door")
    assert read_entries(door)["all"] == said(5)
    path = f"{PLACES}/{place['id']}"
    assert door.done("PATCH", path, {"name": "Hall"})["inside"] == 5
    assert door.done("PATCH", path, {"doors": ["door"]})["doors"] == ["door"]


def sum_amounts(v1: V1Client, **query: Any) -> int:
    buckets = v1.done("GET", "/v1/statistics", camera="door", **query)["buckets"]
    return sum(sum(bucket["amounts"].values()) for bucket in buckets)


def test_a_camera_that_is_made_again_shows_nothing_of_the_one_that_had_its_id(
    door: V1Client, clock: FakeClock, services: Services
) -> None:
    place = add_place(door)
    report(door, minute(30, 5))
    door.take(services, picture(Person(1)), minutes_ago=30)
    whole = {"from": "2026-02-28T00:00:00Z"}

    def ask() -> list[Any]:
        return [
            door.done("GET", "/v1/captures", camera="door")["captures"],
            door.done("GET", "/v1/captures")["captures"],
            door.done("GET", "/v1/arrivals", camera="door", **whole)["arrivals"],
            door.done("GET", "/v1/observations", camera="door")["observations"],
            read_entries(door, camera="door")["all"],
            sum_amounts(door, **whole),
        ]

    assert all(ask())
    before = {"from": "2026-02-28T00:00:00Z", "to": "2026-02-28T23:00:00Z"}
    assert sum_amounts(door, **before) == 0
    door.done_without_body("DELETE", "/v1/cameras/door")
    clock.advance(timedelta(minutes=20))
    door.add_camera("door")
    assert ask() == [[], [], [], [], None, 0]
    assert sum_amounts(door, **before) == 0
    assert read_entries(door)["all"]["in"] == 5, "the shop has had these visitors"
    assert door.done("GET", f"{PLACES}/{place['id']}")["inside"] == 5
    report(door, minute(-10, 2))  # of the time between, from a box that was offline
    assert read_entries(door, camera="door")["all"] == said(2)
    taken = door.take(services, picture(Person(1)), minutes_ago=0)
    assert len(door.done("GET", "/v1/captures", camera="door")["captures"]) == 1
    assert taken


@pytest.mark.parametrize(
    "zone",
    [
        "America/Los_Angeles",
        "America/New_York",
        "Europe/Berlin",
        "Asia/Kolkata",
        "Pacific/Auckland",
        "Pacific/Apia",
    ],
)
def test_minutes_are_hours_days_and_csv_and_so_they_are_once_they_became_hours(
    door: V1Client, clock: FakeClock, services: Services, zone: str
) -> None:
    """From October until November clocks change in all zones that have two times a year."""
    chance = random.Random(zone)
    door.done("PATCH", "/v1/settings", {"time_zone": zone, "observation_days": 400})
    first = datetime(2026, 9, 24, tzinfo=UTC)
    clock.advance(first + timedelta(days=42) - clock.now())
    changes = [datetime(2026, month, day, 12, tzinfo=UTC) for month, day in CHANGED]
    total = 0
    for changed_at in changes:
        clock.advance(changed_at + timedelta(days=2) - clock.now())
        minutes = []
        for _ in range(400):
            at = changed_at + timedelta(minutes=chance.randrange(-2_000, 2_000))
            minutes.append({**minute(0, chance.randrange(9), 1), "at": at.isoformat()})
        by_time = {one["at"]: one for one in minutes}
        report(door, *by_time.values())
        total += sum(one["in"] for one in by_time.values())
    span = {"from": "2026-09-20T00:00:00Z", "to": "2026-11-20T00:00:00Z"}

    def read_all() -> list[Mapping[str, Any]]:
        return [read_entries(door, by=by, **span) for by in ("hour", "day", "week", "month")]

    minutes_read = read_all()
    assert {one["all"]["in"] for one in minutes_read} == {total}
    share = {"open_s": 0, "whole": True, "doubted": {}, "sure_in": 0, "sure_out": 0}
    of_day = msgspec.convert({**minutes_read[1]["all"], **share}, models.Entries)
    assert list_entries(of_day)["entries"] == total, "as it is told by MQTT"
    hours, days, *_ = minutes_read
    summed: dict[str, int] = {}
    for time, entries in hours.items():
        summed[time[:10]] = summed.get(time[:10], 0) + entries["in"]
    assert {time: entries["in"] for time, entries in days.items()} == summed
    query = {"format": "csv", "by": "day", "entries": "true", **span}
    lines = door.send("GET", "/v1/statistics", query=query).body.splitlines()[1:]
    assert sum(int(line.split('","')[2] or 0) for line in lines) == total
    clock.advance(timedelta(days=90))
    tenant = services.tenants.get_by_name("shop")
    retention = services.erasure.retention
    assert retention.sweep_tenant(
        tenant, swept_kinds=(Kind.COUNTED_MINUTES, Kind.COUNTED_HOURS), is_confirmed=True
    )
    partitions = [keys.counted_minutes("shop"), keys.counted_hours("shop")]
    left = [len([*walk_items(services.items, keys.SUMMARIES, one)]) for one in partitions]
    assert left[0] == 0
    assert left[1] > 0
    assert read_all() == minutes_read
    clock.advance(timedelta(days=400))
    retention.sweep_tenant(tenant, swept_kinds=(Kind.COUNTED_HOURS,), is_confirmed=True)
    assert not [*walk_items(services.items, keys.SUMMARIES, partitions[1])]


def test_minutes_that_a_clock_ahead_made_hours_count_once_if_they_are_told_again(
    door: V1Client, clock: FakeClock, services: Services
) -> None:
    """A box tells its last days again, for example to a restored book."""
    add_place(door)
    minutes = [minute(ago, 2, 1) for ago in range(15)]
    report(door, *minutes)
    ahead = timedelta(days=33)
    sum_minutes_after(door, clock, services, ahead)
    clock.advance(-ahead)
    report(door, minute(20, 5))
    told_once = read_entries(door)
    assert told_once["all"]["in"] == 35
    for _ in "twice":
        report(door, *minutes, minute(20, 5))
        assert read_entries(door) == told_once
        assert door.done("GET", PLACES, days=2)["places"][0]["openings"][-1]["in"] == 35
    sum_minutes_after(door, clock, services, ahead)
    assert read_entries(door) == told_once


CHANGED = ((9, 27), (10, 25), (11, 1))
"""Noon of the days of 2026 on which clocks change: in Auckland, Berlin, and America."""
