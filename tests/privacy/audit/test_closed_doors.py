"""Every door that shows the figures of a closed day, week or month says what came since: nothing if
something ended, and what was and is if something was corrected."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.book.sightings.rejection import Instead
from chalicelib.book.week import Week, format_message
from chalicelib.domain.consent import Basis, Consent
from chalicelib.domain.counts import Count, CountedMinute
from chalicelib.domain.local_time import Granularity
from chalicelib.domain.periods import CLOSED, Period
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.ports import Put
from regulars.report import compose_mail, format_text
from tests.support.api.stage import make_stage
from tests.support.api.v1.client import V1Client
from tests.support.book.book import Book, Shot, shot
from tests.support.book.tenants import KEEPING
from tests.support.consistency.consistency import list_disagreements
from tests.support.fakes import Person

DAY = 24 * 60
MONDAY = date(2026, 3, 16)
WEEK = Period(Granularity.WEEK, MONDAY)
PERIODS = (
    Period(Granularity.DAY, MONDAY),
    Period(Granularity.DAY, date(2026, 3, 18)),
    WEEK,
    Period(Granularity.MONTH, date(2026, 3, 1)),
)
SINCE = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
VISITS = ((14, 1), (14, 9), (15, 2), (16, 1), (16, 3), (16, 9))
"""Days since 2 March, and who came: two strangers and Ann, whose number is 9."""


def close_days(book: Book, until: datetime) -> None:
    """Sweep in the second hour of each day, as a box does that is never off."""
    while book.clock.now() < until:
        night = book.clock.now().replace(hour=1, minute=0)
        book.clock.advance(night + timedelta(book.clock.now() >= night) - book.clock.now())
        book.services.sweep.sweep_tenant(
            book.tenant, book.clock.now(), ["seals", "periods"], is_part=True
        )


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(Book(tmp_path / "data", settings=KEEPING)) as made:
        consent = Consent(Basis.CONSENT, made.clock.now(), "form 7")
        made.enrol(Person(9, side_px=100.0), faceid="ann", name="Ann", consent=consent)
        for number, (day, who) in enumerate(VISITS):
            close_days(made, datetime(2026, 3, 2 + day, tzinfo=UTC))
            at = shot(DAY * day - 8 * 60 + 30 * number).at
            # each picture is another one, so a person may say that it is somebody else
            made.see(Shot(at, (Person(who, side_px=90.0 + number),)))
        close_days(made, datetime(2026, 4, 1, tzinfo=UTC))
        yield made


def read_sheets(book: Book) -> list[str]:
    periods = book.services.audit.periods
    return [
        line
        for period in PERIODS
        for line in periods.list_changes(periods.read(book.tenant, period))
    ]


def read_v1(book: Book) -> list[str]:
    v1 = V1Client(make_stage(book.services).app, book.services.tenants.rotate_keys("shop").api_key)
    changes = []
    for by in CLOSED:
        for measure, name in (("arrivals", "visits"), ("persons", "people")):
            page = v1.done("GET", "/v1/statistics", **SINCE, by=by, measure=measure)
            now = {one["time"]: one["amounts"]["total"] for one in page["buckets"]}
            closed = page["closed"]
            assert [one["is_kept"] for one in closed if one["visits"]]
            told = ((one["time"], one[name], now[one["time"]]) for one in closed)
            changes += [f"{time}: was {was}, now {is_}" for time, was, is_ in told if was != is_]
    return changes


def read_rows(v1: V1Client, **asked: str) -> list[dict[str, str]]:
    query = {**SINCE, "format": "csv", **asked}
    text = v1.send("GET", "/v1/statistics", query=query).body.removeprefix("\ufeff")
    return [*csv.DictReader(io.StringIO(text))]


def read_csv(book: Book) -> list[str]:
    v1 = V1Client(make_stage(book.services).app, book.services.tenants.rotate_keys("shop").api_key)
    changes = []
    for by in CLOSED:
        for more in ({"measure": "persons"}, {"split": "visit"}):
            rows = read_rows(v1, by=by, **more)
            assert any(row["closed"] for row in rows)
            told = ((row["closed"], row["amount"]) for row in rows if row["closed"])
            changes += [f"was {was}, now {now}" for was, now in told if was != now]
    return changes


def mail(week: Week, book: Book) -> str:
    part = compose_mail(week, book.tenant, "box@shop.example", "boss@shop.example").get_body()
    assert part
    return str(part.get_content())


def read_week(book: Book, first: date, write: Callable[[Week, Book], str], says: str) -> list[str]:
    week = book.services.sightings.weeks.count_week(book.tenant, first)
    return [line for line in write(week, book).splitlines() if line.startswith(says)]


AFTER = MONDAY + timedelta(7)
WRITERS: dict[str, Callable[[Week, Book], str]] = {
    "regulars report": lambda week, book: format_text(week, book.tenant),
    "mail": mail,
    "week.ended": lambda week, book: format_message(week, book.tenant),
}
DOORS: dict[str, Callable[[Book], list[str]]] = {
    "closed sheets": read_sheets,
    "v1": read_v1,
    "CSV": read_csv,
    **{
        f"{name} of {of}": partial(read_week, first=first, write=write, says=says)
        for name, write in WRITERS.items()
        for of, first, says in (
            ("it", MONDAY, "since the week was closed: "),
            ("the week behind it", AFTER, "since the week before was closed: "),
        )
    },
}


def read_doors(book: Book) -> dict[str, list[str]]:
    return {name: read(book) for name, read in DOORS.items()}


def sweep_hours(book: Book, hours: int) -> None:
    for _ in range(hours):
        book.clock.advance(timedelta(hours=1))
        book.sweep()


def find_stranger(book: Book) -> str:
    return next(faceid for faceid in book.faceids() if faceid != "ann")


def erase(book: Book) -> None:
    book.services.deletion.delete_faces(book.tenant, [find_stranger(book)])
    sweep_hours(book, 3)


def retain(book: Book) -> None:
    book.clock.advance(timedelta(91))
    sweep_hours(book, 30)
    assert book.faceids() == ["ann"]


def restrict(book: Book) -> None:
    book.services.restrictions.set(book.tenant, "ann", "she asked")


def withdraw(book: Book) -> None:
    book.services.consents.withdraw_consent(book.tenant, "ann")
    book.clock.advance(timedelta(days=16))
    sweep_hours(book, 3)


def delete_camera(book: Book) -> None:
    book.services.cameras.delete(book.tenant, "door")


@pytest.mark.parametrize(
    "end", [erase, retain, restrict, withdraw, delete_camera], ids=lambda end: end.__name__
)
def test_no_door_says_that_something_came_if_something_ended(
    book: Book, end: Callable[[Book], None]
) -> None:
    end(book)
    assert {name: lines for name, lines in read_doors(book).items() if lines} == {}


def merge(book: Book) -> None:
    first, other, *_ = (faceid for faceid in book.faceids() if faceid != "ann")
    book.services.merges.merging.merge(book.tenant, first, other)


def reject(book: Book) -> None:
    """Ann's second visit is somebody else's."""
    timeline = book.services.sightings.read_timeline(book.tenant, "ann", 10)
    newest = max(timeline.sightings, key=lambda seen: seen.at)
    book.services.sightings.rejection.reject(book.tenant, "ann", newest.id, instead=Instead.NEW)


def see_late(book: Book) -> None:
    book.see(shot(DAY * 14 + 60, 7))


@pytest.mark.parametrize("correct", [merge, reject, see_late], ids=lambda one: one.__name__)
def test_every_door_says_what_was_and_is_if_something_was_corrected(
    book: Book, correct: Callable[[Book], None]
) -> None:
    assert {name: lines for name, lines in read_doors(book).items() if lines} == {}
    correct(book)
    assert [name for name, lines in read_doors(book).items() if not lines] == []


def test_figures_whose_observations_have_gone_are_said_without_those_of_now(book: Book) -> None:
    book.clock.advance(timedelta(days=410))
    v1 = V1Client(make_stage(book.services).app, book.services.tenants.rotate_keys("shop").api_key)
    [month] = v1.done("GET", "/v1/statistics", **SINCE, by="month")["closed"]
    assert (month["visits"], month["people"], month["is_kept"]) == (6, 4, False)
    gone = "the week had 6 visits when it was closed; its observations are kept no longer"
    assert gone in format_text(
        book.services.sightings.weeks.count_week(book.tenant, MONDAY), book.tenant
    )
    told = {
        (row["amount"], row["closed"])
        for more in ({"measure": "persons"}, {"split": "visit"})
        for row in read_rows(v1, by="month", **more)
    }
    assert {amount for amount, _ in told} == {""}
    assert any(was == "4" for _, was in told)
    assert read_sheets(book)[-1].startswith("the observations of this month are kept no longer")


def test_what_has_expired_is_not_counted_again_if_more_days_are_kept_from_then_on(
    book: Book,
) -> None:
    """Nor is a time in which cameras counted, and knew nobody."""
    minute = CountedMinute(datetime(2026, 4, 8, 9, tzinfo=UTC), Count(60, 5, 2, 3))
    close_days(book, datetime(2026, 4, 9, tzinfo=UTC))
    door = book.services.cameras.get(book.tenant, "door")
    book.services.counts.store_minutes(book.tenant, door, [minute])
    close_days(book, datetime(2026, 5, 2, tzinfo=UTC))

    def list_kept() -> dict[str, bool]:
        doors = make_stage(book.services)
        v1 = V1Client(doors.app, book.services.tenants.rotate_keys("shop").api_key)
        asked = SINCE | {"to": "2026-06-01T00:00:00Z"}
        closed = v1.done("GET", "/v1/statistics", **asked, by="month")["closed"]
        return {one["time"]: one["is_kept"] for one in closed}

    sheets = [Period(Granularity.MONTH, date(2026, month, 1)) for month in (3, 4)]
    assert list_kept() == {"2026-03": True, "2026-04": True}
    book.services.erasure.retention.sweep_tenant(book.tenant, is_confirmed=True)
    assert list_kept() == {"2026-03": True, "2026-04": True}
    book.clock.advance(timedelta(days=410))
    assert list_kept() == {"2026-03": False, "2026-04": False}
    book.services.erasure.retention.sweep_tenant(book.tenant, is_confirmed=True)
    for days in (3_650, None):
        book.services.tenants.change_settings("shop", {"observation_days": days})
        assert list_kept() == {"2026-03": False, "2026-04": False}
        periods = book.services.audit.periods
        changes = [periods.list_changes(periods.read(book.tenant, one)) for one in sheets]
        gone = "the observations of this month are kept no longer: nobody can count it again"
        assert changes == [[gone]] * 2


def test_the_weekly_text_says_that_more_came_in_by_the_counts(book: Book) -> None:
    minute = CountedMinute(datetime(2026, 3, 18, 9, tzinfo=UTC), Count(60, 5, 2, 3))
    door = book.services.cameras.get(book.tenant, "door")
    book.services.counts.store_minutes(book.tenant, door, [minute])
    for write in WRITERS.values():
        assert read_week(book, MONDAY, write, "since") == [
            "since the week was closed: entries: was 0, now 5"
        ]


def store_other(book: Book, by: Granularity, change: Callable[[dict[str, Any]], str]) -> None:
    """Store other documents of a kind in place of those that were signed."""
    items = book.storage.items
    for item in [*walk_items(items, keys.SUMMARIES, keys.closed_periods("shop", by))]:
        document = change(json.loads(item["document"]))
        items.transact([Put(keys.SUMMARIES, {**item, "document": document})])


def lose(_: dict[str, Any]) -> str:
    return "no JSON"


def rename(signed: dict[str, Any]) -> str:
    total = signed["statement"].pop("total")
    return json.dumps({"statement": {**signed["statement"], "all": total}})


@pytest.mark.parametrize("change", [lose, rename], ids=lambda change: change.__name__)
def test_figures_that_cannot_be_read_are_passed_over_and_named(
    book: Book, change: Callable[[dict[str, Any]], str]
) -> None:
    for by in CLOSED:
        store_other(book, by, change)
    v1 = V1Client(make_stage(book.services).app, book.services.tenants.rotate_keys("shop").api_key)
    assert not any(v1.done("GET", "/v1/statistics", **SINCE, by=by)["closed"] for by in CLOSED)
    assert book.services.sightings.weeks.count_week(book.tenant, MONDAY).closed is None
    found = list_disagreements(book.services, "shop")
    start = "the figures of the closed month 2026-03 cannot be read"
    assert [says for says in found if says.startswith(start)]


def test_figures_of_a_newer_version_that_says_more_are_shown(book: Book) -> None:
    def say_more(signed: dict[str, Any]) -> str:
        signed["statement"]["total"]["lost"] = 7
        return json.dumps(signed)

    see_late(book)
    shown = [name for name in DOORS if name != "closed sheets"]
    before = [DOORS[name](book) for name in shown]
    for by in CLOSED:
        store_other(book, by, say_more)
    assert all(before)
    assert [DOORS[name](book) for name in shown] == before


@pytest.mark.parametrize(
    ("changes", "silent"),
    [
        ({"time_zone": "Asia/Tokyo"}, ["day", "week", "month"]),
        ({"week_begins": "sunday"}, ["week"]),
    ],
)
def test_what_was_closed_by_another_calendar_is_another_time(
    book: Book, changes: dict[str, str], silent: list[str]
) -> None:
    book.services.tenants.change_settings("shop", changes)
    v1 = V1Client(make_stage(book.services).app, book.services.tenants.rotate_keys("shop").api_key)
    wide = {"from": "2026-02-27T00:00:00Z", "to": "2026-04-02T00:00:00Z"}
    closed = {by: v1.done("GET", "/v1/statistics", **wide, by=by)["closed"] for by in CLOSED}
    assert [by for by, periods in closed.items() if not periods] == silent
    first = MONDAY - timedelta(days=1) if "week_begins" in changes else MONDAY
    week = book.services.sightings.weeks.count_week(book.tenant, first)
    assert (week.closed, week.closed_before) == (None, None)


READERS = {
    "chalicelib/api/icredit/routes.py": "has one number by contract",
    "chalicelib/api/v1/book.py": "v1",
    "chalicelib/book/sightings/sightings.py": "counts a list that is shown beside it",
    "chalicelib/book/week.py": "week.ended of it",
    "chalicelib/privacy/audit/periods.py": "closed sheets",
    "console/shops/shops.js": "shows today",
    "console/traffic/figures.js": "tests/console/test_traffic.py",
    "console/visits/head.js": "counts a list that is shown beside it",
    "regulars/report.py": "regulars report of it",
}
"""By file that reads figures: the door above or the test that tries it, or why it says nothing."""
_READS = re.compile(
    r"\.(?:count_week|count_days|count_by_time|count_totals|statistics\.answer|"
    r'statistics\.list_buckets)\(|get\("statistics"|ask\("statistics"'
)


def test_whatever_reads_figures_is_a_door_or_says_why_not() -> None:
    root = Path(__file__).parents[3]
    paths = [
        path
        for folder, kind in (("chalicelib", "*.py"), ("regulars", "*.py"), ("console", "*.js"))
        for path in (root / folder).rglob(kind)
        if not path.is_relative_to(root / "chalicelib/book/statistics")
    ]
    found = {
        str(path.relative_to(root)) for path in paths if _READS.search(path.read_text("utf-8"))
    }
    assert found == READERS.keys()
