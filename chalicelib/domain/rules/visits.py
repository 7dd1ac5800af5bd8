"""When does a visit end, and which group follows? Sightings closer than the gap are one arrival, in
any order.

A sighting at t keeps its face present for the gap of its camera: [t, t + gap). Presences that
overlap are one arrival. So an arrival is a connected piece of their union, which does not depend on
the order. Two sightings of cameras with the same gap are one arrival if they are less than the gap
apart.

A face is a stranger until its promotion and a regular from then on, by the times of its sightings
and not by the order in which they were processed. An observation keeps the name of the group that
the face was in at its time. So if a late sighting moves the promotion, the observations between are
renamed. The rule of promotion: domain/rules/promotion; how visits are stored: book/visits.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.consent import EndedRecords
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import REGULAR, STRANGER, Face, Group
from chalicelib.domain.observations import ChangedObservation, Observation, ObservationKind
from chalicelib.domain.rules.promotion import Promotion, PromotionRule
from chalicelib.storage.values import moment

KEPT_MS = 100 * DAY_MS
"""A sighting that is processed later than this after its capture is only an observation, not an
arrival."""

MOST_KEPT = 4_000
"""Arrivals that are kept of a face: 40 a day for 100 days. Older ones are only counted."""

MOST_IN_HEAD = 32
"""Arrivals that stand beside the counts, in 1 KB; the older ones stand in pages of their own."""

_LEFT_IN_HEAD, _MOST_IN_PAGE = 16, 400
_NEVER_MS = 2**63
"""A time that does not come."""

_RECORD = struct.Struct("<QIII")


class Arrival(Struct, frozen=True):
    """One visit, in ms since 1970, with the number of its sightings.

    A sighting before `until_ms` belongs to it.
    """

    first_ms: int
    last_ms: int
    until_ms: int
    sightings: int = 1


class Arrivals(Struct, frozen=True):
    """A face's arrivals: those of the last 100 days or so, oldest first, and the number of older
    ones (folded).

    A sighting before `folded_until_ms` belongs to a folded arrival; 0: none was folded for being
    too many.
    """

    recent: tuple[Arrival, ...] = ()
    folded: int = 0
    folded_sightings: int = 0
    folded_until_ms: int = 0

    @property
    def count(self) -> int:
        return self.folded + len(self.recent)

    @property
    def sightings(self) -> int:
        return self.folded_sightings + sum(arrival.sightings for arrival in self.recent)

    @property
    def last_arrival_ms(self) -> int | None:
        """Start of the last arrival; None if none is kept."""
        return self.recent[-1].first_ms if self.recent else None

    def add_sighting(self, at_ms: int, gap_ms: int) -> Arrivals:
        """Add a sighting. The order in which sightings are added does not matter."""
        if at_ms < self.folded_until_ms:
            return replace(self, folded_sightings=self.folded_sightings + 1)
        return self.with_arrival(Arrival(at_ms, at_ms, at_ms + gap_ms))

    def with_arrival(self, new_arrival: Arrival) -> Arrivals:
        """Add an arrival, joined with those that it overlaps."""
        before = [a for a in self.recent if a.until_ms <= new_arrival.first_ms]
        behind = [a for a in self.recent if a.first_ms >= new_arrival.until_ms]
        overlapping = [*self.recent[len(before) : len(self.recent) - len(behind)], new_arrival]
        joined_arrival = Arrival(
            min(a.first_ms for a in overlapping),
            max(a.last_ms for a in overlapping),
            max(a.until_ms for a in overlapping),
            sum(a.sightings for a in overlapping),
        )
        return replace(self, recent=(*before, joined_arrival, *behind))

    def join_arrivals(self, other: Arrivals) -> Arrivals:
        """Join both faces' arrivals as those of one face."""
        joined = self.count_folded(other.folded, other.folded_sightings)
        for arrival in other.recent:
            joined = joined.with_arrival(arrival)
        return joined.fold_until(max(self.folded_until_ms, other.folded_until_ms)).fold_oldest()

    def find_around(self, at_ms: int) -> Arrival | None:
        """Return the arrival that a sighting at this time belongs to; None if there is none."""
        index = bisect_right(self.recent, at_ms, key=lambda arrival: arrival.first_ms) - 1
        if index < 0 or self.recent[index].until_ms <= at_ms:
            return None
        return self.recent[index]

    def recount_arrival(self, arrival: Arrival, sightings: Iterable[tuple[int, int]]) -> Arrivals:
        """Rebuild one of the arrivals from its `sightings`, (at_ms, gap_ms) each."""
        result = replace(self, recent=tuple(a for a in self.recent if a != arrival))
        for at_ms, gap_ms in sightings:
            result = result.add_sighting(at_ms, gap_ms)
        return result

    def fold_before(self, now_ms: int, period_ms: int) -> Arrivals:
        """Fold old arrivals into a count: no late sighting, and no period with one, can reach them.

        `until_ms` includes the gap, so arrivals that ended before lateness and period are out of
        reach. The limit leaves one day more than the rule needs, for clocks that differ.
        """
        limit_ms = now_ms - KEPT_MS - period_ms - DAY_MS
        kept_arrivals = tuple(a for a in self.recent if a.until_ms > limit_ms)
        return self._fold_all_but(kept_arrivals).fold_oldest()

    def fold_oldest(self, number: int = MOST_KEPT) -> Arrivals:
        """Fold the oldest arrivals if there are over a tenth more than `number`, and keep the last
        `number`."""
        return (
            self
            if len(self.recent) <= number + number // 10
            else self.fold_until(self.recent[-number].first_ms)
        )

    def fold_until(self, until_ms: int) -> Arrivals:
        """Fold the arrivals that began before `until_ms`.

        A later sighting from before their end is only counted.
        """
        kept_arrivals = tuple(a for a in self.recent if a.first_ms >= until_ms)
        old = self.recent[: len(self.recent) - len(kept_arrivals)]
        return replace(
            self._fold_all_but(kept_arrivals),
            folded_until_ms=max([until_ms, *(a.until_ms for a in old)]),
        )

    def _fold_all_but(self, arrivals: tuple[Arrival, ...]) -> Arrivals:
        old = self.recent[: len(self.recent) - len(arrivals)]
        return replace(self, recent=arrivals).count_folded(len(old), sum(a.sightings for a in old))

    def count_folded(self, folded: int, sightings: int) -> Arrivals:
        return replace(
            self, folded=self.folded + folded, folded_sightings=self.folded_sightings + sightings
        )

    def pack_arrivals(self) -> bytes:
        """Pack each arrival into 20 bytes.

        Raises ValueError if a gap or a length is 2^32 ms (49 days) or more.
        """
        try:
            return b"".join(
                _RECORD.pack(
                    a.first_ms, a.last_ms - a.first_ms, a.until_ms - a.last_ms, a.sightings
                )
                for a in self.recent
            )
        except struct.error as error:
            raise ValueError("an arrival lasts 49 days at most") from error

    @classmethod
    def unpack_arrivals(
        cls, data: bytes, folded: int = 0, folded_sightings: int = 0, folded_until_ms: int = 0
    ) -> Arrivals:
        """Invert `pack_arrivals`."""
        recent = (
            Arrival(first, first + length, first + length + more, sightings)
            for first, length, more, sightings in _RECORD.iter_unpack(data)
        )
        return cls(tuple(recent), folded, folded_sightings, folded_until_ms)


