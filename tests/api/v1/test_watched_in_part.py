"""An hour of which four minutes were watched, beside a whole one: each door of figures says so."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from regulars_client import models
from regulars_mqtt.discovery import list_entries, write_place
from rich.console import Console

from chalicelib.book.week import format_message, list_doubts
from chalicelib.domain.counts import WHYS, Doubts, Why
from chalicelib.domain.local_time import Granularity
from chalicelib.domain.periods import Period
from chalicelib.domain.texts import LANGUAGES, Texts
from chalicelib.services import Services
from regulars.report import format_text
from regulars.today import print_today, read_today
from tests.support.api.v1.client import V1Client
from tests.support.api.v1.counting import sum_minutes_after
from tests.support.book.synthetic import write_visits
from tests.support.fakes import FakeClock

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)
IN_PART, WHOLE = "2026-03-01T10:00", "2026-03-01T11:00"
MONDAY = date(2026, 2, 23)
SPAN = {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}
SHARE = (64, 120)
"""Minutes of both hours that were watched, and those in which the shop was open."""


@pytest.fixture
def door(door: V1Client, clock: FakeClock) -> V1Client:
    """A shop that opened two hours ago, as far as boxes have told. In the first of them four
    minutes were watched."""
    settings = {"time_zone": "UTC", "opening": "Mon-Sun 10:00-14:00"}
    door.done("PATCH", "/v1/settings", settings)
    clock.advance(TEN + timedelta(hours=2, minutes=10) - clock.now())
    give(door, range(4), came=2)
    give(door, range(60, 120), came=1)
    return door


def give(door: V1Client, minutes: range, came: int, camera: str = "door") -> None:
    """Count so many in each minute since ten o'clock."""
    told = [
        {
            "at": (TEN + timedelta(minutes=minute)).isoformat(),
            "seconds": 60,
            "in": came,
            "out": 0,
            "faces": 0,
        }
        for minute in minutes
    ]
    door.done("PUT", f"/v1/cameras/{camera}/counts", {"minutes": told})


def read(door: V1Client, by: str = "hour", **more: Any) -> Mapping[str, Any]:
    return door.done("GET", "/v1/statistics", **{"by": by, "entries": "true", **SPAN, **more})


def share_of(entries: Mapping[str, Any]) -> tuple[int, int, bool]:
    return entries["watched_s"] // 60, entries["open_s"] // 60, entries["whole"]


def shares_of_hours(door: V1Client, **more: Any) -> dict[str, tuple[int, int, bool]]:
    buckets = read(door, **more)["buckets"]
    return {one["time"]: share_of(one["entries"]) for one in buckets if one["entries"]}


def say_today(door: V1Client, services: Services) -> str:
    out = io.StringIO()
    tenant = services.tenants.get_by_name("shop")
    today = read_today(services, tenant, services.clock.now())
    print_today(today, Console(file=out, width=200))
    return out.getvalue()


def say_by_mqtt(door: V1Client, services: Services) -> str:
    of_day = msgspec.convert(read(door, "day")["entries"], models.Entries)
    return json.dumps(list_entries(of_day))


def say_place(door: V1Client, services: Services) -> str:
    place = door.done("POST", "/v1/places", {"name": "Shop", "doors": ["door"]})
    return write_place(msgspec.convert(place, models.Place))


def say_csv(door: V1Client, services: Services) -> str:
    query = {"format": "csv", "by": "day", "entries": "true", **SPAN}
    text = door.send("GET", "/v1/statistics", query=query).body.lstrip("\ufeff")
    [row] = csv.DictReader(text.splitlines())
    return f"{row['in']}: {int(row['watched_s']) // 60} of {int(row['open_s']) // 60}"


def say_message(door: V1Client, services: Services) -> str:
    tenant = services.tenants.get_by_name("shop")
    return format_message(services.sightings.weeks.count_week(tenant, MONDAY), tenant)


def say_report(door: V1Client, services: Services) -> str:
    tenant = services.tenants.get_by_name("shop")
    return format_text(services.sightings.weeks.count_week(tenant, MONDAY), tenant)


IN_COLUMNS = (say_by_mqtt, say_place, say_csv)
"""Doors that have the minutes as figures of their own, whether or not a time is whole."""
IN_WORDS = (say_today, say_message, say_report)


def numbers_in(text: str) -> set[int]:
    return {int(number) for number in re.findall(r"\d+", text)}


def test_statistics_say_of_each_bucket_how_much_was_watched_and_whether_it_is_whole(
    door: V1Client,
) -> None:
    assert shares_of_hours(door) == {IN_PART: (4, 60, False), WHOLE: (60, 60, True)}
    for by in ("day", "week", "month"):
        answer = read(door, by)
        [of_all] = [one["entries"] for one in answer["buckets"]]
        assert share_of(of_all) == (*SHARE, False)
        assert answer["entries"] == of_all
        assert of_all["in"] == 68


@pytest.mark.parametrize("say", [*IN_COLUMNS, *IN_WORDS])
def test_each_door_says_in_how_many_minutes_its_figure_was_counted(
    door: V1Client, services: Services, say: Callable[[V1Client, Services], str]
) -> None:
    said = numbers_in(say(door, services))
    assert {68, *SHARE} <= said


