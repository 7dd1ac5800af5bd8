"""Minutes of a camera that are wrong are taken back, whoever told them and tells them again."""

import io
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct
from msgspec.structs import fields
from rich.console import Console

from chalicelib.api.v1.routes import OPERATIONS
from chalicelib.book.counts.voids import MAX_VOIDS
from chalicelib.domain.counts import Void
from chalicelib.services import Services
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from regulars.report import format_csv, format_text
from regulars.today import print_today, read_today
from tests.support.api.v1.client import V1Client, document
from tests.support.api.v1.counting import (
    COUNTS,
    NOON,
    PLACES,
    add_place,
    minute,
    read_entries,
    read_told,
    report,
    said,
    sum_minutes_after,
)
from tests.support.fakes import FakeClock

VOIDS = "/v1/cameras/door/voids"
FORGED, FORGED_OUT = 777, 333
FORMS = ("json", "csv")


def before_noon(ago: float) -> str:
    return (NOON - timedelta(minutes=ago)).isoformat()


def void(v1: V1Client, first: float, end: float, path: str = COUNTS) -> list[dict[str, Any]]:
    """Void the minutes between so many before noon; by the path of voids have them count again."""
    query = {"from": before_noon(first), "to": before_noon(end)}
    return v1.done("DELETE", path, **query)["voids"]


def again(v1: V1Client, first: float, end: float) -> list[dict[str, Any]]:
    return void(v1, first, end, VOIDS)


class Shop(Struct, frozen=True):
    """A shop with a place of one door. `box`: it has the camera's key; `place`: the place's id."""

    v1: V1Client
    box: V1Client
    place: str
    services: Services

    def list_answers(self) -> Iterator[tuple[str, str]]:
        """Yield whatever tells figures: each read of v1 by each form and step, what `today` prints,
        the week's sheet, and the state that MQTT retains; by its name."""
        ids = {"id": self.place, "name": "", "picture": "", "n": "0", "access": "", "passkey": ""}
        since = {"from": "2026-01-20T00:00:00Z"}
        for one in OPERATIONS:
            if one.method != "GET" or one.role is None:
                continue
            path = re.sub(r"\{(\w+)\}", lambda slot: ids.get(slot[1], "door"), one.path)
            names = {field.encode_name for field in fields(one.query)} if one.query else set()
            steps = ("hour", "day", "week", "month") if "by" in names else ("",)
            forms = FORMS if "format" in names else ("",)
            for by, form in product(steps, forms):
                query = {"by": by, "format": form, "entries": "true", "days": "30", **since}
                asked = {name: value for name, value in query.items() if value and name in names}
                yield f"{path} {by} {form}".rstrip(), self.v1.send("GET", path, query=asked).body
        tenant = self.services.tenants.get_by_name("shop")
        out = io.StringIO()
        print_today(read_today(self.services, tenant, self.services.clock.now()), Console(file=out))
        yield "today", out.getvalue()
        week = self.services.sightings.weeks.count_week(tenant, NOON.date())
        yield "week", repr(week) + format_text(week, tenant) + format_csv(week, tenant)

    def find_forged(self) -> set[str]:
        """The names of the doors that show what was forged."""
        mark = re.compile(rf"(?<!\d)({FORGED}|{FORGED_OUT})(?!\d)")
        return {name for name, text in self.list_answers() if mark.search(text)}


@pytest.fixture
def shop(v1: V1Client, services: Services) -> Shop:
    key = v1.add_camera("door")["api_key"]
    return Shop(v1, v1.with_key(key), add_place(v1)["id"], services)


def test_a_forged_minute_is_shown_by_no_door_of_figures_after_it_was_voided(shop: Shop) -> None:
    report(shop.box, minute(30, FORGED, FORGED_OUT), minute(29, 0), minute(0, 0))
    shown = shop.find_forged()
    assert shown >= {
        *(f"/v1/statistics {by} {form}" for by in ("hour", "day", "week") for form in FORMS),
        "/v1/places",
        f"/v1/places/{shop.place}",
        "today",
        "week",
    }
    before = dict(shop.list_answers())
    assert void(shop.v1, 30, 29) == [
        {
            "camera": "door",
            "from": "2026-03-01T11:30:00.000Z",
            "to": "2026-03-01T11:31:00.000Z",
        }
    ]
    assert shop.find_forged() == set()
    assert read_entries(shop.v1)["all"] == said(0, 0, 120)
    for client in (shop.box, shop.box, shop.v1):
        report(client, minute(30, FORGED, FORGED_OUT))
        report(client, minute(30, 3))
        assert shop.find_forged() == set()
        assert read_entries(shop.v1)["all"] == said(0, 0, 120)
    renewed = shop.v1.done("POST", "/v1/cameras/door/key")["api_key"]
    report(shop.v1.with_key(renewed), minute(30, FORGED, FORGED_OUT))
    assert shop.find_forged() == set()
    assert again(shop.v1, 30, 29) == []
    after = dict(shop.list_answers())
    figures = {name for name in shown if name in after}
    assert {name: after[name] for name in figures} == {name: before[name] for name in figures}