class Visits(Struct, frozen=True):
    """A face's arrivals, and the promotion that they led to.

    `is_regrouped`: the groups of its sightings are being changed, and some may be unchanged.
    `version` 0: no record is stored. `pages`: the start of each page, ascending. `unread`: how many
    arrivals and sightings are in pages that were not read; they count as folded. `head_ms`: when
    the arrivals of the head begin, if pages were read. `must_fit_one_item`: the tenant's format
    knows no pages, or the transaction has no room for them.
    """

    arrivals: Arrivals = Arrivals()
    promotion: Promotion | None = None
    is_regrouped: bool = False
    version: int = 0
    pages: tuple[int, ...] = ()
    unread: tuple[int, int] = (0, 0)
    head_ms: int = 0
    must_fit_one_item: bool = False

    @property
    def is_whole(self) -> bool:
        return not self.unread[0]

    def has_fewer_arrivals(self, after: Visits) -> bool:
        """Return whether the face has arrived less often than in the visits `after`."""
        return self.arrivals.count < after.arrivals.count

    def has_read_back_to(self, at_ms: int) -> bool:
        """Return whether the arrival of that time, and the one before it, are among those that were
        read."""
        recent = self.arrivals.recent
        return self.is_whole or (len(recent) > 1 and at_ms >= recent[1].first_ms)

    def with_pages(self, pages: Mapping[int, tuple[Arrival, ...]]) -> Visits:
        """Return the whole visits. `pages`: the arrivals of each, by its start."""
        head, (unread, sightings) = self.arrivals, self.unread
        starts = tuple(sorted(pages))
        recent = (*(arrival for start in starts for arrival in pages[start]), *head.recent)
        head_ms = head.recent[0].first_ms if head.recent else _NEVER_MS
        arrivals = replace(head, recent=recent).count_folded(-unread, -sightings)
        return replace(self, arrivals=arrivals, pages=starts, unread=(0, 0), head_ms=head_ms)

    def split_as_stored(self) -> tuple[Mapping[int, tuple[Arrival, ...]], Visits]:
        """Return the pages by their starts, and the head, as they are stored."""
        recent = self.arrivals.recent
        bounds = (*self.pages[1:], self.head_ms) if self.pages else ()
        indexes = [
            bisect_left(recent, bound, key=lambda arrival: arrival.first_ms) for bound in bounds
        ]
        *parts, tail = (recent[first:end] for first, end in pairwise([0, *indexes, len(recent)]))
        return self._make_pages_and_head(
            {start: part for start, part in zip(self.pages, parts, strict=True) if part}, tail
        )

    def lay_out_pages(self) -> tuple[Mapping[int, tuple[Arrival, ...]], Visits]:
        """Return the pages to store, by the times of their first arrivals, and the head to store.

        The head has the latest arrivals, pages the older ones. Of a head of more than MOST_IN_HEAD
        the last _LEFT_IN_HEAD stay there. The others go to the end of the last page, or into a new
        one if that has no room. So most arrivals change no page. A late arrival lies in its page
        already, which is halved if it is too long.

        `a head of 33, a last page of 390`: the 17 oldest of the head begin a new page, since 407
        are too many for one.
        """
        recent = self.arrivals.recent
        if len(recent) <= MOST_IN_HEAD or self.must_fit_one_item:
            return self._make_pages_and_head({}, recent)
        stored_pages, head = self.split_as_stored()
        # The latest may have been taken back, as by an undo: then all is laid out anew.
        pages = dict(stored_pages) if head.arrivals.recent else {}
        unpaged_arrivals = head.arrivals.recent or recent
        moved_count = (
            len(unpaged_arrivals) - _LEFT_IN_HEAD if len(unpaged_arrivals) > MOST_IN_HEAD else 0
        )
        moved_arrivals = unpaged_arrivals[:moved_count]
        head_arrivals = unpaged_arrivals[moved_count:]
        if moved_arrivals:
            last_start = max(pages, default=moved_arrivals[0].first_ms)
            last_page = (*pages.get(last_start, ()), *moved_arrivals)
            if len(last_page) > _MOST_IN_PAGE:
                pages[moved_arrivals[0].first_ms] = moved_arrivals
            else:
                pages[last_start] = last_page
        start, longest_page = max(pages.items(), key=lambda entry: len(entry[1]))
        # one page is halved at a time: the transaction has other actions, too
        if len(longest_page) > _MOST_IN_PAGE:
            half = len(longest_page) // 2
            pages |= {start: longest_page[:half], longest_page[half].first_ms: longest_page[half:]}
        return self._make_pages_and_head(pages, head_arrivals)

    def stored_after(
        self, before: Visits
    ) -> tuple[Visits, Mapping[int, tuple[Arrival, ...]], Iterable[int]]:
        """Return the head to store, the pages that change, and the starts of those to delete."""
        if not before.is_whole:
            return self, {}, ()
        old_pages, _ = before.split_as_stored()
        new_pages, head = (
            self.split_as_stored() if self.arrivals == before.arrivals else self.lay_out_pages()
        )
        return (
            head,
            {start: page for start, page in new_pages.items() if page != old_pages.get(start)},
            old_pages.keys() - new_pages.keys(),
        )

    def _make_pages_and_head(
        self, pages: Mapping[int, tuple[Arrival, ...]], tail: tuple[Arrival, ...]
    ) -> tuple[Mapping[int, tuple[Arrival, ...]], Visits]:
        paged = [arrival for page in pages.values() for arrival in page]
        unread = (len(paged), sum(arrival.sightings for arrival in paged))
        arrivals = replace(self.arrivals, recent=tail).count_folded(*unread)
        return pages, replace(self, arrivals=arrivals, pages=tuple(sorted(pages)), unread=unread)

    def needs_pages(self, group_id: str, at_ms: int, rule: PromotionRule) -> bool:
        """Return whether the pages must be read to plan a sighting at `at_ms`.

        `group_id`: the face's group.

        A sighting of the last arrival, or after it, cannot move a promotion, which is at the start
        of an earlier arrival. So the head is enough for it, unless it gets full by it, a stranger's
        rule counts arrivals from before the head, or an earlier change of groups was cut off.
        """
        head_arrivals = self.arrivals.recent
        if self.is_whole:
            return False
        if self.is_regrouped or not head_arrivals or at_ms < head_arrivals[-1].first_ms:
            return True
        if at_ms < head_arrivals[-1].until_ms:  # it belongs to the last arrival
            return False
        counts_pages = group_id == STRANGER and head_arrivals[0].first_ms >= at_ms - rule.period_ms
        return counts_pages or len(head_arrivals) >= MOST_IN_HEAD

    def promotion_of_stranger(
        self, rule: PromotionRule, joined: Arrival | None = None
    ) -> Promotion | None:
        """Return the promotion that the arrivals lead to; None: none yet.

        `joined`: that which just got a sighting.
        """
        at_ms = rule.met_at(self.arrivals.recent, joined)
        return None if at_ms is None else Promotion(at_ms, rule)

    def promotion_of_promoted(self, now_ms: int) -> Promotion | None:
        """Apply the promotion's own rule to the present arrivals; None: they are too few after all.

        A late sighting can join two arrivals into one, or make an earlier one. A promotion that is
        too old for late sightings stays as it is: the arrivals that led to it may be folded.
        """
        promotion = self.promotion
        folded_ms = max(now_ms - KEPT_MS - DAY_MS, self.arrivals.folded_until_ms)
        if promotion is None or not self.is_whole or promotion.at_ms < folded_ms:
            return promotion
        at_ms = promotion.rule.met_at(self.arrivals.recent)
        return None if at_ms is None else Promotion(at_ms, promotion.rule)


