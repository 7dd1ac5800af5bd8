"""Observations, and the days that have any, to actions of one transaction.

A day enters the calendar with its first observation. A change counts as late like a new observation, so that no seal of
its day stays valid after it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.observations import ChangedObservation, Observation
from chalicelib.core.ports import Action, Delete, Item, Put, Update, absent, equals, exists
from chalicelib.core.records.observations import observation_item
from chalicelib.core.values import milliseconds

LATE_AFTER = timedelta(minutes=30)
"""An observation that is written later than this after its own time counts as late for its UTC day.

This is safe in any time zone. A local day is sealed 60 minutes after its end or later. An observation of that day that
is not late is written at most 30 minutes after the day's end, so the seal, which is made 30 minutes later still,
includes it. (These last 30 minutes allow for clocks that differ and for writes under way.) All other observations count
as late for a UTC day that the local day touches, and a seal remembers the late counts of all UTC days that it touches.
"""

OBSERVATION_NEW = "observation-new"
"""Name of the condition that this observation is not stored yet."""

OBSERVATION_SAME = "observation-same"
"""Name of the condition that this observation is still stored, with the same face and group."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")

Months = Mapping[str, Item | None]
"""Months of the calendar as they were read, for days that are not known to be in it; None: the month has none yet."""


def recorded(
    tenant: str,
    observations: Sequence[Observation],
    changed: Sequence[ChangedObservation],
    months: Months,
    now: datetime,
) -> list[Action]:
    """Return the actions that store and change observations. `months`: as read for `days_of` them.

    Conditions: OBSERVATION_NEW, OBSERVATION_SAME, and that nobody has put a day into the calendar since. Raises
    InvalidInput if a time or an id cannot be stored.
    """
    for one in observations:
        _require_storable(one)
    new = (absent(OBSERVATION_NEW),)
    touched = [*observations, *(change.before for change in changed)]
    late = [milliseconds(one.at) // DAY_MS for one in touched if now - one.at > LATE_AFTER]
    return [
        *(Put(keys.OBSERVATIONS, observation_item(tenant, one), new) for one in observations),
        *(_changing(tenant, change) for change in changed),
        *days_counted(tenant, days_of(observations, changed), late, months),
    ]


def days_of(observations: Sequence[Observation], changed: Sequence[ChangedObservation] = ()) -> set[int]:
    """Return the UTC days of these observations, counted from 1970."""
    return {milliseconds(one.at) // DAY_MS for one in (*observations, *(change.before for change in changed))}


def days_counted(tenant: str, days: Iterable[int], late: Iterable[int], months: Months) -> list[Action]:
    """Return the actions, one a month, that put days into the calendar and count a late observation for each `late`.

    A day that is named twice there counts twice.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for day in late:
        counts[keys.calendar_month(day)][keys.calendar_field(day)] += 1
    new: dict[str, set[str]] = defaultdict(set)
    for day in days:
        month, field = keys.calendar_month(day), keys.calendar_field(day)
        if month in months and field not in (months[month] or {}):
            new[month].add(field)
    return [_month(tenant, month, new[month], counts[month], months.get(month)) for month in sorted({*counts, *new})]


def _month(tenant: str, month: str, new: set[str], late: Counter[str], read: Item | None) -> Put | Update:
    partition, first = keys.calendar(tenant), {field: late[field] for field in sorted(new)}
    if new and read is None:
        return Put(keys.SUMMARIES, {"tenant_zone": partition, "day": month, **first}, (absent("month-free"),))
    when = tuple(equals(field, None, "day-free") for field in first) or (exists("calendar-exists"),)
    more = {field: count for field, count in late.items() if field not in new}
    return Update(keys.SUMMARIES, (partition, month), when, set=first, add=more)


def _changing(tenant: str, change: ChangedObservation) -> Update | Delete:
    before, after = change.before, change.after
    key = keys.observation(tenant, milliseconds(before.at), before.id)
    same = (equals("faceid", before.faceid, OBSERVATION_SAME), equals("group", before.group_name, OBSERVATION_SAME))
    if after is None:
        return Delete(keys.OBSERVATIONS, key, same)
    old, new = observation_item(tenant, before), observation_item(tenant, after)
    changed = {name: value for name, value in new.items() if value != old.get(name)}
    return Update(keys.OBSERVATIONS, key, same, set=changed, remove=tuple(name for name in old if name not in new))


def _require_storable(observation: Observation) -> None:
    if not 0 <= milliseconds(observation.at) <= keys.LAST_MS:
        raise InvalidInput(f"an observation is of the years 1970 to 2286, not of {observation.at:%Y-%m-%d}")
    if not _ID.fullmatch(observation.id):
        raise InvalidInput(f"an observation's id is 1 to 100 letters, digits, `_`, `.` and `-`: {observation.id!r}")
