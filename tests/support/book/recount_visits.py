"""The visitor book counted again from its observations, by the definitions alone, and what does not
agree."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from chalicelib.domain.local_time import Granularity
from chalicelib.domain.model import MAX_COMPARED
from chalicelib.domain.observations import Observation, ObservationFilter, ObservationKind
from chalicelib.domain.rules.templates import MAX_LEARNT
from chalicelib.storage import keys
from chalicelib.storage.items import walk_items
from chalicelib.storage.records.observations import observation_from, read_visits
from tests.support.book.book import Book
from tests.support.book.recount_statistics import time_of
from tests.support.consistency.observations import counts_hour

DAYS = timedelta(days=1)


def every_observation(book: Book) -> list[Observation]:
    """Straight from the table, by the calendar."""
    items = book.storage.items
    months = walk_items(items, keys.SUMMARIES, keys.calendar("shop"))
    days = [
        keys.calendar_day(month["day"], name)
        for month in months
        for name in month
        if name.startswith("d") and name != "day"
    ]
    return [
        observation_from(item)
        for day in days
        for item in walk_items(items, keys.OBSERVATIONS, keys.observations("shop", day))
    ]


def starts(sightings: Iterable[tuple[datetime, int]]) -> list[datetime]:
    """When arrivals began: a sighting that no other's presence, of its gap in seconds, reaches."""
    found: list[datetime] = []
    present_until: datetime | None = None
    for at, gap_s in sorted(sightings):
        if present_until is None or at >= present_until:
            found.append(at)
            present_until = at
        present_until = max(present_until, at + timedelta(seconds=gap_s))
    return found


def promoted_at(arrivals: list[datetime], arrive_times: int, period_days: int) -> datetime | None:
    period = period_days * DAYS
    enough = (
        at
        for at in arrivals
        if sum(at - period <= other <= at for other in arrivals) >= arrive_times
    )
    return next(enough, None)


def disagreements_of_visits(book: Book) -> list[str]:
    """Of faces whose group nobody chose, while the rule of promotion never changed and no group was
    full."""
    rule = book.services.groups.read_promotion_settings(book.tenant)
    groups = {group.id: group.name for group in book.services.groups.list_all(book.tenant)}
    of_face: dict[str, list[Observation]] = defaultdict(list)
    observations = every_observation(book)
    for one in observations:
        of_face[one.faceid].append(one)
    wrong: list[str] = []
    for face in book.faces():
        sightings = [one for one in of_face[face.faceid] if one.kind is ObservationKind.SIGHTING]
        counted = [(one.at, one.gap_s) for one in sightings if one.gap_s is not None]
        arrivals = starts(counted)
        visits = read_visits(book.storage.items, "shop", face.faceid)
        if (face.arrive_count, visits.arrivals.count) != (len(arrivals), len(arrivals)):
            wrong.append(f"{face.faceid} arrived {len(arrivals)} times, says {face.arrive_count}")
        if visits.arrivals.sightings != len(counted):
            wrong.append(
                f"{face.faceid} was sighted {len(counted)} times, says {visits.arrivals.sightings}"
            )
        if face.last_arrival_at != (arrivals[-1] if arrivals else None):
            wrong.append(
                f"{face.faceid} arrived last at {arrivals[-1:]}, says {face.last_arrival_at}"
            )
        if groups.get(face.group_id) not in ("stranger", "regular"):
            continue
        if face.group_id == "regular" and visits.promotion is None:
            continue
        promoted = promoted_at(arrivals, rule.arrive_times, rule.period_days)
        if (face.group_id == "regular") is not (promoted is not None):
            wrong.append(f"{face.faceid} is {face.group_id}, promoted at {promoted}")
        for one in sightings:
            name = "regular" if promoted is not None and one.at >= promoted else "stranger"
            if one.group_name not in (name, *(set(groups.values()) - {"stranger", "regular"})):
                wrong.append(
                    f"a sighting of {face.faceid} at {one.at} says {one.group_name}, was {name}"
                )
    return [*wrong, *_amounts(book, observations)]


def disagreements_of_learning(book: Book) -> list[str]:
    """What faces have learnt, against their sightings.

    Of every face, unless a merge is under way.
    """
    of_sighting = {
        one.id: one.faceid
        for one in every_observation(book)
        if one.kind is ObservationKind.SIGHTING
    }
    wrong: list[str] = []
    for face in book.faces():
        learnt = [one.learnt.sighting_id for one in face.pictures if one.learnt]
        wrong += [
            f"{face.faceid} learnt from {id_}"
            for id_ in learnt
            if of_sighting.get(id_) != face.faceid
        ]
        if len(learnt) == len(face.pictures):
            wrong.append(f"{face.faceid} has no given picture")
        if len({one.id for one in face.pictures}) < len(face.pictures):
            wrong.append(f"{face.faceid} has a photo twice")
        if not 1 <= len(face.compared) <= MAX_COMPARED or len(learnt) > MAX_LEARNT:
            wrong.append(
                f"{face.faceid} is compared by {len(face.compared)} pictures and learnt "
                f"{len(learnt)}"
            )
    return wrong


def _amounts(book: Book, observations: list[Observation]) -> list[str]:
    """Statistics by hour of the tenant's zone against the observations themselves."""
    if not observations:
        return []
    first = int(min(one.at for one in observations).timestamp())
    last = int(max(one.at for one in observations).timestamp()) + 1
    wrong, zone = [], book.tenant.time_zone
    seen = [(time_of(one.at, zone, Granularity.HOUR), one) for one in observations]
    people = {(hour, one.faceid) for hour, one in seen if counts_hour(one.mark)}
    for distinct in (False, True):
        counted = Counter(hour for hour, _ in (people if distinct else seen))
        amounts = book.services.statistics.count_by_time(
            book.tenant, ObservationFilter(), first, last, Granularity.HOUR, distinct=distinct
        )
        if amounts != dict(counted):
            wrong.append(f"amounts by hour (distinct: {distinct}) are not the observations'")
    return wrong