class DefaultGroups(Struct, frozen=True):
    """The two groups that every tenant has.

    `rule`: when a stranger becomes a regular; `faces_left`: how many faces the tenant may still
    enrol; `seq`, `model`: those of the gallery as they were read; `numbered`: the number of the
    newest stranger, 0 before the first; `promotes`: whether a stranger may become a regular: the
    tenant asks for no ground, or the face has one. `ended_records`: the state of the people whose
    records of consent have ended.
    """

    stranger: Group
    regular: Group
    rule: PromotionRule
    faces_left: int
    seq: int
    model: str
    numbered: int
    promotes: bool = True
    ended_records: EndedRecords = EndedRecords(None, 0)

    def name_at(self, promotion_ms: int | None, at_ms: int) -> str:
        """Return the name of the group that a face was in at `at_ms`.

        `promotion_ms`: its promotion; None: never.
        """
        is_regular = promotion_ms is not None and at_ms >= promotion_ms
        return self.regular.name if is_regular else self.stranger.name

    def of_id(self, group_id: str) -> Group | None:
        """Return the group of that id if it is one of the two."""
        return {STRANGER: self.stranger, REGULAR: self.regular}.get(group_id)


class FaceVisits(Struct, frozen=True):
    """A face as it was read, with its visits and the groups that it may be in."""

    face: Face
    visits: Visits
    groups: DefaultGroups
    group: Group
    """The group that the face is in."""

    @property
    def limited_groups(self) -> frozenset[str]:
        """Return the ids of the groups with a capacity that the face can leave or enter."""
        groups = (self.group, self.groups.stranger, self.groups.regular)
        return frozenset(group.id for group in groups if group.capacity is not None)

    @property
    def is_promoted(self) -> bool:
        """Return whether the face is a regular because it came often enough."""
        return self.face.group_id == REGULAR and self.visits.promotion is not None

    @property
    def is_grouped_by_visits(self) -> bool:
        """Return whether the face's arrivals decide which default group it is in; else a person put
        it there."""
        return self.face.group_id == STRANGER or self.is_promoted

    def name_of(self, group_id: str) -> str:
        """Return the name of a group that the face may be in after its visits changed."""
        return (self.groups.of_id(group_id) or self.group).name

    def name_at(self, visits: Visits, group_id: str, at_ms: int) -> str:
        """Return the group's name for an observation of that time, if the face is in `group_id`
        with these visits."""
        if visits.promotion is not None:
            return self.groups.name_at(visits.promotion.at_ms, at_ms)
        return self.groups.stranger.name if group_id == STRANGER else self.group.name


