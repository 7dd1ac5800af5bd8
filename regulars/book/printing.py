"""Who came today, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chalicelib.core.values import one_line
from regulars.book.reading import OwnBook, Visit

_AWAY = 5
_NAMES = ("who", "group")
"""Columns that others' texts fill. They go on in the next line if there is no room, so that no time is cut off."""


def print_today(book: OwnBook, console: Console, now: datetime) -> None:
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
