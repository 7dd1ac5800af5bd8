"""Retention: what a tenant keeps no longer, deleted in steps by the sweep, or told beforehand by a dry run.

Both read the same lists of what is due: captures, observations, unseen. Faces leave by the ordinary deletion.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from chalicelib.core.errors import Busy
from chalicelib.core.model import Face, Group, Tenant
from chalicelib.core.ports import Clock
from chalicelib.core.retention import Due, Kind, captures_kept, sightings_kept, unseen_kept, unseen_since
from chalicelib.services.erasure.captures import CaptureExpiry
from chalicelib.services.erasure.faces import Deletion
from chalicelib.services.erasure.pictures import STOPS_AT_S
from chalicelib.services.faces.faces import Faces
from chalicelib.services.faces.holds import Holds
from chalicelib.services.groups.groups import Groups
from chalicelib.services.statistics.expiry import ObservationExpiry

SOON = timedelta(days=7)
"""How far ahead a dry run looks."""

MOST_COUNTED = 10_000
"""Things of one kind that a dry run counts at most: each has to be read."""

_A_STEP = 80
"""Things that are deleted between two looks at the clock: as many observations as one transaction takes."""


@dataclass(frozen=True)
class Planned:
    """Records of one kind that will go. `group`: of faces, its name; `days`: for how long it is kept, None: for ever.

    `now`: how many the next sweep deletes; `soon`: how many are gone within SOON, these included; `more`: there are
    more than were counted. `oldest`: since when the oldest of them was kept; None: nothing goes.
    """

    kind: Kind
    group: str | None
    days: int | None
    now: int = 0
    soon: int = 0
    more: bool = False
    oldest: datetime | None = None


@dataclass(frozen=True)
class _Kept:
    """A kind with its setting, the things that are `due` by a time, and how to delete some of them."""

    kind: Kind
    group: str | None
    days: int | None
    due: Callable[[datetime], Iterator[Due[Any]]]
    delete: Callable[[Sequence[Any]], object]


@dataclass
class Retention:
    """`in_review`: reads the faces that somebody is to look at. `expires_items`: storage deletes captures by itself."""

    groups: Groups
    faces: Faces
    holds: Holds
    deletion: Deletion
    captures: CaptureExpiry
    observations: ObservationExpiry
    in_review: Callable[[Tenant], Collection[str]]
    clock: Clock
    expires_items: bool

    def tenant(self, tenant: Tenant, left_s: Callable[[], float]) -> bool:
        """Delete what the tenant keeps no longer; return False if the time ran out first.

        May be cut off anywhere and repeated. Raises Busy, StorageUnavailable.
        """
        now = self.clock.now()
        for kept in self._kinds(tenant, self._held(tenant)):
            if kept.days is None or (self.expires_items and self._is_left_to_storage(tenant, kept.kind)):
                continue
            due = kept.due(now)
            while some := [one.what for one in islice(due, _A_STEP)]:
                kept.delete(some)
                if left_s() < STOPS_AT_S:
                    return False
        self.observations.forget_days(tenant, now)
        return True

    def plan(self, tenant: Tenant) -> list[Planned]:
        """Say what goes now and soon, of each kind and group. Deletes nothing, and reads what it counts."""
        now = self.clock.now()
        return [self._planned(kept, now) for kept in self._kinds(tenant, self._held(tenant))]

    def _planned(self, kept: _Kept, now: datetime) -> Planned:
        if kept.days is None:
            return Planned(kept.kind, kept.group, None)
        due = list(islice(kept.due(now + SOON), MOST_COUNTED + 1))
        counted = due[:MOST_COUNTED]
        return Planned(
            kept.kind,
            kept.group,
            kept.days,
            now=sum(one.goes_at <= now for one in counted),
            soon=len(counted),
            more=len(due) > MOST_COUNTED,
            oldest=min((one.since for one in counted), default=None),
        )

    def _kinds(self, tenant: Tenant, held: Collection[str]) -> Iterator[_Kept]:
        captures, observations = self.captures, self.observations
        days = captures_kept(tenant, captures.capture_days)
        pictures = partial(captures.pictures, tenant, held=held)
        yield _Kept(Kind.CAPTURES, None, days, pictures, captures.delete_pictures)
        records = partial(captures.records, tenant, held=held)
        yield _Kept(Kind.SIGHTINGS, None, sightings_kept(tenant), records, captures.delete_records)
        observed = partial(observations.due, tenant, held=held)
        yield _Kept(Kind.OBSERVATIONS, None, tenant.observation_days, observed, partial(observations.delete, tenant))
        for group in self.groups.all(tenant):
            unseen = partial(self._unseen, tenant, group)
            yield _Kept(Kind.FACES, group.name, unseen_kept(tenant, group), unseen, partial(self._forget, tenant))

    def _unseen(self, tenant: Tenant, group: Group, at: datetime) -> Iterator[Due[str]]:
        """Yield the faces of a group that nobody saw or changed for too long by then.

        The index by arrival has those first that were away longest, so it reads no more than these.
        """
        kept, in_review = timedelta(days=unseen_kept(tenant, group) or 0), None
        for face in self.faces.by_arrival(tenant, group, until=at - kept, at_once=_A_STEP):
            since = unseen_since(face)
            if since + kept <= at and face.hold is None:
                in_review = self.in_review(tenant) if in_review is None else in_review
                if face.faceid not in in_review:
                    yield Due(since, since + kept, face.faceid)

    def _forget(self, tenant: Tenant, faceids: Sequence[str]) -> None:
        """Delete faces that are still unseen when they are deleted. Raises Busy if some were not."""
        now, groups = self.clock.now(), {group.id: group for group in self.groups.all(tenant)}

        def is_unseen(face: Face) -> bool:
            days = unseen_kept(tenant, groups[face.group_id]) if face.group_id in groups else None
            return days is not None and face.hold is None and unseen_since(face) + timedelta(days=days) <= now

        if self.deletion.of_faces(tenant, faceids, by="retention", only=is_unseen).failed:
            raise Busy(
                f"faces of tenant {tenant.name} that were not seen for long are changed by others: they go later"
            )

    def _held(self, tenant: Tenant) -> frozenset[str]:
        return frozenset(one.faceid for one in self.holds.all(tenant.name))

    def _is_left_to_storage(self, tenant: Tenant, kind: Kind) -> bool:
        own = {Kind.CAPTURES: tenant.capture_days, Kind.SIGHTINGS: tenant.sighting_days}
        return kind in own and own[kind] is None
