"""The table of a week: who came, and when the arrivals began, day by day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from msgspec import Struct
from rich.table import Table
from rich.text import Text

from chalicelib.storage.values import one_line


class WeekRow(Struct, frozen=True):
    """One visitor's line.

    `arrivals`: number of arrivals; `began`: when those of the week began, by local clocks.
    """

    who: str
    group: str
    arrivals: int
    began: Sequence[datetime]


def week_table(rows: Iterable[WeekRow], days: Sequence[date]) -> Table:
    """Make the table of a week: visitor, group, number of arrivals, and when they began, day by
    day."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("visitor", "group", "arrivals", *(f"{day:%a}" for day in days)):
        shown.add_column(column, no_wrap=column not in ("visitor", "group"), overflow="fold")
    for row in sorted(rows, key=lambda row: (-row.arrivals, row.who)):
        cells = ["\n".join(f"{at:%H:%M}" for at in row.began if at.date() == day) for day in days]
        shown.add_row(Text(one_line(row.who)), Text(one_line(row.group)), str(row.arrivals), *cells)
    return shown