class VisitPlan(Struct, frozen=True):
    """A face's new visits.

    `group_id`: the group that it is in then. `refused`: a full group that it should be in.
    """

    visits: Visits
    group_id: str
    refused: Group | None = None


def plan_with_sighting(
    group_id: str, visits: Visits, at_ms: int, gap_ms: int, now_ms: int, groups: DefaultGroups
) -> VisitPlan:
    """Plan a face's visits and group after one more sighting.

    A stranger with enough arrivals becomes a regular. A regular that was promoted becomes a
    stranger again if its arrivals are not enough any more.
    """
    arrivals_before, arrivals = visits.arrivals, visits.arrivals.add_sighting(at_ms, gap_ms)
    visits_after = replace(visits, arrivals=arrivals, is_regrouped=False)
    # Rules only ask when arrivals begin. A sighting within an arrival does not change that, so it
    # promotes nobody.
    starts_before, starts_after = (
        [arrival.first_ms for arrival in version.recent] for version in (arrivals_before, arrivals)
    )
    changed_arrival = None if starts_before == starts_after else arrivals.find_around(at_ms)
    plan = plan_group(group_id, visits_after, now_ms, groups, changed_arrival)
    if not visits_after.is_whole:
        return plan  # what could be folded stands in the pages
    promotion = plan.visits.promotion
    rules = [groups.rule, promotion.rule] if promotion else [groups.rule]
    period_ms = max(rule.period_ms for rule in rules)
    return replace(
        plan, visits=replace(plan.visits, arrivals=arrivals.fold_before(now_ms, period_ms))
    )


