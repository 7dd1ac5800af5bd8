"""Jobs that the clock begins: what a service has to do for each tenant, beside what is asked of
it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from chalicelib.domain.model import Tenant

What = TypeVar("What")

STOPS_AT_S = 60.0
"""Time that must be left to begin something more."""

NIGHT_HOUR = 3
"""The hour, in UTC, whose sweep does the nightly jobs, too.

It need not be night in the shop: these jobs go by ages and by the shop's days, and cut nothing that
people read.
"""

NIGHT_DAYS = 4
"""Days back that the nightly look for lost captures reaches: an ingest that stood still over a long
weekend."""

OWED = ("retention", "audit retention")
"""Jobs for which people were told a date: it is noted when each was done, and reported if that is
too long ago."""

SEALS = "seals"
"""The job that seals the days of statistics."""

SEAL_AFTER = timedelta(minutes=60)
"""A local day is sealed this long after its end, or later; and a day, week or month is closed."""

JOINS = "joining"
"""The job that joins faces of one person. It may take minutes: others go before it."""

FINISH_MERGES = "merges"
"""The job that finishes the merges that were cut off."""

TRUSTED = timedelta(days=1)
"""On one box, a clock that is so far from that of the last sweep may be wrong. A sweep then does
only what no clock decides."""

SETTLED = timedelta(minutes=30)
"""So long a clock that was doubted has to run on: in less, somebody or the network may set it."""


class Called(Struct, frozen=True):
    """A call of the schedule, and whether the machine's clock was believed then.

    `believed_at`: the newest time that was believed; `doubted_since`: None if `at` is.
    `settled_at`: the time of an earlier call that was believed, SETTLED before this one or more;
    None: there is none.
    """

    at: datetime
    believed_at: datetime
    doubted_since: datetime | None = None
    settled_at: datetime | None = None


def find_night(at: datetime) -> datetime:
    """Return when the next sweep that does the nightly jobs starts."""
    night = at.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return night if night > at else night + timedelta(days=1)


def judge_clock(before: Called | None, now: datetime) -> Called:
    """Return the record of this call of the schedule: whether the machine's clock is believed.

    A clock within TRUSTED (a day) of the time that was believed last is believed. Else it has
    jumped, and is doubted until it has run on from its new time for SETTLED (half an hour). So a
    machine that is on for less than that, with days in between, never believes its clock. `before`
    is the record of the call before; None: this is the first.
    """
    if before is None:
        return Called(now, believed_at=now)
    if abs(now - before.believed_at) <= TRUSTED:
        # Keep the time of a call that was believed at least SETTLED ago, the newest first.
        believed_times = [before.settled_at]
        if before.doubted_since is None:
            believed_times = [before.at, before.settled_at]
        settled = (at for at in believed_times if at is not None and now - at >= SETTLED)
        return Called(now, believed_at=now, settled_at=next(settled, None))

    doubted_since = now
    if before.doubted_since is not None and abs(now - before.at) <= TRUSTED:
        doubted_since = before.doubted_since  # it has jumped no further since then
    if now - doubted_since >= SETTLED:
        return Called(now, believed_at=now)
    return Called(now, before.believed_at, doubted_since)


class JobContext(Struct, frozen=True):
    """One tenant's turn. `after`: the position that `do` returned the last time.

    `remaining_s`: returns how long the run may still take. `is_settled`: tells whether an earlier
    call of the schedule was behind a time, too: a clock that is wrong for an hour was not.
    """

    tenant: Tenant
    hour: datetime
    remaining_s: Callable[[], float]
    after: str = ""
    is_settled: Callable[[datetime], bool] = lambda _: True


class Unfinished(Struct, frozen=True):
    """The answer of a job whose time ran out. Another message continues it after `after`."""

    after: str = ""


class Job(Struct, frozen=True):
    """A job, by the name that messages and the audit have for it.

    It may be cut off anywhere and repeated.

    `do`: returns an Unfinished if the time has run out, else anything. `nightly`: once a day.
    `ignores_clock`: it does the same whatever the clock says. `of_expired`: it deletes what has
    expired, which some storage does by itself.
    """

    name: str
    do: Callable[[JobContext], object]
    nightly: bool = False
    ignores_clock: bool = False
    of_expired: bool = False


class Jobs(Protocol):
    """A room that has jobs."""

    def list_jobs(self) -> tuple[Job, ...]:
        """Return the jobs, in their order."""


def make_unfinished(is_done: bool) -> Unfinished | None:
    """Return Unfinished for a job that was not done.

    Its next run finds by itself where to go on.
    """
    return None if is_done else Unfinished()


class Due(NamedTuple, Generic[What]):
    """A thing that is deleted.

    `since`: its age counts from then; `goes_at`: from then on it is kept no longer.
    """

    since: datetime
    goes_at: datetime
    what: What
