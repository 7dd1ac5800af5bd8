"""Chores that the clock begins: what a room has to do for each tenant, beside what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.core.model import Tenant

STOPS_AT_S = 60.0
"""Time that must be left to begin something more."""


@dataclass(frozen=True)
class Round:
    """One tenant's turn. `after`: the place that `do` returned the last time; `left_s`: how long the run may take."""

    tenant: Tenant
    hour: datetime
    left_s: Callable[[], float]
    after: str = ""


@dataclass(frozen=True)
class Rest:
    """The answer of a chore that has not done all: another message goes on with it, at `after`."""

    after: str = ""


@dataclass(frozen=True)
class Chore:
    """A chore, by the name that messages and the audit have for it. It may be cut off anywhere and repeated.

    `do`: returns a Rest if the time has run out, or anything else. `nightly`: once a day. `by_no_clock`: it does the
    same whatever the clock says. `of_expired`: it deletes what has expired, which some storage does by itself.
    """

    name: str
    do: Callable[[Round], object]
    nightly: bool = False
    by_no_clock: bool = False
    of_expired: bool = False


class Chores(Protocol):
    """A room that has chores."""

    def chores(self) -> tuple[Chore, ...]:
        """Return the chores, in their order."""


def unless(is_done: bool) -> Rest | None:
    """Return the rest of a chore that finds by itself where to go on."""
    return None if is_done else Rest()