def plan_group(
    group_id: str,
    visits: Visits,
    now_ms: int,
    groups: DefaultGroups,
    changed_arrival: Arrival | None = None,
) -> VisitPlan:
    """Plan the group and promotion that a face's arrivals lead to.

    `changed_arrival`: the arrival that just got a sighting; only this one promotes a stranger. If
    the group that a face should go to is full, the face stays in its group. A stranger is then
    tried again at its next arrival.
    """
    if group_id == STRANGER:
        can_promote = changed_arrival is not None and groups.promotes
        promotion = (
            visits.promotion_of_stranger(groups.rule, changed_arrival) if can_promote else None
        )
        if promotion and groups.regular.is_full:
            return VisitPlan(replace(visits, promotion=None), STRANGER, refused=groups.regular)
    elif group_id == REGULAR and visits.promotion:  # the visits alone put it there
        promotion = visits.promotion_of_promoted(now_ms)
        if promotion is None and groups.stranger.is_full:
            return VisitPlan(visits, REGULAR, refused=groups.stranger)
    else:  # a person put it there
        return VisitPlan(replace(visits, promotion=None), group_id)
    return VisitPlan(replace(visits, promotion=promotion), REGULAR if promotion else STRANGER)


def plan_without_sighting(
    face_visits: FaceVisits, arrival: Arrival, remaining: Iterable[tuple[int, int]], now_ms: int
) -> VisitPlan:
    """Plan a face's visits without one sighting.

    `remaining`: (at_ms, gap_ms) of the other sightings of its `arrival`.

    A promoted face may become a stranger again. A stranger may be promoted, since one arrival may
    become two.

    `10:00, 10:20 and 10:40 with pauses of up to 30 minutes, without 10:20`: arrivals at 10:00 and
    at 10:40.
    """
    group_id, groups = face_visits.face.group_id, face_visits.groups
    arrivals_before = face_visits.visits.arrivals
    arrivals = arrivals_before.recount_arrival(arrival, remaining)
    visits = replace(face_visits.visits, arrivals=arrivals, is_regrouped=False)
    plan_without_promotion = plan_group(group_id, visits, now_ms, groups)
    if group_id != STRANGER:
        return plan_without_promotion
    new_arrivals = [recent for recent in arrivals.recent if recent not in arrivals_before.recent]
    plans = (
        plan_group(STRANGER, visits, now_ms, groups, new_arrival) for new_arrival in new_arrivals
    )
    promotions = [
        (plan.visits.promotion.at_ms, plan) for plan in plans if plan.visits.promotion is not None
    ]
    return min(promotions, key=lambda entry: entry[0])[1] if promotions else plan_without_promotion


