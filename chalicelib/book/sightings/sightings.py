"""Sightings: the timeline of a face with its pictures, and lists of arrivals, newest first.

A face's visits (domain/rules/visits) tell when its arrivals began, ended, and which one it is. They
keep those of the last hundred days or so, and go with the face. Older ones, and those of deleted
faces, are worked out from the sightings.

Beside them reviews, at which somebody should look: regulars whom nobody has named, and matches that
were close. A review is written in the transaction of its event. It is over when somebody is done
with it, and when nothing is left to ask: the face is gone, named or in another group, the sighting
is another face's, or its picture is not kept any more. That is read from face and sighting each
time, so no change of them has to think of reviews, and one that is undone brings the review back. A
sweep deletes reviews that are over.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, groupby
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib.book.idempotency import RequestId
from chalicelib.book.statistics.statistics import (
    Statistics,
    Totals,
    time_id,
)
from chalicelib.book.visits import sightings_of_arrival
from chalicelib.domain.errors import ConditionFailed, ReviewNotFound
from chalicelib.domain.events import EventKind
from chalicelib.domain.jobs import Job, JobContext
from chalicelib.domain.local_time import DAY_MS, Span
from chalicelib.domain.model import REGULAR, STRANGER, Face, Tenant
from chalicelib.domain.observations import (
    EVERYTHING,
    Observation,
    ObservationFilter,
    ObservationKind,
    Only,
    Review,
    ReviewKind,
)
from chalicelib.domain.rules.ended import is_first_visit, read_last_group, takes_row
from chalicelib.domain.rules.visits import Arrival, Arrivals, Visits
from chalicelib.domain.tenant_settings import count_capture_days
from chalicelib.lazy import lazy
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import (
    Bounds,
    ListPage,
    PageTokens,
    cut_in_parts,
    walk_items,
    write_in_parts,
)
from chalicelib.storage.ports import Delete, Item, ItemStore, Table, exists
from chalicelib.storage.records.observations import (
    observation_from,
    read_visits,
    read_visits_reaching,
    review_from,
    row_from,
)
from chalicelib.storage.values import milliseconds, moment

if TYPE_CHECKING:
    from chalicelib.book.absences import Absences
    from chalicelib.book.book import Book
    from chalicelib.book.sightings.facts import FactReader
    from chalicelib.book.sightings.ingest import Ingest
    from chalicelib.book.sightings.rejection import Rejection
    from chalicelib.book.statistics.arrivals import Begin
    from chalicelib.book.week import Weeks


_LEAST_AT_ONCE = 20
"""Observations that are read at once, however few a page asks for."""


class Timeline(Struct, frozen=True):
    """A page of a face's sightings, newest first.

    `total` and `arrivals`: those of the whole face; `next_token`: for the next page; None: this is
    the last.
    """

    face: Face
    sightings: list[Observation]
    arrivals: list[Arrival]
    total: int
    next_token: str | None


class Sightings(Service["Book"]):
    """Sightings by cameras: how they get into the book, and which a face has."""

    @lazy
    def ingest(self) -> Ingest:
        from chalicelib.book.sightings.ingest import Ingest

        return Ingest(self.services)

    @lazy
    def fact_reader(self) -> FactReader:
        from chalicelib.book.sightings.facts import FactReader

        return FactReader(self.services)

    @lazy
    def rejection(self) -> Rejection:
        from chalicelib.book.sightings.rejection import Rejection

        return Rejection(self.services)

    @lazy
    def reviews(self) -> Reviews:
        return Reviews(self.services)

    @lazy
    def arrivals(self) -> ArrivalBook:
        return ArrivalBook(self.services)

    @lazy
    def absences(self) -> Absences:
        from chalicelib.book.absences import Absences

        return Absences(self.services)

    @lazy
    def weeks(self) -> Weeks:
        from chalicelib.book.week import Weeks

        return Weeks(self.services)

    def list_jobs(self) -> tuple[Job, ...]:
        return (
            Job("reviews", lambda context: self.reviews.tidy(context.tenant), nightly=True),
            Job("absences", self._tell_hour),
        )

    def _tell_hour(self, context: JobContext) -> None:
        """Tell of absences and of the week, if a hook names these events.

        A disabled tenant is told nothing.
        """
        kinds = (
            set[EventKind]()
            if context.tenant.disabled
            else self.services.webhooks.hooks.named_kinds(context.tenant.name)
        )
        if EventKind.FACE_OVERDUE in kinds:
            self.absences.tell_hour(context.tenant, context.hour)
        if EventKind.WEEK_ENDED in kinds:
            self.weeks.tell_last(context.tenant, context.hour)

    def read_timeline(
        self, tenant: Tenant, faceid: str, limit: int = 50, token: str | None = None
    ) -> Timeline:
        """Read a page of a face's sightings, as far back as its arrivals are kept.

        Raises FaceNotFound, InvalidInput.
        """
        face = self.services.faces.get(tenant, faceid)
        visits = read_visits(self.services.items, tenant.name, faceid)
        pages = PageTokens(json.dumps(["timeline", tenant.name, faceid]))
        below = pages.parse_position(token, time_id)
        newest_first = visits.arrivals.recent[::-1]
        sightings = chain.from_iterable(
            sightings_of_arrival(self.services.items, tenant.name, face, arrival, below)
            for arrival in newest_first
        )
        page = pages.make_first_page(
            sightings,
            limit,
            lambda observation: keys.observation(tenant.name, observation.at_ms, observation.id)[1],
        )
        return Timeline(
            face, page.rows, list(newest_first), visits.arrivals.sightings, page.next_token
        )


class FaceArrival(Struct, frozen=True):
    """One visit of a face.

    Camera, group, labels, estimates and decision are those of its first sighting.

    `number`: 7 for the seventh visit; None: nobody knows any more, since the face was deleted or
    the visit is older than arrivals are kept, or is restricted.
    `group`: its name at that time; of a stranger who has a name since, that of now. `before_at`:
    the last sighting of the visit before; None: there is none, or it is not kept any more. `face`:
    None if it was deleted or is restricted.
    """

    first: Observation
    last_at: datetime
    sightings: int
    number: int | None
    before_at: datetime | None
    face: Face | None
    group: str


class ArrivalBook(Service["Book"]):
    """The lists of arrivals."""

    most_read = 5_000
    """Observations that a page reads at most. So a page may be short, and not be the last."""

    def count_arrivals(
        self, tenant: Tenant, observation_filter: ObservationFilter, span: Span
    ) -> Totals:
        """Count the arrivals that `page` lists, of all pages."""
        uncertain = self.services.sightings.reviews.find_uncertain(tenant, span)
        return self.services.statistics.count_totals(tenant, span, observation_filter, uncertain)

    def read_page(
        self,
        tenant: Tenant,
        observation_filter: ObservationFilter,
        span: Span,
        limit: int = 50,
        token: str | None = None,
        *,
        choice: Only | None = None,
    ) -> ListPage[FaceArrival]:
        """Return the arrivals that started in the span and whose first sighting passes the filter,
        newest first.

        A page reads 5,000 observations at most, so it may have fewer arrivals than `limit`, even
        none, and not be the last. Those of restricted faces are somebody's. Arrivals that begin
        meanwhile do not shift the pages. Raises InvalidInput if the token is damaged or of another
        query.
        """
        visitors = self.services.statistics.visitors
        observation_filter = visitors.normalise_filter(tenant, observation_filter)
        pages = PageTokens(
            json.dumps(
                ["arrivals", tenant.name, observation_filter.text_for_tokens, asdict(span), choice]
            )
        )
        below = pages.parse_position(token, time_id)
        reading = _Reading(self.services.items, self.services.statistics, tenant)
        first_sightings, next_position = self._read_first_sightings(
            tenant, reading, observation_filter, span, limit, below=below, choice=choice
        )
        return pages.make_page(
            self._describe_arrivals(tenant, reading, first_sightings), next_position
        )

    def _read_first_sightings(
        self,
        tenant: Tenant,
        reading: _Reading,
        observation_filter: ObservationFilter,
        span: Span,
        limit: int,
        *,
        below: str | None,
        choice: Only | None,
    ) -> tuple[list[Observation], str | None]:
        """Return up to `limit` sightings at which arrivals begin, and the position below which
        others are, if any."""
        observed = self.services.statistics.days.open_span(tenant, span, EVERYTHING)
        choose = self._make_choice(tenant, span, choice)
        first_sightings: list[Observation] = []
        read_count, next_position = 0, None
        at_once = max(limit + 1, _LEAST_AT_ONCE)
        for items in _by_instants(observed.newest_first(span, at_once, below), at_once):
            if len(first_sightings) > limit or read_count >= self.most_read:
                break
            read_count, next_position = read_count + len(items), items[-1]["time_id"]
            begins = reading.list_begins(items, replace(observation_filter, group_name=None))
            of_group = self._choose_of_group(
                tenant, [observation_from(item) for item in begins], observation_filter
            )
            first_sightings += choose(of_group)
        else:
            next_position = None
        if len(first_sightings) > limit:
            last = first_sightings[limit - 1]
            next_position = keys.observation(tenant.name, last.at_ms, last.id)[1]
        return first_sightings[:limit], next_position

    def find_by_sighting(self, tenant: Tenant, faceid: str, sighting_id: str) -> FaceArrival | None:
        """Return the visit of a face that a sighting is of; None if it is none, or not kept one by
        one any more."""
        observation = self.services.captures.find_observation(tenant, faceid, sighting_id)
        face = self.services.faces.by_id(tenant, [faceid]).get(faceid)
        if observation is None or face is None:
            return None
        arrival = read_visits(self.services.items, tenant.name, faceid).arrivals.find_around(
            observation.at_ms
        )
        if arrival is None:
            return None
        newest_first = [*sightings_of_arrival(self.services.items, tenant.name, face, arrival)]
        if not newest_first:
            return None
        first_sighting = newest_first[-1]
        reading = _Reading(self.services.items, self.services.statistics, tenant)
        reading.read_visits([_begin_of_arrival(first_sighting)])
        return next(iter(self._describe_arrivals(tenant, reading, [first_sighting])), None)

    def _make_choice(
        self, tenant: Tenant, span: Span, choice: Only | None
    ) -> Callable[[list[Observation]], list[Observation]]:
        """Return the function that leaves of sightings at which arrivals begin those that `choice`
        asks for."""
        if choice is Only.UNCERTAIN:
            uncertain = self.services.sightings.reviews.find_uncertain(tenant, span)
            return lambda sightings: [
                sighting for sighting in sightings if sighting.id in uncertain
            ]
        if choice is Only.FIRST:
            return partial(self._choose_firsts, tenant)
        return list

    def _choose_firsts(self, tenant: Tenant, sightings: list[Observation]) -> list[Observation]:
        first_begins = self.services.statistics.find_firsts(
            tenant, [_begin_of_arrival(sighting) for sighting in sightings if not sighting.mark]
        )
        return [
            sighting
            for sighting in sightings
            if _begin_of_arrival(sighting) in first_begins or is_first_visit(sighting.mark)
        ]

    def _choose_of_group(
        self, tenant: Tenant, observations: list[Observation], observation_filter: ObservationFilter
    ) -> list[Observation]:
        """Return those of the groups that the filter takes, as FaceArrival.group has them."""
        if observation_filter.group_name is None:
            return observations
        strangers = {
            observation.faceid for observation in observations if observation.group_name == STRANGER
        }
        present_groups = self.services.statistics.visitors.read_present_groups(tenant, strangers)

        return [
            observation
            for observation in observations
            if _find_group(observation, present_groups) == observation_filter.group_name
        ]

    def _describe_arrivals(
        self, tenant: Tenant, reading: _Reading, first_sightings: Sequence[Observation]
    ) -> list[FaceArrival]:
        """Return the arrivals that begin with these sightings; those of restricted faces are
        somebody's."""
        visitors = self.services.statistics.visitors
        faces = self.services.faces.by_id(
            tenant, {first_sighting.faceid for first_sighting in first_sightings}, restricted=True
        )
        restricted_faceids = {faceid for faceid, face in faces.items() if face.restriction}
        shown_sightings = visitors.hide_restricted(tenant, first_sightings, restricted_faceids)
        stranger_faceids = {
            first_sighting.faceid
            for first_sighting in first_sightings
            if first_sighting.group_name == STRANGER
        }
        present_groups = visitors.find_present_groups(
            tenant, (face for faceid, face in faces.items() if faceid in stranger_faceids)
        )
        whole_arrivals = reading.read_whole(
            [_begin_of_arrival(first_sighting) for first_sighting in first_sightings]
        )
        arrivals = []
        for first_sighting, shown_sighting in zip(first_sightings, shown_sightings, strict=True):
            begin = _begin_of_arrival(first_sighting)
            is_hidden = shown_sighting is not first_sighting
            number, before_at = (None, None) if is_hidden else reading.find_number(begin)
            arrival = FaceArrival(
                first=shown_sighting,
                last_at=moment(whole_arrivals[begin].last_ms),
                sightings=whole_arrivals[begin].sightings,
                number=number,
                before_at=before_at,
                face=faces.get(shown_sighting.faceid),
                group=_find_group(first_sighting, present_groups),
            )
            arrivals.append(arrival)
        return arrivals