def test_what_a_camera_counted_is_voided_also_after_it_was_deleted(shop: Shop) -> None:
    report(shop.box, minute(30, FORGED))
    shop.v1.done_without_body("DELETE", "/v1/cameras/door")
    assert len(void(shop.v1, 40, 20)) == 1
    assert read_entries(shop.v1)["all"] is None
    assert again(shop.v1, 40, 20) == []
    assert read_entries(shop.v1)["all"] == said(FORGED)


def test_how_many_are_inside_follows_and_hooks_are_told(shop: Shop, clock: FakeClock) -> None:
    events = ["place.full", "place.free"]
    hook = {"url": None, "name": "m", "events": events}
    mailbox = shop.v1.done("POST", "/v1/hooks", hook)["id"]
    path = f"{PLACES}/{shop.place}"
    shop.v1.done("PATCH", path, {"full_at": 100})
    report(shop.box, minute(30, 5), minute(20, FORGED))
    steps = [(void, 5, False), (again, 5 + FORGED, True), (void, 5, False)]
    told = [("place.full", 5 + FORGED)]
    for change, inside, is_full in steps:
        clock.advance(timedelta(minutes=1))
        change(shop.v1, 20, 19)
        read = shop.v1.done("GET", path)
        assert (read["inside"], read["full"]) == (inside, is_full)
        told.append(("place.full" if is_full else "place.free", inside))
        assert read_told(shop.v1, mailbox) == told
    clock.advance(timedelta(seconds=1))
    report(shop.box, minute(20, FORGED + 1), minute(1, 1))
    assert shop.v1.done("GET", path)["inside"] == 6
    assert read_told(shop.v1, mailbox) == told


def test_voids_that_follow_each_other_are_one_and_a_part_can_be_taken_back(shop: Shop) -> None:
    shop.v1.add_camera("back")
    report(shop.box, *(minute(ago, 1) for ago in range(1, 61)))
    report(shop.v1, *(minute(ago, 1) for ago in range(1, 61)), camera="back")

    def listed(voids: list[dict[str, Any]]) -> list[tuple[int, int]]:
        def ago(at: str) -> int:
            return (NOON - datetime.fromisoformat(at)) // timedelta(minutes=1)

        return [(ago(one["from"]), ago(one["to"])) for one in voids]

    assert listed(void(shop.v1, 60, 50)) == [(60, 50)]
    assert listed(void(shop.v1, 40, 30)) == [(60, 50), (40, 30)]
    assert listed(void(shop.v1, 50, 40)) == [(60, 30)]
    assert listed(void(shop.v1, 55, 45)) == [(60, 30)]
    assert read_entries(shop.v1)["all"]["in"] == 90
    assert listed(again(shop.v1, 50, 45)) == [(60, 50), (45, 30)]
    assert read_entries(shop.v1)["all"]["in"] == 95
    assert listed(again(shop.v1, 30, 20)) == [(60, 50), (45, 30)], "nothing of it is void"
    assert listed(shop.v1.done("GET", "/v1/voids")["voids"]) == [(60, 50), (45, 30)]
    assert again(shop.v1, 1_000, 0) == []
    assert read_entries(shop.v1)["all"]["in"] == 120


def test_only_an_admin_voids_and_the_audit_says_who_and_what(shop: Shop) -> None:
    query = {"from": before_noon(30), "to": before_noon(20)}
    operator = shop.v1.done("POST", "/v1/keys", {"name": "Till", "role": "operator"})["api_key"]
    for client in (shop.box, shop.v1.with_key(operator)):
        client.failed(403, "DELETE", COUNTS, **query)
        client.failed(403, "DELETE", VOIDS, **query)
        client.failed(403, "GET", "/v1/voids")
    report(shop.box, minute(25, 1))
    for _ in "twice":  # what is so already gets no entry
        void(shop.v1, 30, 20)
    again(shop.v1, 25, 20)
    entries = [
        entry
        for what in ("DELETE /v1/cameras/{id}/counts", "DELETE /v1/cameras/{id}/voids")
        for entry in shop.v1.done("GET", "/v1/audit", what=what)["entries"]
    ]
    times = [(one["details"]["from"], one["details"]["to"]) for one in entries]
    assert times == [
        ("2026-03-01T11:30:00.000Z", "2026-03-01T11:40:00.000Z"),
        ("2026-03-01T11:35:00.000Z", "2026-03-01T11:40:00.000Z"),
    ]
    assert {one["details"]["of"] for one in entries} == {"door"}
    assert all(one["by"] for one in entries)


