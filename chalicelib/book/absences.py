"""Which people who come often have stayed away for longer than ever?

Nothing tells that somebody did not come, so the hourly sweep looks: at the people whose time has run out within a day,
if a hook wants to know. Of each absence it tells once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from chalicelib.book.records.observations import visits_from
from chalicelib.book.rooms import UseCase
from chalicelib.book.rules.visits import Arrival
from chalicelib.book.words import keys
from chalicelib.book.words.model import STRANGER, Face, Group, Tenant
from chalicelib.book.words.values import milliseconds, moment
from chalicelib.book.words.webhooks import Event, EventKind

LEAST_VISITS = 6
"""Fewer visits say nothing about how often somebody comes."""

TIMES_USUAL = 2.0
"""Somebody is overdue after so many times the usual pause, and only after the longest one."""

_RECENT = 20
_PAUSES = timedelta(days=1), timedelta(days=60)
"""The shortest and the longest absence that is told."""

_LATE = timedelta(days=1)
"""How long ago somebody may have become overdue who is told: sweeps may fail, or a box be off."""
_AT_ONCE = 25


def overdue_at(arrivals: tuple[Arrival, ...]) -> datetime | None:
    """Return from when on somebody with these visits, oldest first, is overdue; None: they say nothing about it.

    `visits on day 1, 8, 15, 22, 29, 36`: on day 50, after twice the usual week.
    """
    recent = arrivals[-_RECENT:]
    if len(recent) < LEAST_VISITS:
        return None
    pauses = [after.first_ms - before.first_ms for before, after in pairwise(recent)]
    wait = timedelta(milliseconds=max(TIMES_USUAL * median(pauses), *pauses))
    return moment(recent[-1].first_ms) + wait if _PAUSES[0] <= wait <= _PAUSES[1] else None


def _place(event: Event) -> str:
    """Return the place of an absence among all, by its time: couples have the same."""
    return f"{milliseconds(event.at):015d} {event.data['faceid']}"


class Absences(UseCase):
    def tell_hour(self, tenant: Tenant, now: datetime) -> int:
        """Tell of people who are overdue since the last day and were not told yet; return of how many."""
        outbox = self.book.webhooks.outbox
        before = outbox.told_until(tenant.name, EventKind.FACE_OVERDUE)
        known = (one for one in self.book.groups.all(tenant) if one.id != STRANGER and not one.staff)
        found = [event for group in known for event in self._list_overdue(tenant, group, now)]
        places = {_place(event): event for event in found if before is None or _place(event) > before}
        for count, place in enumerate(sorted(places)):
            if not outbox.tell_until(tenant.name, place, before, places[place]):
                return count
            before = place
        return len(places)

    def _list_overdue(self, tenant: Tenant, group: Group, now: datetime) -> list[Event]:
        since, until = now - _PAUSES[1] - _LATE, now - _PAUSES[0]
        faces = self.book.faces.by_arrival(tenant, group, until, _AT_ONCE, since)
        return [event for face in faces if (event := self._event(tenant, group, face, now))]

    def _event(self, tenant: Tenant, group: Group, face: Face, now: datetime) -> Event | None:
        visits = visits_from(self.book.items.get(keys.ARRIVALS, (tenant.name, face.faceid)))
        at = overdue_at(visits.arrivals.recent)
        if at is None or not now - _LATE < at <= now:
            return None
        last = moment(visits.arrivals.recent[-1].first_ms)
        data: dict[str, Any] = {
            "faceid": face.faceid,
            "name": face.name,
            "number": face.number or None,
            "arrive_count": face.arrive_count,
            "days": (now - last).days,
        }
        id_ = f"{EventKind.FACE_OVERDUE}-{face.faceid}-{milliseconds(last)}"
        return Event(id_, EventKind.FACE_OVERDUE, at, group.name, data=data)
