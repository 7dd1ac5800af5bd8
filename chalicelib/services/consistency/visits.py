"""Arrivals, negatives and merges of each face against the records that they count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from chalicelib.core import keys
from chalicelib.core.formats import PAGED
from chalicelib.core.items import every, write
from chalicelib.core.merges import Merge, MergeState
from chalicelib.core.model import Face, Tenant
from chalicelib.core.observations import ObservationKind, is_of
from chalicelib.core.ports import Action, Check, Delete, Update, absent, equals
from chalicelib.core.records.faces import face_from
from chalicelib.core.records.observations import pages_from, visits_from
from chalicelib.core.values import milliseconds, moment, optional
from chalicelib.core.visits import KEPT_MS, Arrival, Arrivals, VisitPlan, Visits, arrived
from chalicelib.services.consistency.consistency import Disagreement
from chalicelib.services.consistency.statistics import every_observation
from chalicelib.services.rooms import UseCase
from chalicelib.services.visits import face_update, visits_deletes, visits_puts

_SAME = "as-it-was-read"
_MOVING = (MergeState.MOVING, MergeState.UNDOING)

Sighted = list[tuple[int, int, bool]]
"""(at_ms, gap_ms, whether `is_of` holds) of the sightings of one face."""


class VisitRecords(UseCase):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        faces = {item["faceid"]: face_from(item) for item in every(self.book.items, keys.FACES, tenant.name)}
        visits, lost = self._visits(tenant)
        sighted, enrolled = self._observed(tenant, faces)
        for face in faces.values():
            held = visits.get(face.faceid, Visits())
            yield from self._counted(tenant, face, held)
            if not face.moving:
                by_hand = face.faceid in enrolled
                yield from self._arrivals(tenant, face, held, sighted[face.faceid], by_hand=by_hand)
        for faceid in visits.keys() - faces.keys():
            when = (equals("version", visits[faceid].version, _SAME),)
            deletes = visits_deletes(tenant.name, faceid, visits[faceid], when)
            text = f"there are arrivals of {faceid}, and there is no such face"
            yield Disagreement(text, (visits[faceid].version,), partial(write, self.book.items, deletes))
        for key in lost:
            faceid, _ = keys.parts_of_visits(key)
            head = visits.get(faceid, Visits()).version
            same = Check(keys.ARRIVALS, (tenant.name, faceid), (equals("version", head or None, _SAME),))
            text = f"a page of arrivals of {faceid} is stored, and its visits do not name it"
            delete = Delete(keys.ARRIVALS, (tenant.name, key))
            yield Disagreement(text, (head,), partial(write, self.book.items, [delete, same]))
        yield from self._negatives(tenant, faces)
        yield from self._merges(tenant, faces)

    def _visits(self, tenant: Tenant) -> tuple[dict[str, Visits], list[str]]:
        """Return the visits by faceid, and the keys of the pages that no head names."""
        stored = {item["faceid"]: item for item in every(self.book.items, keys.ARRIVALS, tenant.name)}
        visits = {}
        for faceid in [key for key in stored if keys.parts_of_visits(key)[0] == key]:
            head = visits_from(stored.pop(faceid))
            pages = [stored.pop(keys.visits_page(faceid, start), None) for start in head.pages]
            visits[faceid] = head if head.is_whole else head.with_pages(pages_from(pages))
        return visits, list(stored)

    def _observed(self, tenant: Tenant, faces: Mapping[str, Face]) -> tuple[Mapping[str, Sighted], set[str]]:
        """Return the sightings of each face that count as arrivals, and the faceids that were enrolled by hand."""
        sighted: dict[str, Sighted] = defaultdict(list)
        enrolled: set[str] = set()
        for _, observations in every_observation(self.book.statistics, self.book.items, self.book.clock, tenant):
            for one in observations:
                if one.kind is ObservationKind.SIGHTING and one.gap_s is not None and one.faceid in faces:
                    of_face = is_of(faces[one.faceid], one)
                    sighted[one.faceid].append((milliseconds(one.at), one.gap_s * 1000, of_face))
                elif one.kind is ObservationKind.ENROLMENT:
                    enrolled.add(one.faceid)
        return sighted, enrolled

    def _counted(self, tenant: Tenant, face: Face, visits: Visits) -> Iterator[Disagreement]:
        count, last_at = visits.arrivals.count, optional(moment, visits.arrivals.last_arrival_ms)
        if (face.arrive_count, face.last_arrival_at) != (count, last_at):
            yield Disagreement(
                f"face {face.faceid} says {face.arrive_count} arrivals, the last at {face.last_arrival_at}, and its "
                f"visits are {count}, the last at {last_at}",
                (face.version, visits.version),
                partial(self._rewrite, tenant, face, visits, visits.arrivals),
            )

    def _arrivals(
        self, tenant: Tenant, face: Face, visits: Visits, sighted: Sighted, *, by_hand: bool
    ) -> Iterator[Disagreement]:
        """Compare the arrivals of the last 100 days: of older ones only a number may be left, a merge's a sum.

        A face that was enrolled by hand may have the id of one that was deleted. Earlier versions' sightings do not say
        which of them are whose.
        """
        since_ms = milliseconds(self.book.clock.now()) - KEPT_MS
        sighted = [one for one in sighted if one[0] >= visits.arrivals.folded_until_ms]
        stored, meant = _since(visits.arrivals, since_ms), _since(_joined(sighted), since_ms)
        own = _since(_joined(one for one in sighted if one[2]), since_ms) if by_hand else meant
        if stored not in (meant, own):
            older = tuple(one for one in visits.arrivals.recent if one.until_ms <= since_ms)
            recounted = replace(visits.arrivals, recent=(*older, *meant))
            yield Disagreement(
                f"face {face.faceid} has {len(stored)} arrivals of {_sightings(stored)} sightings in 100 days, and "
                f"its sightings make {len(meant)} of {_sightings(meant)}",
                (face.version, visits.version),
                partial(self._rewrite, tenant, face, visits, recounted) if own == meant else None,
            )

    def _rewrite(self, tenant: Tenant, face: Face, visits: Visits, arrivals: Arrivals) -> None:
        """Store other arrivals of a face, in its visits and in the face itself."""
        after = replace(visits, arrivals=arrivals, in_one_item=tenant.format < PAGED)
        told = arrived(face, VisitPlan(after, face.group_id))
        update = face_update(tenant.name, face, told)
        same = equals("version", face.version, _SAME)
        puts = visits_puts(tenant.name, face.faceid, visits, after)
        write(self.book.items, [replace(update, when=(*update.when, same)), *puts])

    def _negatives(self, tenant: Tenant, faces: Mapping[str, Face]) -> Iterator[Disagreement]:
        stored = [item["id"] for item in every(self.book.items, keys.NEGATIVES, tenant.name)]
        counted = Counter(keys.parts_of_negative(id_)[0] for id_ in stored)
        for face in faces.values():
            number = counted[face.faceid]
            if face.negatives != number:
                text = f"face {face.faceid} says {face.negatives} rejected pictures, and {number} are stored"
                yield self._corrected(tenant, face, "negatives", number, text)
        for id_ in stored:
            faceid = keys.parts_of_negative(id_)[0]
            if faceid not in faces:
                actions: list[Action] = [
                    Delete(keys.NEGATIVES, (tenant.name, id_)),
                    Check(keys.FACES, (tenant.name, faceid), (absent(_SAME),)),
                ]
                text = f"a rejected picture, {id_}, is kept for a face that there is not"
                yield Disagreement(text, (), partial(write, self.book.items, actions))

    def _merges(self, tenant: Tenant, faces: Mapping[str, Face]) -> Iterator[Disagreement]:
        merges = {merge.id: merge for merge in self.book.merges.records.all(tenant.name)}
        of: dict[str, list[Merge]] = defaultdict(list)
        for merge in merges.values():
            if merge.is_active:
                of[merge.survivor].append(merge)
        for face in faces.values():
            number = _below(of, face.faceid)
            if face.merges < number:
                text = f"face {face.faceid} says that it comes from {face.merges} merges, and it does from {number}"
                yield self._corrected(tenant, face, "merges", number, text)
            if face.moving and (face.moving not in merges or merges[face.moving].state not in _MOVING):
                when = (equals("moving", face.moving, _SAME),)
                update = Update(keys.FACES, (tenant.name, face.faceid), when, add={"version": 1}, remove=("moving",))
                text = f"face {face.faceid} says that merge {face.moving} moves its observations, and it does not"
                yield Disagreement(text, (face.version,), partial(write, self.book.items, [update]))
        for merge in merges.values():
            survivor = faces.get(merge.survivor)
            if merge.state in _MOVING and (survivor is None or survivor.moving != merge.id):
                text = f"merge {merge.id} moves observations of face {merge.survivor}, which does not say so"
                mend = partial(self.book.merges.mover.finish, tenant, merge.id)
                yield Disagreement(text, (survivor and survivor.version,), mend)

    def _corrected(self, tenant: Tenant, face: Face, field: str, number: int, says: str) -> Disagreement:
        when = (equals("version", face.version, _SAME),)
        change = {"set": {field: number}} if number else {"remove": (field,)}
        update = Update(keys.FACES, (tenant.name, face.faceid), when, add={"version": 1}, **change)
        return Disagreement(says, (face.version,), partial(write, self.book.items, [update]))


def _joined(sighted: Iterable[tuple[int, int, bool]]) -> Arrivals:
    arrivals = Arrivals()
    for at_ms, gap_ms, _ in sorted(sighted):
        arrivals = arrivals.with_sighting(at_ms, gap_ms)
    return arrivals


def _since(arrivals: Arrivals, since_ms: int) -> tuple[Arrival, ...]:
    return tuple(one for one in arrivals.recent if one.until_ms > since_ms)


def _sightings(arrivals: Iterable[Arrival]) -> int:
    return sum(one.sightings for one in arrivals)


def _below(of: Mapping[str, list[Merge]], faceid: str) -> int:
    """Count the merges that can be undone into a face, and into the faces that were merged into it."""
    return sum(1 + _below(of, merge.other) for merge in of.get(faceid, ()))