def test_wrong_times_and_cameras_are_refused(shop: Shop) -> None:
    for path in (COUNTS, VOIDS):
        for first, end, says in (
            (20, 30, "swap"),
            (20, 20, "swap"),
            (20.5, 10, "second 0"),
            (20, -60, "at most now"),
        ):
            query = {"from": before_noon(first), "to": before_noon(end)}
            assert says in shop.v1.failed(400, "DELETE", path, **query)["detail"]
    query = {"from": before_noon(20), "to": before_noon(10)}
    shop.v1.failed(404, "DELETE", "/v1/cameras/cellar/counts", **query)
    shop.v1.failed(400, "DELETE", COUNTS, **{"from": before_noon(20)})


def test_voids_are_bounded(shop: Shop) -> None:
    for number in range(MAX_VOIDS):
        shop.services.counts.voids.add(
            shop.services.tenants.get_by_name("shop"),
            Void("door", number * 120_000, number * 120_000 + 60_000),
        )
    query = {"from": before_noon(20), "to": before_noon(10)}
    problem = shop.v1.failed(409, "DELETE", COUNTS, **query)
    assert f"{MAX_VOIDS} voids" in problem["detail"]
    schema = document().all["components"]["schemas"]["Voids"]
    assert schema["properties"]["voids"]["maxItems"] == MAX_VOIDS


@pytest.mark.parametrize(("zone", "back"), [("Asia/Shanghai", 110), ("Asia/Kathmandu", 109)])
def test_minutes_that_are_void_when_hours_are_made_are_held_and_come_back(
    shop: Shop, clock: FakeClock, zone: str, back: int
) -> None:
    """An hour's are held until all of them count: in Kathmandu hours begin at a quarter past."""
    shop.v1.done("PATCH", "/v1/settings", {"time_zone": zone})
    report(shop.box, *(minute(ago, 1) for ago in range(1, 121)), minute(130, FORGED))
    void(shop.v1, 61, 50)  # of the hours that begin 120 and 60 minutes before noon
    void(shop.v1, 130, 129)
    before = read_entries(shop.v1)
    assert before["all"] == said(109, watched_s=109 * 60)
    sum_minutes_after(shop.v1, clock, shop.services, timedelta(days=33))
    assert read_entries(shop.v1) == before
    again(shop.v1, 61, 60)
    assert read_entries(shop.v1)["all"]["in"] == back
    void(shop.v1, 61, 60)
    assert read_entries(shop.v1) == before
    again(shop.v1, 130, 50)
    assert read_entries(shop.v1)["all"] == said(120 + FORGED, watched_s=121 * 60)
    void(shop.v1, 130, 129)
    assert shop.find_forged() == set()
    again(shop.v1, 130, 129)
    assert read_entries(shop.v1)["all"] == said(120 + FORGED, watched_s=121 * 60)


def test_held_minutes_that_are_told_again_count_once(shop: Shop, clock: FakeClock) -> None:
    """A clock that was ahead makes hours early, and the box tells its minutes again."""
    minutes, ahead = [minute(ago, 2, 1) for ago in range(10)], timedelta(days=33)
    report(shop.box, *minutes)
    void(shop.v1, 5, 0)
    for _ in "twice":
        sum_minutes_after(shop.v1, clock, shop.services, ahead)
        clock.advance(-ahead)
        report(shop.box, *minutes)
    assert read_entries(shop.v1)["all"]["in"] == 10
    again(shop.v1, 5, 0)
    for _ in "twice":
        assert read_entries(shop.v1)["all"]["in"] == 20
        sum_minutes_after(shop.v1, clock, shop.services, ahead)
        clock.advance(-ahead)


