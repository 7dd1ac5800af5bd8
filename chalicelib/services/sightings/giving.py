"""Corrections of whole visits: all sightings of a visit are given to one person, by one call that a repeat finishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.captures import Instead
from chalicelib.core.errors import FaceNotFound, InvalidInput, RejectionNotFound, SightingNotFound
from chalicelib.core.model import REGULAR, Tenant
from chalicelib.core.observations import Observation
from chalicelib.core.values import milliseconds
from chalicelib.core.visits import FaceVisits
from chalicelib.services.captures.captures import not_found
from chalicelib.services.enrolment.enrolment import FaceChanges
from chalicelib.services.faces import is_faceid
from chalicelib.services.idempotency import RequestId
from chalicelib.services.rooms import UseCase
from chalicelib.services.sightings.sightings import Rejected
from chalicelib.services.visits import sightings_of_arrival


@dataclass(frozen=True)
class Gift:
    """The person to whom a visit is given instead. `name`: of somebody new; `only`: these sightings of it, if any."""

    other: str | None = None
    instead: Instead | None = None
    name: str = ""
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Given:
    """The sighting that was asked for as it is now, and the ids of all that were given with it."""

    rejected: Rejected
    sightings: tuple[str, ...]


class Giving(UseCase):
    def give(
        self, tenant: Tenant, faceid: str, sighting_id: str, gift: Gift, request: RequestId | None = None
    ) -> Given:
        """Give the visit that a sighting is of to somebody else. Called again, continue after a crash.

        What cannot be given is refused before anything is changed. A face that has this visit alone, and was made from
        it, becomes a part of the other one. Raises what Rejection.reject raises, and GroupFull for a name.
        """
        if (gift.instead is Instead.NEW) != bool(gift.name):
            raise InvalidInput("instead: new and the name of who it is go together")
        held = self.book.face_visits.read(tenant, faceid) if is_faceid(faceid) else None
        if held is None:
            if gift.other is None or not gift.only:
                raise FaceNotFound(f"there is no face {faceid[:70]!r}")
            return self._merged(tenant, faceid, sighting_id, gift.other, gift.only)  # it was cut off
        visit = self._visit(tenant, held, sighting_id, gift.only)
        rejection = self.book.sightings.rejection
        is_all = held.visits.arrivals.sightings == len(visit)
        if gift.other is not None and is_all and any(rejection.is_first(tenant, one) for one in visit):
            return self._merged(tenant, faceid, sighting_id, gift.other, [one.id for one in visit])
        # The best picture first: it is the one that makes a face.
        visit.sort(key=lambda one: rejection.quality(tenant, held, one), reverse=True)
        told = {"instead": gift.instead, "name": gift.name, "visit": [[one.camera, one.id] for one in visit]}
        rejection.reject(tenant, faceid, visit[0].id, request, other=gift.other, instead=gift.instead, told=told)
        return self.again(tenant, faceid, sighting_id, {**told, "other": gift.other})

    def again(self, tenant: Tenant, faceid: str, sighting_id: str, told: Mapping[str, Any]) -> Given:
        """Answer what was given, and give what is left of it. `told`: what was stored of the request."""
        other, instead = told["other"], Instead(told["instead"]) if told["instead"] else None
        rejection = self.book.sightings.rejection
        done: dict[str, Rejected] = {}
        for camera, one in told["visit"]:
            said = None if other else instead
            try:
                done[one] = rejection.reject(tenant, faceid, one, other=other, instead=said)
            except SightingNotFound:
                done[one] = rejection.again(tenant, faceid, one, camera, other)
            if instead in (Instead.NEW, Instead.STRANGER):
                other = other or done[one].sighting.faceid
        if told["name"] and other and not self.book.faces.get(tenant, other).name:  # else this is a repeat
            changes = FaceChanges(name=told["name"], new_group_name=REGULAR)
            self.book.enrolment.update.of_id(tenant, other, changes)
        # The face as it is without the whole visit: what a repeat after a crash answers, too.
        return Given(replace(done[sighting_id], face=self.book.faces.get(tenant, faceid)), tuple(done))

    def _visit(self, tenant: Tenant, held: FaceVisits, sighting_id: str, only: Sequence[str]) -> list[Observation]:
        """Read the sightings of the visit that are to be given. Raises SightingNotFound."""
        observation = self.book.captures.sighted.observation(tenant, held.face.faceid, sighting_id)
        if observation is None:
            raise not_found(held.face.faceid, sighting_id)
        arrival = held.visits.arrivals.around(milliseconds(observation.at))
        if arrival is None:
            return [observation]
        found = sightings_of_arrival(self.book.items, tenant.name, held.face, arrival)
        return [one for one in found if not only or one.id == sighting_id or one.id in only]

    def _merged(self, tenant: Tenant, faceid: str, sighting_id: str, other: str, visit: Sequence[str]) -> Given:
        """Make a face that has this visit alone a part of the other one, which it may be again."""
        self.book.merges.merging.merge(tenant, other, faceid)
        for one in visit:
            with suppress(RejectionNotFound):
                self.book.sightings.rejections.take_back(tenant, other, one)
        observation = self.book.captures.sighted.observation(tenant, other, sighting_id)
        if observation is None:
            raise not_found(other, sighting_id)
        return Given(self.book.sightings.rejection.now(tenant, other, observation), tuple(visit))
