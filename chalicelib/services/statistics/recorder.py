"""Writing observations: in the transaction of what is observed, or on their own."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.core import keys
from chalicelib.core.errors import InvalidInput
from chalicelib.core.local_time import DAY_MS
from chalicelib.core.model import Face
from chalicelib.core.observations import Observation
from chalicelib.core.pictures import Estimates
from chalicelib.core.ports import Action, Clock, Delete, ItemStore, Put, Update, absent, equals
from chalicelib.core.records.observations import observation_item
from chalicelib.core.records.values import milliseconds
from chalicelib.services.commit.transaction import write
from chalicelib.services.statistics.calendar import Calendar

LATE_AFTER = timedelta(minutes=30)
"""An observation that is written longer after its own time than this is counted as late for its UTC day.

That is enough for any time zone: a local day is sealed 60 minutes after it ended or later. What belongs to it and is
not late was written within 30 minutes of its time, so within 30 minutes of the day's end, so 30 minutes before the
seal's read began, which saw it. (The 30 minutes between are for clocks that differ and for writes on their way.) All
else is counted late, for a UTC day that the local day touches, and a seal remembers the counts of all that it touches.
"""

OBSERVATION_NEW = "observation-new"
"""Name of the condition that this observation is not stored yet."""

OBSERVATION_SAME = "observation-same"
"""Name of the condition that this observation is still stored, and of the same face."""

_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_A_TRANSACTION = 80


@dataclass(frozen=True)
class ChangedObservation:
    """A stored observation and what becomes of it; None: it is removed. Time and id stay."""

    before: Observation
    after: Observation | None


def new_id() -> str:
    """48 random bits: two in one millisecond of a tenant are alike once in 10^14."""
    return secrets.token_hex(6)


def observed_estimates(face: Face, seen: Estimates) -> Estimates:
    """What an observation says of a face: what the user set, else what the picture showed, else what is stored."""
    own = face.estimates
    return replace(
        seen,
        age=face.age if face.age is not None else own.age if seen.age is None else seen.age,
        gender=face.gender or seen.gender or own.gender,
    )


class Recorder:
    def __init__(self, items: ItemStore, clock: Clock) -> None:
        self._items = items
        self._calendar = Calendar(items)
        self._clock = clock

    def actions(
        self, tenant: str, observations: Sequence[Observation], changed: Sequence[ChangedObservation] = ()
    ) -> list[Action]:
        """What stores and changes these observations, for a transaction that is committed now; the calendar is made
        ready. A change is late as a new one is: it is of the past, and seals must not hold over it.

        Conditions OBSERVATION_NEW, OBSERVATION_SAME. Raises InvalidInput for a time or an id that cannot be kept.
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
    same = (equals("faceid", before.faceid, OBSERVATION_SAME),)
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