def _find_group(observation: Observation, present_groups: Mapping[str, str]) -> str:
    """Return the group by which a visit counts: that of its time; of a stranger who got a name
    since, that of now, or the last one."""
    if observation.group_name != STRANGER:
        return observation.group_name
    if observation.mark:
        return read_last_group(observation.mark) or STRANGER
    return present_groups.get(observation.faceid, STRANGER)


class _Reading:
    """The arrivals that one request has read."""

    def __init__(self, items: ItemStore, statistics: Statistics, tenant: Tenant) -> None:
        self._items = items
        self._statistics = statistics
        self._tenant = tenant
        self._visits: dict[str, Visits] = {}

    def list_begins(
        self, items: Sequence[Item], observation_filter: ObservationFilter
    ) -> Iterator[Item]:
        """Yield those of these observations that the filter takes and at which an arrival begins,
        newest first.

        `items`: all observations of some instants, newest first. Of two sightings of a face at the
        same time the one with the lower id begins the arrival. What is not kept with the face is
        worked out from the sightings before.
        """
        sightings = [
            item for item in items if item["kind"] == ObservationKind.SIGHTING and item.get("gap_s")
        ]
        # the last stays, which has the lowest id
        items_by_begin = {_begin_of(item): item for item in sightings}
        candidates = {
            begin: item
            for begin, item in items_by_begin.items()
            if observation_filter.lets_pass(row_from(item).dimensions)
            and takes_row(observation_filter, begin[1], str(item.get("mark", "")))
        }
        self.read_visits(candidates)
        unkept_begins = [begin for begin in candidates if self._find_kept_arrival(begin) is None]
        found_begins = self._find_begins(unkept_begins) if unkept_begins else set()
        for begin, item in sorted(
            candidates.items(), key=lambda entry: str(entry[1]["time_id"]), reverse=True
        ):
            arrival = self._find_kept_arrival(begin)
            is_begin = begin in found_begins if arrival is None else arrival.first_ms == begin[0]
            if is_begin:
                yield item

    def read_whole(self, begins: Sequence[Begin]) -> dict[Begin, Arrival]:
        """Return the arrivals that begin so."""
        kept_arrivals = {begin: self._find_kept_arrival(begin) for begin in begins}
        unknown_begins = [begin for begin, arrival in kept_arrivals.items() if arrival is None]
        arrivals = {
            begin: arrival for begin, arrival in kept_arrivals.items() if arrival is not None
        }
        return arrivals | (self._follow_sightings(unknown_begins) if unknown_begins else {})

    def find_number(self, begin: Begin) -> tuple[int | None, datetime | None]:
        """Return the number of an arrival among its face's arrivals, from 1 on, and the end of the
        one before it.

        Either is None if it is not known.
        """
        arrivals, kept_arrival = self._visits[begin[1]].arrivals, self._find_kept_arrival(begin)
        if kept_arrival is None:
            return None, None
        index = arrivals.recent.index(kept_arrival)
        return arrivals.folded + index + 1, moment(
            arrivals.recent[index - 1].last_ms
        ) if index else None

    def read_visits(self, begins: Iterable[Begin]) -> None:
        unread_begins = [
            begin
            for begin in begins
            if begin[1] not in self._visits or not self._visits[begin[1]].has_read_back_to(begin[0])
        ]
        self._visits |= read_visits_reaching(self._items, self._tenant.name, unread_begins)

    def _find_kept_arrival(self, begin: Begin) -> Arrival | None:
        """Return the arrival, among those that are kept with the face, that a sighting belongs
        to."""
        at_ms, faceid = begin
        return self._visits[faceid].arrivals.find_around(at_ms)

    def _find_begins(self, sightings: Sequence[Begin]) -> set[Begin]:
        """Return those of these sightings at which an arrival begins, by all sightings of the day
        before."""
        times = [at_ms for at_ms, _ in sightings]
        begun = self._statistics.arrivals.read_begun(self._tenant, Span(min(times), max(times)))
        return {*begun.list_begins()}

    def _follow_sightings(self, begins: Sequence[Begin]) -> dict[Begin, Arrival]:
        """Work out the arrivals that begin so from the sightings behind, until each has ended."""
        faceids = {faceid for _, faceid in begins}
        first_ms, days = min(at_ms for at_ms, _ in begins), 1
        while True:
            last_ms = max(at_ms for at_ms, _ in begins) + days * DAY_MS
            arrivals = self._gather_arrivals(faceids, Span(first_ms, last_ms))
            arrival_of_begin = {begin: arrivals[begin[1]].find_around(begin[0]) for begin in begins}
            if all(
                arrival is None or arrival.until_ms <= last_ms
                for arrival in arrival_of_begin.values()
            ):
                # A sighting that was there a moment ago, and is not any more, is an arrival of its
                # own.
                return {
                    begin: arrival or Arrival(begin[0], begin[0], begin[0])
                    for begin, arrival in arrival_of_begin.items()
                }
            days *= 2

    def _gather_arrivals(self, faceids: set[str], span: Span) -> dict[str, Arrivals]:
        observed = self._statistics.days.open_span(self._tenant, span, EVERYTHING)
        arrivals_of_face: dict[str, Arrivals] = defaultdict(Arrivals)
        for _, columns in observed.read_columns(observed.days):
            for row in columns.select_rows(EVERYTHING, span).tolist():
                faceid, gap_s = columns.faceids[columns.face[row]], int(columns.gap_s[row])
                if gap_s and faceid in faceids:
                    arrivals_of_face[faceid] = arrivals_of_face[faceid].add_sighting(
                        int(columns.at_ms[row]), 1000 * gap_s
                    )
        return arrivals_of_face


