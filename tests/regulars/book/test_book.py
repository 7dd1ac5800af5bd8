"""`regulars today` and `regulars week` print the book of a data folder and of a running service alike."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from rich.console import Console

from chalicelib.services.enrolment.enrolment import FaceChanges
from regulars.book import command
from regulars.book.printing import print_today, print_week
from regulars.book.reading import OwnBook, ServedBook, VisitorBook
from regulars.cli import main
from regulars.clients import V1, Reply
from regulars.errors import WrongAnswer
from tests.api.conftest import make_stage
from tests.api.gateway import send
from tests.noon import zone_at_noon
from tests.services.sightings.book import MINUTE, MONDAY, Book, shot

HOURS, DAYS = 60, 24 * 60
NOW = MONDAY + 6 * DAYS * MINUTE + 8 * HOURS * MINUTE
"""Sunday, five in the afternoon."""


class Here:
    """Requests to a service in this process."""

    def __init__(self, book: Book) -> None:
        self._app = make_stage(book.services).app

    def request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        path, _, query = path.partition("?")
        sent = {name: [value] for name, _, value in (pair.partition("=") for pair in query.split("&"))}
        unquoted = {name: [value.replace("%3A", ":").replace("%2B", "+") for value in sent[name]] for name in sent}
        reply = send(self._app, path, body, method=method, content_type=None, headers=headers, query=unquoted)
        return Reply(reply.status, reply.headers, reply.json, 0.0)


@pytest.fixture
def week(tmp_path: Path) -> Iterator[Book]:
    """One comes every day, one came on Monday only, one is new today, and was seen twice."""
    with closing(Book(tmp_path / "data")) as book:
        book.clock.advance(NOW - book.clock.now())
        book.see(*(shot(day * DAYS, 1) for day in range(7)), shot(10, 2), shot(6 * DAYS + 60, 3))
        book.see(shot(6 * DAYS + 75, 3), shot(6 * DAYS + 4 * HOURS, 1))
        yield book


def named(book: Book, seed_faces: dict[str, str]) -> None:
    for faceid, name in seed_faces.items():
        book.services.enrolment.update.of_id(book.tenant, faceid, FaceChanges(name=name))


def printed(how, book: VisitorBook, now: datetime = NOW, width: int = 120) -> str:
    out = io.StringIO()
    how(book, Console(file=out, width=width), now)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def own(book: Book) -> OwnBook:
    return OwnBook(book.services, book.tenant)


def ids(book: Book) -> list[str]:
    """Of the first, the second and the third person."""
    return [face.faceid for face in sorted(book.faces(), key=lambda face: (-face.arrive_count, face.last_arrival_at))]


def test_today_says_who_came_which_visit_it_is_and_who_is_new(week: Book) -> None:
    assert printed(print_today, own(week)) == (
        "shop: Sunday, 08 March 2026, UTC\n"
        "who         group     first  last   seen  visit\n"
        "Regular 1   regular   13:00  13:00  1     8th\n"
        "Stranger 3  stranger  10:00  10:15  2     new\n"
        "Regular 1   regular   09:00  09:00  1     7th\n"
        "2 people came, 1 of them for the first time"
    )


def test_today_begins_at_midnight_of_the_tenants_time_zone(week: Book) -> None:
    week.services.tenants.change("shop", {"time_zone": "Pacific/Auckland"})
    lines = printed(print_today, own(week)).splitlines()
    assert lines[0] == "shop: Monday, 09 March 2026, Pacific/Auckland"
    assert [line.split()[3] for line in lines[2:3]] == ["02:00"]


def test_regulars_who_stayed_away_are_told_longest_first(week: Book) -> None:
    later = NOW + timedelta(days=30)
    assert printed(print_today, own(week), later).splitlines()[1:] == [
        "nobody came yet",
        "",
        "regulars who stayed away longest",
        "who        last came   days ago",
        "Regular 1  2026-03-08  30",
    ]


def test_week_shows_when_arrivals_began_day_by_day(week: Book) -> None:
    assert printed(print_week, own(week)) == (
        "shop: 2026-03-02 to 2026-03-08, UTC\n"
        "visitor     group     arrivals  Mon    Tue    Wed    Thu    Fri    Sat    Sun\n"
        "Regular 1   regular   8         09:00  09:00  09:00  09:00  09:00  09:00  09:00\n"
        f"{' ' * 74}13:00\n"
        "Stranger 2  stranger  1         09:10\n"
        f"Stranger 3  stranger  1{' ' * 51}10:00\n"
        "3 people came, 10 times in all"
    )


def test_a_name_is_shown_as_it_is(week: Book) -> None:
    daily, _, _ = ids(week)
    named(week, {daily: "[red]李安[/red]"})
    assert "\n[red]李安[/red]  regular   13:00" in printed(print_today, own(week))


def test_a_long_name_takes_more_lines_and_no_other_column(week: Book) -> None:
    daily, _, _ = ids(week)
    named(week, {daily: "W" * 100})
    today, of_week = (printed(how, own(week), width=80) for how in (print_today, print_week))
    assert today.count("W") == 200
    assert re.search(r"Stranger 3 .* 10:00  10:15  2     new", today)
    assert re.search(r"WW .* 8         09:00  09:00  09:00  09:00  09:00  09:00  09:00$", of_week, re.MULTILINE)


def test_no_terminal_obeys_what_a_group_is_called(week: Book) -> None:
    daily, _, _ = ids(week)
    hostile = "VIP\u202e\u200b\ue000"
    week.services.groups.create(week.tenant, hostile, 9, "")
    week.services.enrolment.update.of_id(week.tenant, daily, FaceChanges(new_group_name=hostile))
    week.see(shot(6 * DAYS + 7 * HOURS, 1))
    for how in (print_today, print_week):
        shown = printed(how, own(week))
        assert "VIP" in shown
        assert all(one.isprintable() for line in shown.splitlines() for one in line)


def test_the_book_of_a_service_is_printed_alike(week: Book) -> None:
    named(week, {ids(week)[0]: "Ann Lee"})
    key = week.services.tenants.rotate("shop").api_key
    served = ServedBook(V1(Here(week), key), "shop")
    for how in (print_today, print_week):
        for now in (NOW, NOW + timedelta(days=3)):
            assert printed(how, served, now) == printed(how, own(week), now)
    with pytest.raises(WrongAnswer, match="401"):
        printed(print_today, ServedBook(V1(Here(week), "rk_" + "0" * 32), "shop"))


def test_the_command_prints_every_tenants_book(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Book(tmp_path / "data")) as book:
        now = datetime.now(UTC).replace(microsecond=0)
        book.clock.advance(now - book.clock.now())
        book.services.tenants.change("shop", {"time_zone": zone_at_noon()})
        book.see(replace(shot(0, 1), at=now))
    began = time.monotonic()
    for name, count in (
        ("today", "1 person came, 1 of them for the first time"),
        ("week", "1 person came, 1 times"),
    ):
        assert main([name, "--data", str(tmp_path / "data")]) == 0
        said = capsys.readouterr().out
        assert said.startswith("shop: ")
        assert count in said
    assert time.monotonic() - began < 60
    assert main(["today", "--data", str(tmp_path / "data"), "--tenant", "nobody"]) == 1
    assert "no tenant 'nobody'" in capsys.readouterr().err


def test_a_week_of_nobody_named_is_refused() -> None:
    with pytest.raises(click.UsageError, match="say whose week: --data, --stage or --url"):
        command.week.main([], standalone_mode=False)


def test_a_service_needs_a_key_and_has_one_tenant(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGULARS_API_KEY", raising=False)
    assert main(["today", "--url", "http://127.0.0.1:1"]) == 1
    assert "set REGULARS_API_KEY" in capsys.readouterr().err
    assert main(["today", "--url", "http://127.0.0.1:1", "--tenant", "shop"]) == 2
    assert "--url, or --data" in capsys.readouterr().err
    monkeypatch.setenv("REGULARS_API_KEY", "rk_x")
    assert main(["week", "--url", "http://127.0.0.1:1"]) == 1
