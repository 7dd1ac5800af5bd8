"""The recorder of observations: in the transaction of the event that is observed, or on their own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput
from chalicelib.core.items import write
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.observations import ChangedObservation, Observation
from chalicelib.core.ports import Action, Clock, Delete, ItemStore, Put, Update, absent, equals
from chalicelib.core.records.observations import observation_item
from chalicelib.core.values import milliseconds
from chalicelib.services.statistics.calendar import Calendar

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
_A_TRANSACTION = 80


def new_id() -> str:
    """Return 48 random bits: two ids of one tenant in one millisecond are the same once in 10^14 times."""
    return secrets.token_hex(6)


class Recorder:
    def __init__(self, items: ItemStore, clock: Clock) -> None:
        self._items = items
        self._calendar = Calendar(items)
        self._clock = clock

    def actions(
        self, tenant: str, observations: Sequence[Observation], changed: Sequence[ChangedObservation] = ()
    ) -> list[Action]:
        """Return the actions that store and change observations, for a transaction that is committed at once.

        It puts their days into the calendar. A change counts as late like a new observation, so that no seal stays
        valid after it. Conditions: OBSERVATION_NEW, OBSERVATION_SAME. Raises InvalidInput if a time or an id cannot be
        stored.
        """
        for one in observations:
            _require_storable(one)
        touched = [*observations, *(change.before for change in changed)]
        days = [milliseconds(one.at) // DAY_MS for one in touched]
        self._calendar.include(tenant, sorted(set(days)))
        now = self._clock.now()
        late = [day for day, one in zip(days, touched, strict=True) if now - one.at > LATE_AFTER]
        new = (absent(OBSERVATION_NEW),)
        puts = [Put(keys.OBSERVATIONS, observation_item(tenant, one), new) for one in observations]
        return [*puts, *(_changing(tenant, change) for change in changed), *self._calendar.late(tenant, late)]

    def record(self, tenant: str, observations: Sequence[Observation]) -> None:
        """Store observations, up to 80 in one transaction. Raises ConditionFailed if one is stored already."""
        for begin in range(0, len(observations), _A_TRANSACTION):
            write(self._items, self.actions(tenant, observations[begin : begin + _A_TRANSACTION]))


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