def _by_instants(items: Iterator[Item], min_items: int) -> Iterator[list[Item]]:
    """Divide items into lists of `min_items` or a few more: those of one instant stay together."""
    part: list[Item] = []
    for _, together in groupby(items, key=lambda item: _begin_of(item)[0]):
        part += together
        if len(part) >= min_items:
            yield part
            part = []
    if part:
        yield part


def _begin_of(item: Item) -> Begin:
    return keys.parts_of_observation(item["time_id"])[0], item["faceid"]


def _begin_of_arrival(first: Observation) -> Begin:
    return milliseconds(first.at), first.faceid


_AT_ONCE = 100
"""Reviews that are read at once."""
_ID = re.compile(r"[a-z]+-[A-Za-z0-9_-]{1,70}")


class Reviews(Service["Book"]):
    """The open questions to people: uncertain matches, and strangers who became regulars."""

    def read_page(
        self,
        tenant: Tenant,
        kind: ReviewKind | None,
        limit: int,
        token: str | None = None,
        *,
        left_out: Set[str] = frozenset(),
    ) -> ListPage[Review]:
        """Return a page of open reviews: uncertain sightings by their time, promoted faces by their
        ids.

        `left_out` has the ids of faces about whom nothing is asked, and to whom nobody is near.
        Raises InvalidInput if the token is damaged.
        """
        tokens = PageTokens(f"reviews of {tenant.name}, {kind}")
        between = (None, None) if kind is None else keys.reviews_range(kind)
        reviews = self._list_reviews(tenant.name, between, tokens.parse_position(token, str))
        return tokens.make_filtered_page(
            reviews, _id_of, limit, partial(self._show, tenant, left_out), _id_of
        )

    def find_uncertain(self, tenant: Tenant, span: Span) -> set[str]:
        """Return the ids of a time's sightings whose match waits for a review."""
        between = keys.reviews_range(ReviewKind.UNCERTAIN, span.first_ms, span.last_ms)
        return {
            review.sighting_id
            for _, open_reviews in self._read_with_open(tenant, between)
            for review in open_reviews
        }

    def forget_review(self, tenant: Tenant, id_: str, request: RequestId | None = None) -> None:
        """Forget a review. Raises ReviewNotFound, AnsweredAlready."""
        not_found = ReviewNotFound(
            f"there is no review {id_[:80]!r}: it is done, or what it asked is answered"
        )
        if not _ID.fullmatch(id_):
            raise not_found
        try:
            delete = Delete(keys.REVIEWS, (tenant.name, id_), (exists("review-there"),))
            self.services.requests.write_with_answer(tenant.name, [delete], request)
        except ConditionFailed:
            raise not_found from None

    def tidy(self, tenant: Tenant) -> int:
        """Delete the reviews that are over; return how many.

        May be cut off anywhere and repeated.
        """
        past_reviews = (
            review
            for reviews, open_reviews in self._read_with_open(tenant)
            for review in reviews
            if review not in open_reviews
        )
        return write_in_parts(
            self.services.items,
            (Delete(keys.REVIEWS, (tenant.name, review.id)) for review in past_reviews),
        )

    def find_reviewed_faces(self, tenant: Tenant) -> set[str]:
        """Return the ids of the faces that open reviews are about."""
        return {
            review.faceid
            for _, open_reviews in self._read_with_open(tenant)
            for review in open_reviews
        }

    def _read_with_open(
        self, tenant: Tenant, between: Bounds = (None, None)
    ) -> Iterator[tuple[list[Review], list[Review]]]:
        """Yield some reviews at once, and those of them that are not over."""
        for reviews in cut_in_parts(self._list_reviews(tenant.name, between), _AT_ONCE):
            yield reviews, self._open(tenant, reviews)

    def _list_reviews(
        self, tenant: str, between: Bounds, behind: str | None = None
    ) -> Iterator[Review]:
        stored_items = walk_items(
            self.services.items,
            keys.REVIEWS,
            tenant,
            between=between,
            behind=behind,
            reverse=True,
            page_size=_AT_ONCE,
        )
        return map(review_from, stored_items)

    def _show(self, tenant: Tenant, left_out: Set[str], reviews: Sequence[Review]) -> list[Review]:
        """Return those of the reviews that are not over, near to faces that are shown alone.

        The others are still stored: a restriction may be lifted.
        """
        listed_reviews = [review for review in reviews if review.faceid not in left_out]
        open_reviews = self._open(tenant, listed_reviews)
        asked_ids = {review.faceid for review in open_reviews}
        near_ids = {one.faceid for review in open_reviews for one in review.near}
        near_ids -= asked_ids | left_out
        faces = self._read_items(keys.FACES, {id_: (tenant.name, id_) for id_ in near_ids})
        shown_ids = asked_ids | {
            id_ for id_, face in faces.items() if face and face["group"] not in tenant.hidden
        }
        return [
            replace(review, near=tuple(one for one in review.near if one.faceid in shown_ids))
            for review in open_reviews
        ]

    def _open(self, tenant: Tenant, reviews: Sequence[Review]) -> list[Review]:
        """Return those of the reviews that are not over."""
        oldest = self.services.clock.now() - timedelta(
            days=count_capture_days(tenant, self.services.settings.capture_days)
        )
        young_reviews = [review for review in reviews if review.at >= oldest]
        faces = self._read_items(
            keys.FACES, {review.id: (tenant.name, review.faceid) for review in young_reviews}
        )
        uncertain_reviews = [
            review for review in young_reviews if review.kind is ReviewKind.UNCERTAIN
        ]
        key_by_id = {
            review.id: keys.observation(tenant.name, milliseconds(review.at), review.sighting_id)
            for review in uncertain_reviews
        }
        sightings = self._read_items(keys.OBSERVATIONS, key_by_id)
        shown_faces = {
            id_: face for id_, face in faces.items() if face and face["group"] not in tenant.hidden
        }
        return [
            review
            for review in young_reviews
            if _is_open(review, shown_faces.get(review.id), sightings.get(review.id))
        ]

    def _read_items(
        self, table: Table, key_by_id: Mapping[str, tuple[str, str]]
    ) -> dict[str, Item | None]:
        """Read the item of each place, by the id of what is looked for."""
        unique = list(dict.fromkeys(key_by_id.values()))
        item_by_key = (
            dict(zip(unique, self.services.items.get_many(table, unique), strict=True))
            if unique
            else {}
        )
        return {id_: item_by_key[key] for id_, key in key_by_id.items()}


def _id_of(review: Review) -> str:
    return review.id


def _is_open(review: Review, face: Item | None, sighting: Item | None) -> bool:
    if face is None:
        return False
    if review.kind is ReviewKind.PROMOTED:
        return bool(face["group"] == REGULAR and not face.get("name"))
    return sighting is not None and bool(
        sighting["faceid"] == review.faceid and sighting["kind"] == ObservationKind.SIGHTING
    )
