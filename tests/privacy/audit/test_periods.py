"""A closed day's, week's and month's figures stay as they were signed, whatever becomes of the
people, the pictures and the key; what came since is told beside them."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import Conflict, InvalidInput
from chalicelib.domain.local_time import Granularity
from chalicelib.domain.periods import Period, find_last_period
from chalicelib.domain.tenant_settings import TenantSettings
from chalicelib.privacy import signing
from chalicelib.privacy.audit.periods import CLOSINGS
from chalicelib.storage import keys
from chalicelib.storage.ports import Delete, Put
from chalicelib.storage.values import moment
from regulars.report import format_csv, format_text
from tests.support.book.book import MONDAY, Book, shot
from tests.support.book.tenants import CHOICE, KEEPING
from tests.support.fakes import Person
from tests.support.storage.failing import DONE_KILLED, KILLED, Calls, Fault, Killed

DAY = 24 * 60
MARCH, APRIL = (Period(Granularity.MONTH, date(2026, month, 1)) for month in (3, 4))
CLOSED_AT = datetime(2026, 4, 1, 1, 0, tzinfo=UTC)
PLACE = keys.closed_periods("shop", "month"), "202603"
ALL_CLOSED = [
    ("day closed", "2026-03-31"),
    ("month closed", "2026-03"),
    ("week closed", "2026-03-23"),
]
KEPT_NO_LONGER = ["the observations of this month are kept no longer: nobody can count it again"]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with closing(
        Book(tmp_path / "data", settings=TenantSettings(**CHOICE, observation_days=150))
    ) as made:
        made.enrol(Person(9, side_px=100.0), faceid="ann", name="Ann")
        made.see(*(shot(DAY * day, who) for day, who in ((0, 1), (0, 9), (2, 1), (3, 2), (9, 9))))
        yield made


def make_period(by: str, month: int, day: int) -> Period:
    return Period(Granularity(by), date(2026, month, day))


def go_to(book: Book, at: datetime) -> None:
    book.clock.advance(at - book.clock.now())


def close_month(book: Book) -> str:
    go_to(book, CLOSED_AT)
    book.sweep()
    return sheet(book)


def sheet(book: Book) -> str:
    closed = book.services.audit.periods.read(book.tenant, MARCH)
    return format_text(closed.week, closed.tenant) + format_csv(closed.week, closed.tenant)


def list_changes(book: Book) -> list[str]:
    periods = book.services.audit.periods
    return periods.list_changes(periods.read(book.tenant, MARCH))


def list_closings(book: Book) -> list[tuple[str, str]]:
    entries = book.services.audit.chain.walk_entries("shop")
    closings = [(e["what"], e["of"]) for e in entries if e["what"] in CLOSINGS.values()]
    return sorted(closings)


def count_closings(book: Book) -> int:
    return sum(what == CLOSINGS[Granularity.MONTH] for what, _ in list_closings(book))


def read_item(book: Book) -> dict[str, str]:
    return {**(book.storage.items.get(keys.SUMMARIES, PLACE) or {})}


def test_a_month_is_closed_once_an_hour_behind_its_end_as_it_was_then(book: Book) -> None:
    go_to(book, CLOSED_AT - timedelta(seconds=1))
    book.sweep()
    with pytest.raises(InvalidInput, match="2026-03 is not over"):
        sheet(book)
    printed = close_month(book)
    counted = book.services.sightings.weeks.count_days(book.tenant, date(2026, 3, 2), 30)
    closed = book.services.audit.periods.read(book.tenant, MARCH)
    assert (closed.week, list_changes(book)) == (replace(counted, by=Granularity.MONTH), [])
    assert counted.total.visits == 5
    assert "shop: 02 March to 31 March 2026, UTC\n\n5 visits by 3 people, 3 for" in printed
    book.clock.advance(timedelta(hours=2))
    book.sweep()
    assert (sheet(book), count_closings(book)) == (printed, 1)
    assert keys.is_of_tenant(keys.SUMMARIES, read_item(book), "shop")
    with pytest.raises(InvalidInput, match="2026-04 is not over"):
        book.services.audit.periods.read(book.tenant, APRIL)


def test_earlier_months_and_those_before_the_first_sighting_are_never_closed(book: Book) -> None:
    go_to(book, datetime(2026, 6, 7, tzinfo=UTC))
    book.sweep()
    for by, last in (("day", (6, 5)), ("week", (5, 25)), ("month", (5, 1))):
        closed = book.services.audit.periods.read(book.tenant, make_period(by, *last))
        assert len(closed.week.days) == closed.period.day_count
        assert closed.week.total.visits == 0
    for by, *day in (
        ("month", 2, 1),
        ("month", 3, 1),
        ("month", 4, 1),
        ("day", 6, 4),
        ("week", 5, 18),
    ):
        period = make_period(by, *day)
        with pytest.raises(InvalidInput, match=f"{period.name} was not closed: the service closes"):
            book.services.audit.periods.read(book.tenant, period)
    with closing(Book(book.folder.with_name("new"))) as other:
        other.sweep()
        assert other.storage.items.get(keys.SUMMARIES, ("shop#months", "202602")) is None
        assert not count_closings(other)


@pytest.mark.parametrize(
    ("period", "came"),
    [
        (MARCH, (1, 8, 15)),
        (Period(Granularity.WEEK, date(2026, 3, 9)), (8, 9, 12)),
    ],
    ids=["month", "week"],
)
def test_the_first_one_counts_as_many_people_whoever_was_erased_before(
    tmp_path: Path, period: Period, came: tuple[int, ...]
) -> None:
    with closing(Book(tmp_path / "new", settings=KEEPING)) as new:
        new.see(*(shot(DAY * day, 1) for day in came), shot(DAY * came[0] + 60, 2))
        go_to(new, MONDAY + timedelta(came[-1] + 1))
        new.services.deletion.delete_faces(new.tenant, new.faceids(), erase=True)
        for _ in range(3):
            new.clock.advance(timedelta(hours=1))
            new.sweep()
        go_to(new, moment(period.find_span(ZoneInfo("UTC")).last_ms) + timedelta(hours=1.1))
        new.sweep()
        periods = new.services.audit.periods
        closed = periods.read(new.tenant, period)
        first = MONDAY.date() + timedelta(came[0])
        assert (closed.week.days[0][0], closed.week.total.people) == (first, 2)
        assert periods.list_changes(closed) == []


@pytest.mark.parametrize(
    ("zone", "by", "ended", "last", "before"),
    [
        ("Pacific/Auckland", "month", "2026-03-31T12:00", (3, 1), (2, 1)),
        ("UTC", "month", "2026-04-01T01:00", (3, 1), (2, 1)),
        ("Pacific/Auckland", "day", "2026-03-31T12:00", (3, 31), (3, 30)),
        ("America/New_York", "day", "2026-03-09T05:00", (3, 8), (3, 7)),
        ("UTC", "week", "2026-03-09T01:00", (3, 2), (2, 23)),
        ("Africa/Cairo", "week", "2026-03-07T23:00", (3, 1), (2, 22)),
    ],
)
def test_a_period_ends_in_the_shops_time_zone_and_weeks(
    book: Book, zone: str, by: str, ended: str, last: tuple[int, int], before: tuple[int, int]
) -> None:
    begins = "sunday" if zone == "Africa/Cairo" else "monday"
    book.services.tenants.change_settings("shop", {"time_zone": zone, "week_begins": begins})
    at = datetime.fromisoformat(f"{ended}+00:00")
    found = [
        find_last_period(Granularity(by), book.tenant, at - early)
        for early in (timedelta(0), timedelta(seconds=1))
    ]
    assert found == [make_period(by, *last), make_period(by, *before)]


def test_a_day_and_a_week_are_signed_when_they_have_ended(book: Book) -> None:
    """The day in whose last hour the month ended, and the week before, in one sweep."""
    close_month(book)
    for period, visits in ((make_period("day", 3, 31), 0), (make_period("week", 3, 23), 0)):
        closed = book.services.audit.periods.read(book.tenant, period)
        assert (closed.period, closed.week.total.visits) == (period, visits)
        assert "in the audit" in closed.proof
        assert book.services.audit.periods.list_changes(closed) == []
    assert list_closings(book) == ALL_CLOSED


def test_a_year_later_the_sheet_is_the_same_whatever_has_ended_since(book: Book) -> None:
    printed = close_month(book)
    stranger = next(faceid for faceid in book.faceids() if faceid != "ann")
    book.services.restrictions.set(book.tenant, "ann", "she asked")
    book.services.deletion.delete_faces(book.tenant, [stranger])
    book.services.tenants.change_settings(
        "shop", {"display_name": "New", "language": "de", "time_zone": "Asia/Tokyo"}
    )
    for _ in range(30):
        book.clock.advance(timedelta(hours=1))
        book.sweep()
    another_zone = (
        "another time zone since: not compared (Asia/Tokyo, UTC when the month was closed)"
    )
    assert (sheet(book), list_changes(book)) == (printed, [another_zone])
    for day in range(85):
        go_to(book, datetime(2026, 4, 3, 3, tzinfo=UTC) + timedelta(5 * day))
        book.sweep()
    assert book.faceids() == ["ann"]
    assert find_last_period(Granularity.MONTH, book.tenant, book.clock.now()).first >= date(
        2027, 4, 1
    )
    assert (sheet(book), list_changes(book)) == (printed, KEPT_NO_LONGER)


def test_a_change_of_time_zone_is_no_change_of_figures(book: Book) -> None:
    book.see(shot(29 * DAY + 11 * 60, 1), shot(29 * DAY + 11 * 60 + 1, 2))
    close_month(book)
    book.services.tenants.change_settings("shop", {"time_zone": "Asia/Tokyo"})
    book.services.deletion.delete_faces(book.tenant, book.faceids(), erase=True)
    for _ in range(3):
        book.clock.advance(timedelta(hours=1))
        book.sweep()
    told = list_changes(book)
    assert [line.partition(" (")[0] for line in told] == ["another time zone since: not compared"]


def test_what_came_since_stands_beside_the_sheet(book: Book) -> None:
    printed = close_month(book)
    book.see(shot(5 * DAY, 7))
    assert list_changes(book) == [
        "5 visits when the month was closed, now 6",
        "3 people when the month was closed, now 4",
        "3 new when the month was closed, now 4",
    ]
    assert sheet(book) == printed


def put(book: Book, document: str) -> None:
    book.storage.items.transact([Put(keys.SUMMARIES, {**read_item(book), "document": document})])


def test_figures_that_were_changed_beside_the_service_are_told(book: Book) -> None:
    close_month(book)
    document = read_item(book)["document"]
    signed = book.services.audit.signing.sign_statement(
        "shop", {**json.loads(document)["statement"], "staff": 3}
    )
    for other in (document.replace('"staff":0', '"staff":3'), json.dumps(signed), "no JSON"):
        put(book, other)
        with pytest.raises(Conflict, match="are not those that the audit has the SHA-256 of"):
            sheet(book)
    book.storage.items.transact([Delete(keys.SUMMARIES, PLACE)])
    with pytest.raises(Conflict, match="2026-03 are gone that the audit has the SHA-256 of"):
        sheet(book)


def test_the_signature_vouches_when_the_audit_has_let_the_hour_go(book: Book) -> None:
    printed = close_month(book)
    go_to(book, CLOSED_AT + timedelta(days=500))
    book.services.audit.chain.close_hours("shop")
    assert book.services.audit.erasing.trim("shop", 400)
    assert sheet(book) == printed
    proof = book.services.audit.periods.read(book.tenant, MARCH).proof
    assert "not compared: the audit keeps that hour no more" in proof
    document = read_item(book)["document"]
    statement = json.loads(document)["statement"]
    by_another = signing.sign_statement(statement, signing.new_key()[0])
    sign = book.services.audit.signing.sign_statement
    says_more = {"total": {**statement["total"], "lost": 7}, "later": 1}
    put(book, json.dumps(sign("shop", {**statement, **says_more})))
    assert sheet(book) == printed, "a newer version may say more"
    for forged, says in (
        (document.replace('"staff":0', '"staff":3'), "the signature is not of this statement"),
        (json.dumps(by_another), "was no key of this tenant"),
        (json.dumps(sign("shop", {**statement, "month": "2026-02"})), "of another month"),
    ):
        put(book, forged)
        with pytest.raises(Conflict, match=f"2026-03 are not as they were signed: .*{says}"):
            sheet(book)


def test_a_month_that_a_former_key_signed_verifies(book: Book) -> None:
    printed = close_month(book)
    for _ in range(2):
        book.clock.advance(timedelta(hours=2))
        book.services.audit.signing.renew_key("shop")
        book.sweep()
    assert sheet(book) == printed


def close_alone(book: Book) -> None:
    go_to(book, CLOSED_AT)
    book.services.sweep.sweep_tenant(book.tenant, CLOSED_AT, ["periods"], is_part=True)


def test_two_that_close_at_once_close_once(book: Book) -> None:
    calls = Calls()
    with closing(Book(book.folder, wrap=calls.wrap)) as other:
        go_to(other, CLOSED_AT)
        other.services.statistics.sealing.seal_tenant(other.tenant)
        other.services.audit.signing.read_public_keys("shop")
        others = list[int]()
        calls.let(1, lambda: (close_alone(book), others.append(1)), of="items.transact")
        close_alone(other)
    assert (others, count_closings(book)) == ([1], 1)
    assert "5 visits" in sheet(book)


@pytest.mark.parametrize("fault", [KILLED, DONE_KILLED], ids=lambda fault: fault.name)
def test_a_closing_that_is_cut_off_at_a_write_is_done_by_the_next(
    book: Book, fault: Fault, tmp_path: Path
) -> None:
    at = 0
    while True:
        at += 1
        calls = Calls()
        shutil.copytree(book.folder, folder := tmp_path / f"cut {at}")
        with closing(Book(folder, wrap=calls.wrap)) as cut:
            go_to(cut, CLOSED_AT)
            calls.fail(at, fault)
            with suppress(Killed):
                close_alone(cut)
        if not calls.dead:
            break
        with closing(Book(folder)) as after:
            close_alone(after)
            assert (after.services.audit.periods.read(after.tenant, MARCH).week.total.visits) == 5
            assert list_closings(after) == ALL_CLOSED
    assert at > 5
