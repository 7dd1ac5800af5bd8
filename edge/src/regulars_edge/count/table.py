"""A table of true crossings of a film, and how near a count comes to it."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from regulars_edge.count.line import WAYS, Way
from regulars_edge.errors import Misconfigured

NEAR_S = 2.0
"""So far from its time in the table somebody may be counted: people write times by eye."""
LEAST_RIGHT = 0.9
"""Share of the people below which it is said which minutes are wrong."""
_EXACT = 1e-9
"""A share in floats may be below what it is by so much."""
HEADER = ["time", "way"]
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:[.,]\d+)?)")


class FilmCrossing(NamedTuple):
    """A person's crossing of the line in a film. `at_s`: since its start."""

    at_s: float
    way: Way


def read_table(file: Path, film_s: float) -> list[FilmCrossing]:
    """Read a table of the true crossings of a film that lasts so long.

    Its cells are apart by commas, or by semicolons, as spreadsheets write them where a comma is in
    numbers. Raises Misconfigured, which names the line that is wrong.
    """
    table: list[FilmCrossing] = []
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows = csv.reader(text.splitlines(), delimiter=";" if ";" in text else ",")
        for row in rows:
            cells = [cell.strip().lower() for cell in row]
            if not cells or (rows.line_num == 1 and cells == HEADER):
                continue
            try:
                table.append(_read_row(cells, table[-1].at_s if table else 0.0, film_s))
            except ValueError as error:
                raise Misconfigured(f"{file}, line {rows.line_num}: {error}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Misconfigured(f"{file} cannot be read as a table: {error}") from error
    if not table:
        raise Misconfigured(f"{file} has no crossing: write lines such as 0:12.5,in")
    return table


def _read_row(row: Sequence[str], before_s: float, film_s: float) -> FilmCrossing:
    """Read a time and a way. Raises ValueError."""
    if len(row) != len(HEADER):
        raise ValueError(f"{','.join(row)!r} is no crossing: write time,way, such as 0:12.5,in")
    time, way = row
    if (found := _TIME.fullmatch(time)) is None:
        raise ValueError(f"{time!r} is no time: write 1:02.5, or 62.5 for seconds")
    at_s = 3_600 * int(found[1] or 0) + 60 * int(found[2] or 0) + float(found[3].replace(",", "."))
    known = next((one for one in WAYS if one == way), None)
    if known is None:
        raise ValueError(f"{way!r} is no way: write in or out")
    if at_s < before_s:
        raise ValueError(f"{time} is before the line above it: write the crossings in order")
    if at_s > film_s:
        raise ValueError(f"{time} is beyond the film, which ends at {describe_time(film_s)}")
    return FilmCrossing(at_s, known)


def find_unmatched(
    true: Sequence[FilmCrossing], counted: Sequence[FilmCrossing]
) -> tuple[list[FilmCrossing], list[FilmCrossing]]:
    """Find missed and false crossings. Crossings in one direction match, each once, within NEAR_S;
    as many as possible."""
    missed: list[FilmCrossing] = []
    false: list[FilmCrossing] = []
    for way in WAYS:
        left, found = ([*sorted(one for one in all_ if one.way == way)] for all_ in (true, counted))
        while left and found:
            late_s = found[0].at_s - left[0].at_s
            if late_s > NEAR_S:
                missed.append(left.pop(0))
            elif late_s < -NEAR_S:
                false.append(found.pop(0))
            else:
                del left[0], found[0]
        missed += left
        false += found
    return sorted(missed), sorted(false)


def measure_accuracy(counted: Mapping[int, int], true: Mapping[int, int]) -> float | None:
    """Return the share of people in one direction that was counted right; None if there was nobody,
    and nobody was counted.

    If somebody was counted where nobody went, it is 0. Else it is 1 less what was wrong in each
    minute, over all true ones, and never below 0. `counted 9, then 11, of 10 each`: 0.9. Both are
    numbers by the minute. The service measures a proof so, too (chalicelib/domain/checks.py).
    """
    people = sum(true.values())
    wrong = sum(abs(counted.get(at, 0) - true.get(at, 0)) for at in {*counted, *true})
    if not people:
        return 0.0 if wrong else None
    return max(0.0, 1 - wrong / people)


@dataclass(eq=False)
class Comparison:
    """A count beside the table. `unknown`: minutes of which the count says nothing.

    Who is matched counts in the minute of the table: times are written by eye, also at a minute's
    end.
    """

    true: Sequence[FilmCrossing]
    counted: Sequence[FilmCrossing]
    unknown: frozenset[int]

    def __post_init__(self) -> None:
        self.missed, self.false = find_unmatched(self.true, self.counted)
        matched = Counter(self.true) - Counter(self.missed)
        self.placed = [*matched.elements(), *self.false]
        """The counted crossings."""

    def count_minutes(self, crossings: Sequence[FilmCrossing], way: Way) -> Counter[int]:
        """Count the crossings of a way by the minute; unknown minutes are left out."""
        minutes = [_find_minute(one) for one in crossings if one.way == way]
        return Counter(minute for minute in minutes if minute not in self.unknown)

    def measure(self, way: Way) -> float | None:
        """Return the share of a way that was counted right; None: as `measure_accuracy`."""
        counted = self.count_minutes(self.placed, way)
        return measure_accuracy(counted, self.count_minutes(self.true, way))

    @property
    def is_good(self) -> bool:
        shares = [self.measure(way) for way in WAYS]
        return all(share is None or share >= LEAST_RIGHT for share in shares)

    def list_matches(self) -> Iterator[str]:
        """Say of each minute that has numbers what was matched, missed and false."""
        minutes = {_find_minute(one) for one in (*self.true, *self.false)}
        for minute in sorted(minutes - self.unknown):
            true, lost, extra = (
                [one for one in crossings if _find_minute(one) == minute]
                for crossings in (self.true, self.missed, self.false)
            )
            said = f"minute {minute}: {len(true) - len(lost)} of {len(true)} matched"
            yield f"{said}{_name_times('missed', lost)}{_name_times('false', extra)}"

    def describe(self) -> str:
        """Say the shares: `97 % in, 95 % out, of 214, by your table`. Where nobody went it says
        who was counted: `5 out for 0`."""
        true = {way: self.count_minutes(self.true, way).total() for way in WAYS}
        shares = [(way, share) for way in WAYS if (share := self.measure(way)) is not None]
        if not shares:
            return "nothing can be said: nobody crossed in a minute that has numbers"
        # rounded down, so that a share is never shown as more than it is
        said = ", ".join(
            f"{math.floor(100 * share + _EXACT)} % {way}"
            if true[way]
            else f"{self.count_minutes(self.placed, way).total()} {way} for 0"
            for way, share in shares
        )
        return f"{said}, of {sum(true.values())}, by your table"

    def describe_wrong(self) -> Iterator[tuple[int, str]]:
        """Give each minute that is wrong, and what was counted and true in it."""
        numbers = [
            (way, self.count_minutes(self.placed, way), self.count_minutes(self.true, way))
            for way in WAYS
        ]
        for minute in sorted({at for _, *both in numbers for at in {*both[0], *both[1]}}):
            if any(counted[minute] != true[minute] for _, counted, true in numbers):
                yield (
                    minute,
                    ", ".join(
                        f"{counted[minute]} {way} for {true[minute]}"
                        for way, counted, true in numbers
                    ),
                )


def _find_minute(crossing: FilmCrossing) -> int:
    return int(crossing.at_s // 60)


def describe_time(at_s: float) -> str:
    """Write 62.5 s as 1:02.5."""
    minutes, seconds = divmod(round(at_s, 1), 60)
    return f"{minutes:.0f}:{seconds:04.1f}"


def _name_times(what: str, crossings: Sequence[FilmCrossing]) -> str:
    times = ", ".join(f"{describe_time(one.at_s)} {one.way}" for one in crossings)
    return f"; {what} {times}" if times else ""
