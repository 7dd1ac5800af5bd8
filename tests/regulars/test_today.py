import io
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from chalicelib.book.counts.places import PlaceFields
from chalicelib.book.enrolment.fields import FaceChanges
from chalicelib.domain.counts import Count, CountedMinute
from chalicelib.domain.model import REGULAR, Profile
from regulars.cli import main
from regulars.today import print_today, read_today
from tests.support.book.book import MINUTE, MONDAY, Book, shot
from tests.support.book.tenants import KEEPING
from tests.support.noon import zone_at_noon

HOURS, DAYS = 60, 24 * 60
NOW = MONDAY + 6 * DAYS * MINUTE + 8 * HOURS * MINUTE
"""Sunday, five in the afternoon."""


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
        book.services.enrolment.update.change_face(book.tenant, faceid, FaceChanges(name=name))


def printed(book: Book, now: datetime = NOW, width: int = 120) -> str:
    out = io.StringIO()
    print_today(read_today(book.services, book.tenant, now), Console(file=out, width=width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def ids(book: Book) -> list[str]:
    """Of the first, the second and the third person."""
    return [
        face.faceid
        for face in sorted(
            book.faces(), key=lambda face: (-face.arrive_count, face.last_arrival_at)
        )
    ]


def test_today_says_who_came_which_visit_it_is_and_who_is_new(week: Book) -> None:
    assert printed(week) == (
        "shop: Sunday, 08 March 2026, UTC\n"
        "who         group     first  last   seen  visit\n"
        "Regular 1   regular   13:00  13:00  1     8th\n"
        "Stranger 3  stranger  10:00  10:15  2     new\n"
        "Regular 1   regular   09:00  09:00  1     7th\n"
        "2 people came, 1 of them for the first time"
    )


def test_staff_is_left_out_and_counted(week: Book) -> None:
    week.services.groups.change_fields(week.tenant, REGULAR, {"staff": True})
    assert printed(week) == (
        "shop: Sunday, 08 March 2026, UTC\n"
        "who         group     first  last   seen  visit\n"
        "Stranger 3  stranger  10:00  10:15  2     new\n"
        "1 person came, 1 of them for the first time\n"
        "without 2 visits of staff"
    )


def test_what_cameras_counted_and_who_is_inside_is_said(week: Book) -> None:
    week.clock.advance(NOW - week.clock.now())
    door = week.services.cameras.get(week.tenant, "door")
    minutes = [
        CountedMinute(MONDAY + 6 * DAYS * MINUTE, Count(60, 9, 0, 4)),
        CountedMinute(NOW - MINUTE, Count(60, 0, 2, 0)),
        CountedMinute(NOW - DAYS * MINUTE, Count(60, 50, 0, 0)),
    ]
    week.services.counts.store_minutes(week.tenant, door, minutes)
    week.services.counts.places.add(week.tenant, PlaceFields(name="Hall", doors=["door"]))
    assert printed(week).splitlines()[6:] == [
        "counted: 9 in, 2 out, of 2 minutes of 1,010; "
        "1 known, 3 not known, 5 without a usable face",
        "Hall: 7 inside, of 2 minutes of 1,010",
    ]


def test_today_begins_at_midnight_of_the_tenants_time_zone(week: Book) -> None:
    week.services.tenants.change_settings("shop", {"time_zone": "Pacific/Auckland"})
    lines = printed(week).splitlines()
    assert lines[0] == "shop: Monday, 09 March 2026, Pacific/Auckland"
    assert [line.split()[3] for line in lines[2:3]] == ["02:00"]


def test_regulars_who_stayed_away_are_told_longest_first(week: Book) -> None:
    later = NOW + timedelta(days=30)
    assert printed(week, later).splitlines()[1:] == [
        "nobody came yet",
        "cameras that need you: door (silent)",
        "",
        "regulars who stayed away longest",
        "who        last came   days ago",
        "Regular 1  2026-03-08  30",
    ]


def test_a_name_is_shown_as_it_is(week: Book) -> None:
    daily, _, _ = ids(week)
    named(week, {daily: "[red]李安[/red]"})
    assert "\n[red]李安[/red]  regular   13:00" in printed(week)


def test_a_long_name_takes_more_lines_and_no_other_column(week: Book) -> None:
    daily, _, _ = ids(week)
    named(week, {daily: "W" * 100})
    today = printed(week, width=80)
    assert today.count("W") == 200
    assert re.search(r"Stranger 3 .* 10:00  10:15  2     new", today)


def test_no_terminal_obeys_what_a_group_is_called(week: Book) -> None:
    daily, _, _ = ids(week)
    hostile = "VIP\u202e\u200b\ue000"
    week.services.groups.create(week.tenant, hostile, 9, "")
    week.services.enrolment.update.change_face(
        week.tenant, daily, FaceChanges(new_group_name=hostile)
    )
    week.see(shot(6 * DAYS + 7 * HOURS, 1))
    shown = printed(week)
    assert "VIP" in shown
    assert all(one.isprintable() for line in shown.splitlines() for one in line)


def test_the_command_prints_the_books_that_have_faces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Book(tmp_path / "data")) as book:
        now = datetime.now(UTC).replace(microsecond=0)
        book.clock.advance(now - book.clock.now())
        book.services.tenants.change_settings("shop", {"time_zone": zone_at_noon()})
        book.see(replace(shot(0, 1), at=now))
        book.services.tenants.add("cloud", Profile.CLOUD, KEEPING)
    assert main(["today", "--data", str(tmp_path / "data")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("shop: ")
    assert "cloud" not in said, "it has no face"
    assert "1 person came, 1 of them for the first time" in said
    assert main(["today", "--data", str(tmp_path / "data"), "--tenant", "nobody"]) == 1
    assert "no tenant 'nobody'" in capsys.readouterr().err
