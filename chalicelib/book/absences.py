"""Detection of regulars who have stayed away for longer than ever before.

No event reports that a person did not come, so the hourly sweep looks for people whose time has run
out within the last day, if a hook wants to know. It reports each absence once.

A day on which the shop saw nobody at all counts neither in an absence nor in a usual pause: the
shop was closed, or the camera off. So after two weeks of holidays not everybody is overdue at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chalicelib.domain.events import EventKind, FaceOverdue
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import STRANGER, Face, Group, Tenant
from chalicelib.domain.rules.visits import Arrival
from chalicelib.domain.webhooks import Event
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.records.observations import visits_from
from chalicelib.storage.values import milliseconds, moment

if TYPE_CHECKING:
    from chalicelib.book.book import Book

LEAST_VISITS = 6
"""Fewer visits say nothing about how often somebody comes."""

TIMES_USUAL = 2.0
"""Somebody is overdue after so many times the usual pause, and only after the longest one."""

_RECENT_VISITS = 20
"""Visits that are looked at, the newest: how often somebody came long ago says little."""

_SHORTEST_ABSENCE, _LONGEST_ABSENCE = timedelta(days=1), timedelta(days=60)
"""The absences that are told: who stays away for longer than two months has gone for good."""

_LATE = timedelta(days=1)
"""How long ago somebody may have become overdue who is told: sweeps may fail, or a box be off."""

_FACES_AT_ONCE = 25
"""Faces that are read at once. Each brings its visits, so a page is small."""


def overdue_at(
    arrivals: tuple[Arrival, ...], zone: ZoneInfo, closed_days: Sequence[int] = ()
) -> datetime | None:
    """Return the time at which a person with these visits becomes overdue; None if the visits are
    too few or too irregular.

    `visits on day 1, 8, 15, 22, 29, 36`: on day 50, after twice the usual week. `zone`: the shop's,
    by whose clocks pauses are measured, so a week is one whatever the clocks did. `closed_days`:
    its days since 1970 that do not count, ascending.
    """
    recent = arrivals[-_RECENT_VISITS:]
    if len(recent) < LEAST_VISITS:
        return None
    begins = [_local_ms(moment(arrival.first_ms), zone) for arrival in recent]
    days_before = [bisect_right(closed_days, begin // DAY_MS) for begin in begins]
    open_ms = [begin - DAY_MS * days for begin, days in zip(begins, days_before, strict=True)]
    pauses = [after - before for before, after in pairwise(open_ms)]
    wait = timedelta(milliseconds=max(TIMES_USUAL * median(pauses), *pauses))
    if not _SHORTEST_ABSENCE <= wait <= _LONGEST_ABSENCE:
        return None
    overdue_since = moment(begins[-1]) + wait
    for day in closed_days[days_before[-1] :]:
        if moment(day * DAY_MS) > overdue_since:
            break
        overdue_since += timedelta(days=1)
    return overdue_since.replace(tzinfo=zone).astimezone(UTC)


def _local_ms(at: datetime, zone: ZoneInfo) -> int:
    """Return what the shop's clocks show, in ms since 1970-01-01 00:00 of these clocks."""
    return milliseconds(at.astimezone(zone).replace(tzinfo=UTC))


def _position_of_absence(event: Event) -> str:
    """Return the position of an absence among all, by its time and then its face: couples have the
    same time.

    It is stored for longer than the face may be, so it has a hash of the face's id.
    """
    return f"{milliseconds(event.at):015d} {sha256(event.data.about.encode()).hexdigest()[:16]}"


class Absences(Service["Book"]):
    def tell_hour(self, tenant: Tenant, now: datetime) -> int:
        """Send hooks an event for each person who became overdue in the last day and was not
        reported yet.

        Events are sent in the order of their positions, and the last position is stored. An event
        counts as reported if its position is not later. Return how many were sent. Stop if another
        process sends them at this moment. The caller has looked whether a hook names this kind of
        event.
        """
        outbox = self.services.webhooks.outbox
        last_sent_position = outbox.read_last_position(tenant.name, EventKind.FACE_OVERDUE)
        groups = [
            group
            for group in self.services.groups.list_all(tenant)
            if group.id != STRANGER and not group.staff
        ]
        closed_days = self.services.statistics.list_days_without_anybody(tenant)
        events = [
            event
            for group in groups
            for event in self._list_overdue(tenant, group, now, closed_days)
        ]
        event_by_position = {_position_of_absence(event): event for event in events}
        unsent_positions = sorted(
            position
            for position in event_by_position
            if last_sent_position is None or position > last_sent_position
        )
        for count, position in enumerate(unsent_positions):
            if not outbox.send_event_once(
                tenant.name, position, last_sent_position, event_by_position[position]
            ):
                return count
            last_sent_position = position
        return len(unsent_positions)

    def _list_overdue(
        self, tenant: Tenant, group: Group, now: datetime, closed_days: Sequence[int]
    ) -> list[Event]:
        """List an event for each face of a group that is overdue: away for longer than its habit
        lets expect.

        `closed_days`: the shop's days since 1970 on which nobody was seen, as on holidays,
        ascending; they do not count as absence. Faces that became overdue before _LATE are left
        out.

        Only faces are read whose last arrival can make them overdue now. Each closed day lets that
        arrival be a day older.
        """
        zone = ZoneInfo(tenant.time_zone)
        first_arrival, last_arrival = now - _LONGEST_ABSENCE - _LATE, now - _SHORTEST_ABSENCE
        first_arrival -= timedelta(
            days=len(closed_days)
            - bisect_right(closed_days, _local_ms(first_arrival, zone) // DAY_MS)
        )
        faces = self.services.faces.list_by_arrival(
            tenant, group, last_arrival, _FACES_AT_ONCE, first_arrival
        )
        return [
            event
            for face in faces
            if (event := self._make_overdue_event(tenant, group, face, now, closed_days))
        ]

    def _make_overdue_event(
        self, tenant: Tenant, group: Group, face: Face, now: datetime, closed_days: Sequence[int]
    ) -> Event | None:
        """Make the event of a face; None: it is not overdue, or became overdue more than _LATE
        ago."""
        visits = visits_from(self.services.items.get(keys.ARRIVALS, (tenant.name, face.faceid)))
        zone = ZoneInfo(tenant.time_zone)
        overdue_since = overdue_at(visits.arrivals.recent, zone, closed_days)
        if overdue_since is None or not now - _LATE < overdue_since <= now:
            return None
        last_visit = moment(visits.arrivals.recent[-1].first_ms)
        data = FaceOverdue(
            faceid=face.faceid,
            name=face.name,
            number=face.number or None,
            arrive_count=face.arrive_count,
            days=(now - last_visit).days,
        )
        id_ = f"{data.KIND}-{face.faceid}-{milliseconds(last_visit)}"
        return Event(id_, data, overdue_since, group.name)