@pytest.mark.parametrize("say", IN_WORDS)
def test_no_door_says_so_of_a_time_that_is_whole(
    door: V1Client, services: Services, say: Callable[[V1Client, Services], str]
) -> None:
    give(door, range(4, 54), came=0)  # 114 of 120 minutes
    said = say(door, services)
    assert 68 in numbers_in(said)
    assert not {114, 120} & numbers_in(said)


def doubt(door: V1Client, minutes: range, why: str | None, sure_in: int = 0) -> None:
    """Tell minutes of which nothing is known, since ten o'clock."""
    told = [
        {
            "at": (TEN + timedelta(minutes=minute)).isoformat(),
            "seconds": 20,
            **dict.fromkeys(("in", "out", "faces")),
            **({"why": why, "sure_in": sure_in, "sure_out": 1} if why else {}),
        }
        for minute in minutes
    ]
    door.done("PUT", "/v1/cameras/door/counts", {"minutes": told})


def doubts_of(entries: Mapping[str, Any]) -> tuple[dict[str, int], int, int]:
    return entries["doubted"], entries["sure_in"], entries["sure_out"]


def test_statistics_say_why_minutes_have_no_numbers_and_who_crossed_for_sure(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    """Of the hours in which the shop is open: at night it is dark everywhere."""
    doubt(door, range(10, 41), "dark")
    doubt(door, range(41, 43), "crowd", sure_in=3)
    doubt(door, range(43, 50), None)
    doubt(door, range(-60, 0), "dark", sure_in=1)
    of_part = {"dark": 31, "crowd": 2}, 6, 33
    by_hour = {one["time"]: one["entries"] for one in read(door)["buckets"] if one["entries"]}
    assert {time: doubts_of(one) for time, one in by_hour.items()} == {
        IN_PART: of_part,
        WHOLE: ({}, 0, 0),
    }
    assert by_hour[IN_PART]["in"] == 8, "who crossed for sure is not among them"
    answer = read(door, "day")
    assert doubts_of(answer["entries"]) == doubts_of(answer["buckets"][0]["entries"]) == of_part
    give(door, range(41, 43), came=5)
    assert doubts_of(read(door)["entries"]) == ({"dark": 31}, 0, 31), "watched for longer"
    sum_minutes_after(door, clock, services, timedelta(days=32))
    hours_later = read(door)["entries"]
    assert (hours_later["in"], doubts_of(hours_later)) == (78, ({}, 0, 0))


@pytest.mark.parametrize("say", IN_WORDS)
def test_each_door_says_in_words_why_a_figure_is_of_a_part_alone(
    door: V1Client, services: Services, say: Callable[[V1Client, Services], str]
) -> None:
    doubt(door, range(10, 41), "dark")
    doubt(door, range(41, 43), "crowd", sure_in=7)
    said = say(door, services)
    assert "of 64 minutes of 120 · 31 too dark · 2 too crowded · at least 14 more came in" in said
    give(door, range(4, 60), came=0)
    assert "dark" not in say(door, services), "it is whole"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("why", WHYS)
def test_each_reason_has_words_in_each_language(language: str, why: Why) -> None:
    of_minute = Doubts.of_minute(why, 7, 0)
    said = list_doubts(of_minute, Texts(language))
    assert [numbers_in(one) for one in said] == [{1}, {7}]
    assert language == "en" or said != list_doubts(of_minute, Texts("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_says_it_in_the_readers_language(
    door: V1Client, services: Services, language: str
) -> None:
    services.tenants.change_settings("shop", {"language": language})
    assert {68, *SHARE} <= numbers_in(say_message(door, services))


def test_hours_in_which_a_camera_should_have_watched_and_did_not_count_in_the_sum(
    door: V1Client, clock: FakeClock
) -> None:
    door.add_camera("back")
    give(door, range(-60, 0), came=1, camera="back")
    assert shares_of_hours(door)["2026-03-01T09:00"] == (60, 60, True), "the shop was closed"
    assert shares_of_hours(door)[WHOLE] == (60, 120, False), "one of two cameras was away"
    assert read(door, camera="back")["entries"]["open_s"] == 180 * 60
    assert door.send("DELETE", "/v1/cameras/back").status == 204
    assert shares_of_hours(door)[WHOLE] == (60, 60, True), "nobody waits for it"
    clock.advance(timedelta(days=1))
    of_tomorrow = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
    assert read(door, "day", **of_tomorrow)["entries"] is None, "nobody watched"


def test_an_hour_that_goes_on_is_whole_if_it_was_watched_until_ten_minutes_ago(
    door: V1Client, clock: FakeClock
) -> None:
    clock.advance(timedelta(minutes=20))
    give(door, range(120, 138), came=1)
    assert shares_of_hours(door)["2026-03-01T12:00"] == (18, 20, True)
    clock.advance(timedelta(minutes=1))
    assert shares_of_hours(door)["2026-03-01T12:00"] == (18, 21, False)


def test_a_closed_week_says_the_minutes_that_were_watched(
    door: V1Client, services: Services, clock: FakeClock
) -> None:
    tenant = services.tenants.get_by_name("shop")
    write_visits(services, tenant, [(TEN, "door", "1")])
    clock.advance(timedelta(days=3))
    services.sweep.sweep_tenant(tenant, clock.now(), ["periods"], is_part=True)
    closed = services.audit.periods.read(tenant, Period(Granularity.WEEK, MONDAY))
    assert {68, SHARE[0]} <= numbers_in(format_text(closed.week, tenant))