def test_a_void_of_hours_takes_them_whole_and_they_come_back_to_the_last_digit(
    shop: Shop, clock: FakeClock
) -> None:
    report(shop.box, *(minute(ago, 1 + ago % 3, 1) for ago in range(1, 181)))
    sum_minutes_after(shop.v1, clock, shop.services, timedelta(days=33))
    before = read_entries(shop.v1)
    void(shop.v1, 121, 119)  # of the hours that begin 180 and 120 minutes before noon
    [(_, last_hour), (_, total)] = read_entries(shop.v1).items()
    assert (last_hour["watched_s"], last_hour) == (3_600, total)
    again(shop.v1, 121, 120)
    assert read_entries(shop.v1)["all"]["watched_s"] == 7_200, "a minute of the other is void yet"
    again(shop.v1, 121, 119)
    assert read_entries(shop.v1) == before


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Europe/Berlin", "Asia/Kathmandu"])
def test_a_void_of_hours_takes_only_those_that_it_holds_in_any_zone(
    shop: Shop, clock: FakeClock, zone: str
) -> None:
    shop.v1.done("PATCH", "/v1/settings", {"time_zone": zone, "observation_days": 400})
    report(shop.box, *(minute(ago, 1) for ago in range(1, 901)))
    by_hour = read_entries(shop.v1)
    sum_minutes_after(shop.v1, clock, shop.services, timedelta(days=33))
    assert read_entries(shop.v1) == by_hour
    wanted = [time for time in by_hour if time != "all"][6]
    begun = datetime.fromisoformat(wanted).replace(tzinfo=ZoneInfo(zone))
    ago = (NOON - begun) // timedelta(minutes=1)
    void(shop.v1, ago - 20, ago - 21)
    left = read_entries(shop.v1)
    assert {time for time in by_hour if time not in left} == {wanted}


def test_a_cameras_key_changes_no_settled_minute_and_others_do(
    shop: Shop, clock: FakeClock
) -> None:
    two_days = 48 * 60
    report(shop.box, minute(two_days + 2, 3), minute(two_days - 2, 3))
    report(shop.box, minute(two_days + 2, FORGED), minute(two_days - 2, 5))
    query: Mapping[str, Any] = {"from": "2026-02-20T00:00:00Z"}
    assert read_entries(shop.v1, **query)["all"] == said(8, watched_s=120)
    month = 29 * 24 * 60
    dark = minute(month - 3, None, None, None, seconds=0)
    report(shop.box, minute(month, 2), minute(month - 1, None, None, None), dark)
    forged = [minute(month - later, FORGED) for later in (0, 1, 3)]
    report(shop.box, *forged, minute(month - 2, 1))
    query = {"from": "2026-01-20T00:00:00Z"}
    assert read_entries(shop.v1, **query)["all"] == said(11, watched_s=240)
    report(shop.v1, minute(month, 7))
    assert read_entries(shop.v1, **query)["all"] == said(16, watched_s=240)
    clock.advance(timedelta(days=2))
    report(shop.box, minute(two_days - 2, FORGED))
    assert read_entries(shop.v1, **query)["all"] == said(16, watched_s=240)


def test_a_month_that_was_forged_is_voided_at_once(shop: Shop) -> None:
    month = 29 * 24 * 60
    report(shop.box, minute(30, 4))
    for day in range(0, 29, 2):
        report(shop.box, *(minute(day * 1_440 + 60 * hour, 1_000) for hour in range(1, 40)))
    query = {"from": "2026-01-20T00:00:00Z"}
    assert read_entries(shop.v1, **query)["all"]["in"] > 500_000
    void(shop.v1, month + 2_880, 31)
    assert read_entries(shop.v1, **query)["all"] == said(4)


def test_void_times_were_to_be_watched_all_the_same(shop: Shop) -> None:
    """Also beyond the week for which a camera that tells nothing is waited for: else a part of a
    month were the whole of it."""
    hours = range(1, 24 * 20)
    report(shop.box, *(minute(60 * hour, 1) for hour in hours))
    query = {"by": "day", "from": "2026-02-01T00:00:00Z", "entries": "true"}
    before = shop.v1.done("GET", "/v1/statistics", **query)["entries"]
    void(shop.v1, 16 * 1_440, 5 * 1_440)
    after = shop.v1.done("GET", "/v1/statistics", **query)["entries"]
    assert (before["open_s"], before["whole"]) == (after["open_s"], after["whole"])
    assert after["watched_s"] < before["watched_s"]


def test_a_void_goes_with_its_tenant_and_is_one_item(shop: Shop) -> None:
    void(shop.v1, 30, 20)
    stored = [*walk_items(shop.services.items, keys.DIRECTORY, "shop")]
    assert [item["voids"] for item in stored if item["item"] == keys.VOIDS_ITEM] == [
        [{"camera": "door", "first_ms": 1_772_364_600_000, "end_ms": 1_772_365_200_000}]
    ]
