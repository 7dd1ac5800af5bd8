"""The visitor book in tables: who came today, and the days of a week."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chalicelib.core.values import one_line
from regulars.book.reading import Visit, VisitorBook

_AWAY = 5
_DAYS = 7
_NAMES = ("who", "visitor", "group")
"""Columns that others' texts fill. They go on in the next line if there is no room, so that no time is cut off."""


@dataclass(frozen=True)
class WeekRow:
    """One visitor's line. `arrivals`: number of arrivals; `began`: when those of the week began, by local clocks."""

    who: str
    group: str
    arrivals: int
    began: Sequence[datetime]


def print_today(book: VisitorBook, console: Console, now: datetime) -> None:
    """Print who came today, who of them is new, and which regulars stayed away longest."""
    midnight = _midnight(book.zone, now.astimezone(book.zone).date())
    visits = list(book.visits(midnight))
    console.print(f"{book.title}: {midnight:%A, %d %B %Y}, {book.zone.key}", style="bold", markup=False)
    if visits:
        console.print(_visits(visits, book.zone))
    people = {visit.face for visit in visits}
    new = {visit.face for visit in visits if visit.number == 1}
    console.print(
        f"{_people(len(people))} came, {len(new)} of them for the first time" if people else "nobody came yet"
    )
    away = [one for one in book.longest_away(_AWAY) if one.last_at is None or one.last_at < midnight]
    if away:
        console.print("\nregulars who stayed away longest", style="bold")
        table = _table("who", "last came", "days ago")
        for one in away:
            last = one.last_at and one.last_at.astimezone(book.zone).date()
            days = (midnight.date() - last).days if last else ""
            table.add_row(Text(one_line(one.who)), f"{last or 'never'}", f"{days}")
        console.print(table)


def print_week(book: VisitorBook, console: Console, now: datetime) -> None:
    """Print who came in the last seven days, today included, and when."""
    today = now.astimezone(book.zone).date()
    days = [today - timedelta(days=back) for back in reversed(range(_DAYS))]
    of_face: dict[str, list[Visit]] = {}
    for visit in book.visits(_midnight(book.zone, days[0])):
        of_face.setdefault(visit.face, []).append(visit)
    console.print(f"{book.title}: {days[0]} to {today}, {book.zone.key}", style="bold", markup=False)
    rows = [
        WeekRow(
            visits[0].who,
            visits[0].group,
            len(visits),
            sorted(visit.first_at.astimezone(book.zone) for visit in visits),
        )
        for visits in of_face.values()
    ]
    if rows:
        console.print(week_table(rows, days))
    arrivals = sum(row.arrivals for row in rows)
    console.print(f"{_people(len(rows))} came, {arrivals} times in all" if rows else "nobody came")


def week_table(rows: Iterable[WeekRow], days: Sequence[date]) -> Table:
    """Make the table of a week: visitor, group, number of arrivals, and when they began, day by day."""
    shown = _table("visitor", "group", "arrivals", *(f"{day:%a}" for day in days))
    for row in sorted(rows, key=lambda row: (-row.arrivals, row.who)):
        cells = ["\n".join(f"{at:%H:%M}" for at in row.began if at.date() == day) for day in days]
        shown.add_row(Text(one_line(row.who)), Text(one_line(row.group)), str(row.arrivals), *cells)
    return shown


def _visits(visits: Iterable[Visit], zone: ZoneInfo) -> Table:
    table = _table("who", "group", "first", "last", "seen", "visit")
    for one in visits:
        first, last = (f"{at.astimezone(zone):%H:%M}" for at in (one.first_at, one.last_at))
        table.add_row(
            Text(one_line(one.who)),
            Text(one_line(one.group)),
            first,
            last,
            str(one.sightings),
            _visit_number(one.number),
        )
    return table


def _visit_number(number: int | None) -> str:
    if number is None:
        return ""
    if number == 1:
        return "new"
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _midnight(zone: ZoneInfo, day: date) -> datetime:
    return datetime.combine(day, time(), zone)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column not in _NAMES, overflow="fold")
    return table
