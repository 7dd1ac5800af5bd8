"""The timeline of a week, and the visitor book that must come of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from regulars.demo.album import Person

DOOR, TILL = "door", "till"
GAP = timedelta(minutes=30)
ARRIVE_TIMES, PERIOD = 5, timedelta(days=7)
"""Number of arrivals in a period that make a stranger a regular (the contract's default)."""

MOST_PEOPLE = 9


class Capture(Struct, frozen=True):
    """One picture of the week: its time, its camera, and the people on it."""

    at: datetime
    camera: str
    people: tuple[str, ...]


class ExpectedEntry(Struct, frozen=True):
    """The book's entry for one person, as it must be."""

    person: str
    group: str
    arrivals: tuple[datetime, ...]
    """Time at which each arrival began."""
    sightings: tuple[datetime, ...]


def captures(people: Sequence[Person], monday: datetime) -> list[Capture]:
    """List the week's captures of up to nine people, in order of time.

    The first two come most, the others less.
    """
    names = [person.name for person in people[:MOST_PEOPLE]]
    found: list[Capture] = []
    for number, name in enumerate(names):
        for day, minute in _visits(number):
            at = monday + timedelta(days=day, minutes=minute)
            found.append(Capture(at, DOOR, (name,)))
            found.append(Capture(at + timedelta(minutes=4, seconds=7 * number), TILL, (name,)))
            if number < 2:
                found.append(Capture(at + timedelta(minutes=25), TILL, (name,)))
    if len(names) > 2:
        found.append(Capture(monday + timedelta(days=5, hours=11), DOOR, (names[0], names[2])))
    found.append(Capture(monday + timedelta(days=6, hours=3), DOOR, ()))
    return sorted(found, key=lambda capture: (capture.at, capture.camera))


def expect_entries(week: Sequence[Capture]) -> list[ExpectedEntry]:
    """Work out the book from the definitions alone: arrivals by the gap, regulars by arrivals in
    seven days."""
    names = dict.fromkeys(name for capture in week for name in capture.people)
    return [
        _expect_entry(name, [capture.at for capture in week if name in capture.people])
        for name in names
    ]


def _expect_entry(name: str, times: list[datetime]) -> ExpectedEntry:
    starts = [at for place, at in enumerate(times) if place == 0 or at - times[place - 1] >= GAP]
    enough = any(
        sum(at - PERIOD <= other <= at for other in starts) >= ARRIVE_TIMES for at in starts
    )
    return ExpectedEntry(name, "regular" if enough else "stranger", tuple(starts), tuple(times))


def _visits(number: int) -> Iterator[tuple[int, int]]:
    """Yield the day of the week and the minute of the day of each visit of the person with this
    number."""
    if number == 0:  # works here: every morning but Sunday's
        yield from ((day, 8 * 60 + 50 + 3 * day) for day in range(6))
    elif number == 1:  # lunch on every working day, and one evening
        yield from ((day, 12 * 60 + 15 - 2 * day) for day in range(5))
        yield 1, 18 * 60 + 40
    elif number == 2:
        yield from ((day, 10 * 60 + 5) for day in (0, 2, 4))
    # goes out and comes back before the gap is over, and once more in the afternoon
    elif number == 3:
        yield from ((1, 9 * 60), (1, 9 * 60 + 29), (3, 16 * 60 + 30))
    else:
        yield number % 7, 13 * 60 + 11 * number
