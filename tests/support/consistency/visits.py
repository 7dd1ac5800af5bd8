"""Checks of each face's arrivals, negatives and merges against the records that they count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from chalicelib.domain.model import Face, Tenant
from chalicelib.domain.observations import ObservationKind, is_of
from chalicelib.domain.rules.visits import KEPT_MS, Arrival, Arrivals, Visits
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.faces import face_from
from chalicelib.storage.records.merges import Merge, MergeState
from chalicelib.storage.records.observations import pages_from, visits_from
from chalicelib.storage.values import milliseconds, moment, parse_optional
from tests.support.consistency.findings import Subject
from tests.support.consistency.observations import read_observations_by_day

_MOVING = (MergeState.MOVING, MergeState.UNDOING)


class _SightedAt(NamedTuple):
    """A sighting of a face.

    `gap_ms`: its camera's gap. `is_of_face`: whether it is surely this face's (`is_of`), and not
    one of a deleted face that had the id before.
    """

    at_ms: int
    gap_ms: int
    is_of_face: bool


class VisitRecords(Subject):
    def find_disagreements(self, tenant: Tenant) -> Iterator[str]:
        """Compare faces with their visits, rejected pictures and merges."""
        faces = {
            item["faceid"]: face_from(item)
            for item in walk_items(self.services.items, keys.FACES, tenant.name)
        }
        visits_by_face, orphan_pages = self._read_visits(tenant)
        sightings, enrolled_by_hand = self._read_observations(tenant, faces)
        for faceid, face in faces.items():
            visits = visits_by_face.get(faceid, Visits())
            yield from self._compare_counts(tenant, face, visits)
            if not face.moving:
                by_hand = faceid in enrolled_by_hand
                yield from self._compare_arrivals(
                    tenant, face, visits, sightings[faceid], by_hand=by_hand
                )
        for faceid in visits_by_face.keys() - faces.keys():
            visits = visits_by_face[faceid]
            yield f"there are arrivals of {faceid}, and there is no such face"
        for key in orphan_pages:
            faceid, _ = keys.parts_of_visits(key)
            yield f"a page of arrivals of {faceid} is stored, and its visits do not name it"
        yield from self._compare_negatives(tenant, faces)
        yield from self._compare_merges(tenant, faces)

    def _read_visits(self, tenant: Tenant) -> tuple[dict[str, Visits], list[str]]:
        """Return the visits by faceid, and the keys of the pages that no head names.

        A face's visits are a head, whose key is the faceid, and pages of older arrivals, which the
        head names.
        """
        items = {
            item["faceid"]: item
            for item in walk_items(self.services.items, keys.ARRIVALS, tenant.name)
        }
        visits = {}
        for faceid in [key for key in items if keys.parts_of_visits(key)[0] == key]:
            head = visits_from(items.pop(faceid))
            pages = [items.pop(keys.visits_page(faceid, start), None) for start in head.pages]
            visits[faceid] = head if head.is_whole else head.with_pages(pages_from(pages))
        return visits, list(items)

    def _read_observations(
        self, tenant: Tenant, faces: Mapping[str, Face]
    ) -> tuple[Mapping[str, list[_SightedAt]], set[str]]:
        """Return the sightings of each face that count as arrivals, and the faceids that were
        enrolled by hand."""
        sightings: dict[str, list[_SightedAt]] = defaultdict(list)
        enrolled: set[str] = set()
        for _, observations in read_observations_by_day(self.services, tenant):
            for observation in observations:
                if (
                    observation.kind is ObservationKind.SIGHTING
                    and observation.gap_s is not None
                    and observation.faceid in faces
                ):
                    is_of_face = is_of(faces[observation.faceid], observation)
                    sightings[observation.faceid].append(
                        _SightedAt(observation.at_ms, observation.gap_s * 1000, is_of_face)
                    )
                elif observation.kind is ObservationKind.ENROLMENT:
                    enrolled.add(observation.faceid)
        return sightings, enrolled

    def _compare_counts(self, tenant: Tenant, face: Face, visits: Visits) -> Iterator[str]:
        count = visits.arrivals.count
        last_at = parse_optional(moment, visits.arrivals.last_arrival_ms)
        if (face.arrive_count, face.last_arrival_at) != (count, last_at):
            yield (
                f"face {face.faceid} says {face.arrive_count} arrivals, the last at "
                f"{face.last_arrival_at}, and its "
                f"visits are {count}, the last at {last_at}"
            )

    def _compare_arrivals(
        self,
        tenant: Tenant,
        face: Face,
        visits: Visits,
        sightings: list[_SightedAt],
        *,
        by_hand: bool,
    ) -> Iterator[str]:
        """Compare the arrivals of the last 100 days.

        Older ones may only be counted; after a merge, together.

        `by_hand`: whether the face was enrolled by hand. It may then have the id of a face that was
        deleted, and earlier versions' sightings do not say which of them are whose. So either count
        is right; if the two differ, nobody knows which one to store.
        """
        since_ms = milliseconds(self.services.clock.now()) - KEPT_MS
        sightings = [
            sighting for sighting in sightings if sighting.at_ms >= visits.arrivals.folded_until_ms
        ]
        arrivals = _select_since(visits.arrivals, since_ms)
        arrivals_of_id = _select_since(_join_sightings(sightings), since_ms)
        arrivals_of_face = arrivals_of_id
        if by_hand:
            arrivals_of_face = _select_since(
                _join_sightings(sighted_at for sighted_at in sightings if sighted_at.is_of_face),
                since_ms,
            )
        if arrivals not in (arrivals_of_id, arrivals_of_face):
            yield (
                f"face {face.faceid} has {len(arrivals)} arrivals of {_count_sightings(arrivals)} "
                "sightings in 100 "
                f"days, and its sightings make {len(arrivals_of_id)} of "
                f"{_count_sightings(arrivals_of_id)}"
            )

    def _compare_negatives(self, tenant: Tenant, faces: Mapping[str, Face]) -> Iterator[str]:
        """Compare the number of rejected pictures that each face says with those that are
        stored."""
        stored_ids = [
            item["id"] for item in walk_items(self.services.items, keys.NEGATIVES, tenant.name)
        ]
        counts = Counter(keys.parts_of_negative(id_)[0] for id_ in stored_ids)
        for face in faces.values():
            count = counts[face.faceid]
            if face.negatives != count:
                yield (
                    f"face {face.faceid} says {face.negatives} rejected pictures, and {count} "
                    "are stored"
                )
        for id_ in stored_ids:
            faceid = keys.parts_of_negative(id_)[0]
            if faceid not in faces:
                yield f"a rejected picture, {id_}, is kept for a face that there is not"

    def _compare_merges(self, tenant: Tenant, faces: Mapping[str, Face]) -> Iterator[str]:
        """Compare the merges that faces count, or say to be moving, with the merges that are
        stored."""
        merges = {merge.id: merge for merge in self.services.merges.records.list_all(tenant.name)}
        by_survivor: dict[str, list[Merge]] = defaultdict(list)
        for merge in merges.values():
            if merge.is_active:
                by_survivor[merge.survivor].append(merge)
        for face in faces.values():
            count = _count_merges_below(by_survivor, face.faceid)
            if face.merges < count:
                yield (
                    f"face {face.faceid} says that it comes from {face.merges} merges, and it "
                    f"does from {count}"
                )
            if face.moving and (
                face.moving not in merges or merges[face.moving].state not in _MOVING
            ):
                yield (
                    f"face {face.faceid} says that merge {face.moving} moves its observations, "
                    "and it does not"
                )
        for merge in merges.values():
            survivor = faces.get(merge.survivor)
            if merge.state in _MOVING and (survivor is None or survivor.moving != merge.id):
                yield (
                    f"merge {merge.id} moves observations of face {merge.survivor}, which does "
                    "not say so"
                )


def _join_sightings(sightings: Iterable[_SightedAt]) -> Arrivals:
    arrivals = Arrivals()
    for at_ms, gap_ms, _ in sorted(sightings):
        arrivals = arrivals.add_sighting(at_ms, gap_ms)
    return arrivals


def _select_since(arrivals: Arrivals, since_ms: int) -> tuple[Arrival, ...]:
    return tuple(arrival for arrival in arrivals.recent if arrival.until_ms > since_ms)


def _count_sightings(arrivals: Iterable[Arrival]) -> int:
    return sum(arrival.sightings for arrival in arrivals)


def _count_merges_below(by_survivor: Mapping[str, list[Merge]], faceid: str) -> int:
    """Count the merges that can be undone into a face, and into the faces that were merged into
    it."""
    return sum(
        1 + _count_merges_below(by_survivor, merge.other) for merge in by_survivor.get(faceid, ())
    )