def list_touched_arrivals(before: Visits, after: Visits) -> tuple[Arrival, ...]:
    """Return the arrivals whose sightings may have the wrong group's name after a change of the
    visits.

    If both visits have a promotion, these arrivals lie between the two. If only one has, they are
    those from its time on. If an earlier change was cut off, all arrivals are returned.
    """
    if before.is_regrouped:
        return before.arrivals.recent
    promotion_times = {
        None if visits.promotion is None else visits.promotion.at_ms for visits in (before, after)
    }
    if len(promotion_times) == 1:
        return ()  # the same promotion, or none in both
    first_ms, *later_ms = sorted(at_ms for at_ms in promotion_times if at_ms is not None)
    end_ms = later_ms[0] if later_ms else _NEVER_MS
    return tuple(
        arrival
        for arrival in before.arrivals.recent
        if arrival.last_ms >= first_ms and arrival.first_ms < end_ms
    )


def rename_sightings(
    groups: DefaultGroups, visits: Visits, sightings: Iterable[Observation]
) -> list[ChangedObservation]:
    """Return the sightings that do not have the group's name by these visits, each with the right
    name."""
    promotion_ms = None if visits.promotion is None else visits.promotion.at_ms
    versions = (
        (observation, named_by(groups, promotion_ms, observation)) for observation in sightings
    )
    return [
        ChangedObservation(observation, renamed)
        for observation, renamed in versions
        if renamed != observation
    ]


def named_by(
    groups: DefaultGroups, promotion_ms: int | None, observation: Observation
) -> Observation:
    """Return a sighting with the name of the default group that the face was in by this promotion.

    Other observations, and sightings with the name of a user's own group, stay as they are.
    """
    if observation.kind is not ObservationKind.SIGHTING:
        return observation
    if observation.group_name not in (groups.stranger.name, groups.regular.name):
        return observation
    return replace(observation, group_name=groups.name_at(promotion_ms, observation.at_ms))


def apply_plan(face: Face, plan: VisitPlan) -> Face:
    """Return the face with the plan's group, number of arrivals and last arrival."""
    arrivals = plan.visits.arrivals
    last_ms = arrivals.last_arrival_ms
    return replace(
        face,
        group_id=plan.group_id,
        user=face.user if plan.group_id == face.group_id else "",
        arrive_count=arrivals.count,
        last_arrival_at=None if last_ms is None else moment(last_ms),
    )
