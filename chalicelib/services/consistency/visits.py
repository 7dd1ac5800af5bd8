"""Observations against what is counted of them and what tells of them.

The calendar and the sealed days against a recount of all observations; arrivals, negatives and merges of each face
against the records that they count; captures against their pictures, and sightings against the observations that were
written with them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import structs
from msgspec.structs import replace

from chalicelib.core import keys
from chalicelib.core.captures import Capture, CaptureState, parts_of_sighting, sighting_id
from chalicelib.core.erasures import is_erased
from chalicelib.core.errors import Busy
from chalicelib.core.formats import PAGED
from chalicelib.core.items import captures_of, every, observed_on, parts, retried, write
from chalicelib.core.local_time import DAY_MS, Granularity, day_number, day_text
from chalicelib.core.merges import Merge, MergeState
from chalicelib.core.model import Face, Tenant
from chalicelib.core.observations import EVERYTHING, Observation, ObservationFilter, ObservationKind, is_of
from chalicelib.core.ports import Check, Delete, Item, Update, absent, equals
from chalicelib.core.records.captures import AGAIN, capture_from, capture_key
from chalicelib.core.records.faces import face_from
from chalicelib.core.records.observations import STORABLE, days_counted, observation_from, pages_from, visits_from
from chalicelib.core.retention import sightings_kept
from chalicelib.core.values import milliseconds, moment, optional
from chalicelib.core.visits import KEPT_MS, Arrival, Arrivals, VisitPlan, Visits, arrived
from chalicelib.services.consistency.consistency import Disagreement, Subject
from chalicelib.services.visits import face_update, visits_deletes, visits_puts

if TYPE_CHECKING:
    from chalicelib.services import Services

_HOUR = "%Y%m%d%H"
_MARGIN_DAYS = 2


class StatisticsRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        calendar = self.book.statistics.calendar.read(tenant.name, STORABLE.utc_days)
        totals = keys.totals(tenant.name, tenant.time_zone)
        sealed = {item["day"] for item in every(self.book.items, keys.SUMMARIES, totals)}
        zone = ZoneInfo(tenant.time_zone)
        seen: dict[str | None, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        unknown = 0
        for day, observations in every_observation(self.book, tenant):
            if day not in calendar:
                unknown += 1
                yield Disagreement(
                    f"there are observations of {day_text(day)}, UTC, and the calendar has no such day",
                    (),
                    partial(self._include, tenant, day),
                )
            for one in observations:
                hour = one.at.astimezone(zone).strftime(_HOUR)
                for group_name in (None, one.group_name) if hour[:8] in sealed else ():
                    seen[group_name][hour].append(one.faceid)
        if sealed and not unknown:
            yield from self._answers(tenant, seen, sealed)

    def _answers(
        self, tenant: Tenant, seen: Mapping[str | None, Mapping[str, list[str]]], sealed: Set[str]
    ) -> Iterator[Disagreement]:
        """Compare answers about sealed days: of everybody, of persons, of each group. Others are counted when asked.

        `seen`: the faces that were observed, by group (None: any) and hour.
        """
        span, everybody = _span(sealed), seen.get(None, {})
        asked = [("observations", EVERYTHING, everybody, False), ("persons", EVERYTHING, everybody, True)]
        for name, of_group in seen.items():
            if name is not None:
                asked.append((f"observations in {name}", ObservationFilter(group_name=name), of_group, False))
        told: set[str] = set()
        for things, wanted, faces, distinct in asked:
            answer = self.book.statistics.analysis(tenant, wanted, *span, Granularity.HOUR, distinct=distinct)
            for hour in sorted(answer.keys() | faces.keys()):
                own, said, day = faces.get(hour, []), answer.get(hour, 0), hour[:8]
                there = len(set(own) if distinct else own)
                if said != there and day in sealed and day not in told:
                    told.add(day)
                    text = f"statistics of {day}, hour {hour[8:]}, say {said} {things}, and {there} are stored"
                    yield Disagreement(text, (), partial(self._seal, tenant, day_number(day)))

    @retried("the calendar is changed by others all the time: send the request again in a moment")
    def _include(self, tenant: Tenant, day: int) -> None:
        """Put the day into the calendar, and make invalid what was sealed without it."""
        months = self.book.statistics.calendar.months(tenant.name, [day])
        write(self.book.items, days_counted(tenant.name, [day], [day], months))

    def _seal(self, tenant: Tenant, day: int) -> None:
        if not self.book.statistics.sealing.day(tenant, day):
            raise Busy(f"{day_text(day)} is not over, or observations of it keep coming: it is counted again later")


def _span(days: Iterable[str]) -> tuple[int, int]:
    """Return a span, in UNIX seconds, that holds these local days, YYYYMMDD, in any time zone."""
    numbers = sorted(map(day_number, days))
    first, last = numbers[0] - _MARGIN_DAYS, numbers[-1] + _MARGIN_DAYS
    return max(first, 0) * DAY_MS // 1000, last * DAY_MS // 1000


def every_observation(book: Services, tenant: Tenant) -> Iterator[tuple[int, list[Observation]]]:
    """Yield each UTC day that has observations, counted from 1970, with its observations, oldest first.

    Days are looked for one by one from the day on which the tenant was made until tomorrow, since no read finds all
    that there are. Earlier ones, of captures that a camera had kept, are found if the calendar names them.
    """
    first, last = tenant.created_at, book.clock.now() + timedelta(days=1)
    days = {*range(milliseconds(first) // DAY_MS, milliseconds(last) // DAY_MS + 1)}
    days.update(book.statistics.calendar.read(tenant.name, STORABLE.utc_days).within(STORABLE.utc_days))
    for day in sorted(days):
        if found := list(map(observation_from, observed_on(book.items, tenant.name, day))):
            yield day, found


_AT_ONCE = 100


class CaptureRecords(Subject):
    def look(self, tenant: Tenant) -> Iterator[Disagreement]:
        for some in parts(captures_of(self.book.items, tenant.name, None), _AT_ONCE):
            for item in some:
                yield from self._picture(tenant, item)
            yield from self._observations(tenant, some)
        since_ms = milliseconds(self.book.clock.now()) - min(KEPT_MS, sightings_kept(tenant) * DAY_MS)
        for _, observations in every_observation(self.book, tenant):
            yield from self._captures(tenant, (one for one in observations if one.at_ms > since_ms))

    def _picture(self, tenant: Tenant, item: Item) -> Iterator[Disagreement]:
        """Compare a capture that waits with its picture, which it needs unless only a rejected sighting waits."""
        capture = capture_from(item)
        if capture.state is not CaptureState.STORED or AGAIN in item:
            return
        if self.book.storage.uploads.size(keys.capture_picture(tenant.name, capture.camera_id, capture.id)) is None:
            key = capture_key(tenant.name, capture.camera_id, capture.id)
            fields = {"state": CaptureState.PARKED, "reason": "its picture is gone"}
            update = Update(keys.CAPTURES, key, (equals("state", CaptureState.STORED, "still-stored"),), set=fields)
            text = f"capture {capture.id} of camera {capture.camera_id} waits to be resolved, and its picture is gone"
            yield self.wrong(text, (), update)

    def _observations(self, tenant: Tenant, items: list[Item]) -> Iterator[Disagreement]:
        expected = [
            (capture, sighting, item.get("corrections"))
            for item in items
            for capture in (capture_from(item),)
            if self._is_observed(tenant, capture)
            for sighting in capture.sightings
            if sighting.faceid is not None
        ]
        places = [
            keys.observation(tenant.name, milliseconds(capture.captured_at), sighting_id(capture.id, sighting.number))
            for capture, sighting, _ in expected
        ]
        for (capture, sighting, corrections), held in zip(
            expected, self.book.items.get_many(keys.OBSERVATIONS, places), strict=True
        ):
            if held is None:
                yield Disagreement(
                    f"capture {capture.id} of camera {capture.camera_id} shows face {sighting.faceid}, and no "
                    "observation of that is stored",
                    (capture.state, corrections),
                )

    def _is_observed(self, tenant: Tenant, capture: Capture) -> bool:
        """Tell whether the observations of a capture, which may have come late, are still kept."""
        days = tenant.observation_days
        return days is None or capture.captured_at > self.book.clock.now() - timedelta(days=days)

    def _captures(self, tenant: Tenant, observations: Iterable[Observation]) -> Iterator[Disagreement]:
        sightings = (one for one in observations if one.kind is ObservationKind.SIGHTING and not is_erased(one.faceid))
        for some in parts(sightings, _AT_ONCE):
            places = [capture_key(tenant.name, one.camera, one.id.rpartition("-")[0] or one.id) for one in some]
            found = self.book.items.get_many(keys.CAPTURES, places)
            for place, one, item in zip(places, some, found, strict=True):
                if item is None or parts_of_sighting(one.id)[1] >= len(capture_from(item).sightings):
                    yield Disagreement(
                        f"face {one.faceid} was sighted in capture {place[1]} of camera {one.camera}, and no such "
                        "capture says so"
                    )


_SAME = "as-it-was-read"
_MOVING = (MergeState.MOVING, MergeState.UNDOING)

Sighted = list[tuple[int, int, bool]]
"""(at_ms, gap_ms, whether `is_of` holds) of the sightings of one face."""


class VisitRecords(Subject):
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
            yield self.wrong(text, (visits[faceid].version,), *deletes)
        for key in lost:
            faceid, _ = keys.parts_of_visits(key)
            head = visits.get(faceid, Visits()).version
            same = Check(keys.ARRIVALS, (tenant.name, faceid), (equals("version", head or None, _SAME),))
            text = f"a page of arrivals of {faceid} is stored, and its visits do not name it"
            delete = Delete(keys.ARRIVALS, (tenant.name, key))
            yield self.wrong(text, (head,), delete, same)
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
        for _, observations in every_observation(self.book, tenant):
            for one in observations:
                if one.kind is ObservationKind.SIGHTING and one.gap_s is not None and one.faceid in faces:
                    of_face = is_of(faces[one.faceid], one)
                    sighted[one.faceid].append((one.at_ms, one.gap_s * 1000, of_face))
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
        write(self.book.items, [structs.replace(update, when=(*update.when, same)), *puts])

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
                delete = Delete(keys.NEGATIVES, (tenant.name, id_))
                gone = Check(keys.FACES, (tenant.name, faceid), (absent(_SAME),))
                text = f"a rejected picture, {id_}, is kept for a face that there is not"
                yield self.wrong(text, (), delete, gone)

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
                yield self.wrong(text, (face.version,), update)
        for merge in merges.values():
            survivor = faces.get(merge.survivor)
            if merge.state in _MOVING and (survivor is None or survivor.moving != merge.id):
                text = f"merge {merge.id} moves observations of face {merge.survivor}, which does not say so"
                mend = partial(self.book.merges.mover.finish, tenant, merge.id, None)
                yield Disagreement(text, (survivor and survivor.version,), mend)

    def _corrected(self, tenant: Tenant, face: Face, field: str, number: int, says: str) -> Disagreement:
        when = (equals("version", face.version, _SAME),)
        change = {"set": {field: number}} if number else {"remove": (field,)}
        update = Update(keys.FACES, (tenant.name, face.faceid), when, add={"version": 1}, **change)
        return self.wrong(says, (face.version,), update)


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
