"""A face's visits (arrivals), and the group that they put it in: sightings closer than the camera's
gap are one arrival, in any order.

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
from typing import NamedTuple

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


Pages = Mapping[int, tuple[Arrival, ...]]
"""Runs of a face's older arrivals, by the time when each begins: an item of storage each."""


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
        """Return the arrivals with one more, which is joined with those that it overlaps.

        An arrival (a visit) lasts from `first_ms` until just before `until_ms`. So 10:00 to 10:30
        and 10:30 to 11:00 stay two, and one from 10:20 to 10:40 makes them one.
        """
        before = [a for a in self.recent if a.until_ms <= new_arrival.first_ms]
        behind = [a for a in self.recent if a.first_ms >= new_arrival.until_ms]
        overlapping = self.recent[len(before) : len(self.recent) - len(behind)]
        joined = [*overlapping, new_arrival]
        joined_arrival = Arrival(
            first_ms=min(a.first_ms for a in joined),
            last_ms=max(a.last_ms for a in joined),
            until_ms=max(a.until_ms for a in joined),
            sightings=sum(a.sightings for a in joined),
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
        """Return the arrivals after one of them lost sightings: it is rebuilt from the others.

        `sightings` are those that `arrival` still has, (at_ms, gap_ms) each. If one from its middle
        is gone, it may become two arrivals. Without sightings it goes.
        """
        result = replace(self, recent=tuple(a for a in self.recent if a != arrival))
        for at_ms, gap_ms in sightings:
            result = result.add_sighting(at_ms, gap_ms)
        return result

    def fold_before(self, now_ms: int, period_ms: int) -> Arrivals:
        """Return the arrivals with those too old to matter folded: only counted.

        A late sighting is 100 days late at most (KEPT_MS), and a rule of promotion looks back from
        it by `period_ms`. So arrivals before that change nothing any more. A day more is kept, for
        clocks that differ.
        """
        limit_ms = now_ms - KEPT_MS - period_ms - DAY_MS
        kept_arrivals = tuple(a for a in self.recent if a.until_ms > limit_ms)
        return self._fold_all_but(kept_arrivals).fold_oldest()

    def fold_oldest(self, number: int = MOST_KEPT) -> Arrivals:
        """Return the arrivals with only the last `number` kept, and older ones only counted.

        Nothing is done up to a tenth more than `number`, so that not each new arrival folds one.
        """
        if len(self.recent) <= number + number // 10:
            return self
        return self.fold_until(self.recent[-number].first_ms)

    def fold_until(self, until_ms: int) -> Arrivals:
        """Return the arrivals with those that started before `until_ms` folded: only counted."""
        kept_arrivals = tuple(a for a in self.recent if a.first_ms >= until_ms)
        old_arrivals = self.recent[: len(self.recent) - len(kept_arrivals)]
        # A sighting from before this time that comes later is only counted, too: whether it would
        # begin an arrival cannot be told any more.
        folded_until_ms = max([until_ms, *(a.until_ms for a in old_arrivals)])
        return replace(self._fold_all_but(kept_arrivals), folded_until_ms=folded_until_ms)

    def _fold_all_but(self, arrivals: tuple[Arrival, ...]) -> Arrivals:
        old = self.recent[: len(self.recent) - len(arrivals)]
        return replace(self, recent=arrivals).count_folded(len(old), sum(a.sightings for a in old))

    def count_folded(self, folded: int, sightings: int) -> Arrivals:
        return replace(
            self, folded=self.folded + folded, folded_sightings=self.folded_sightings + sightings
        )

    def pack_arrivals(self) -> bytes:
        """Return the arrivals as bytes, 20 each: start, length, gap, and the number of sightings.

        The gap is how long after the last sighting a next one still belongs to the arrival. Raises
        ValueError if a length or a gap is 2^32 ms (49 days) or more.
        """
        packed = []
        try:
            for arrival in self.recent:
                length_ms = arrival.last_ms - arrival.first_ms
                gap_ms = arrival.until_ms - arrival.last_ms
                packed.append(_RECORD.pack(arrival.first_ms, length_ms, gap_ms, arrival.sightings))
        except struct.error as error:
            raise ValueError("an arrival lasts 49 days at most") from error
        return b"".join(packed)

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
    """A face's arrivals (visits), and the promotion to a regular that they led to.

    They are stored as a head with the latest arrivals, and pages with the older ones.

    `is_regrouped`: the groups of its sightings are being changed, and some may be unchanged.
    `version` 0: no record is stored. `pages`: the start of each page, ascending. `unread`: how many
    arrivals and sightings are in pages that were not read; they count as folded. `head_ms`: when
    the arrivals of the head begin, if pages were read. `must_fit_one_item`: the
    transaction has no room for pages.
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

    def with_pages(self, pages: Pages) -> Visits:
        """Return the whole visits: the head, which these are, and the pages with older arrivals.

        `pages` has the arrivals of each page by its start. So far they were only counted
        (`unread`).
        """
        head, (unread, sightings) = self.arrivals, self.unread
        starts = tuple(sorted(pages))
        recent = (*(arrival for start in starts for arrival in pages[start]), *head.recent)
        head_ms = head.recent[0].first_ms if head.recent else _NEVER_MS
        arrivals = replace(head, recent=recent).count_folded(-unread, -sightings)
        return replace(self, arrivals=arrivals, pages=starts, unread=(0, 0), head_ms=head_ms)

    def split_as_stored(self) -> tuple[Pages, Visits]:
        """Return the pieces in which these visits were read: pages by their start, and the head.

        The head has the latest arrivals, and each page a run of older ones. An arrival that was
        added since comes to the piece of its time. Pages that have become empty are left out.
        """
        recent = self.arrivals.recent
        # Each piece ends where the next begins: the second page, the third, and at last the head.
        bounds = (*self.pages[1:], self.head_ms) if self.pages else ()
        indexes = [
            bisect_left(recent, bound, key=lambda arrival: arrival.first_ms) for bound in bounds
        ]
        *parts, tail = (recent[first:end] for first, end in pairwise([0, *indexes, len(recent)]))
        pages = {start: part for start, part in zip(self.pages, parts, strict=True) if part}
        return self._make_pages_and_head(pages, tail)

    def lay_out_pages(self) -> tuple[Pages, Visits]:
        """Return the pages and the head to store, so that most arrivals change no page.

        The head has the latest arrivals, and each page, by the time of its first, a run of older
        ones. Of a head of more than MOST_IN_HEAD (32) the last 16 stay there. The others go to the
        end of the last page, or into a new one if that has no room. A late arrival lies in its page
        already, which is halved if it is too long.

        Example: the head has 33 arrivals, and the last page 390. The 17 oldest of the head begin a
        new page, since 407 are too many for one.
        """
        recent = self.arrivals.recent
        if len(recent) <= MOST_IN_HEAD or self.must_fit_one_item:
            return self._make_pages_and_head({}, recent)

        stored_pages, stored_head = self.split_as_stored()
        pages, head = dict(stored_pages), stored_head.arrivals.recent
        if not head:  # the latest were taken back, as by an undo: lay out all anew
            pages, head = {}, recent
        if len(head) > MOST_IN_HEAD:
            moved, head = head[:-_LEFT_IN_HEAD], head[-_LEFT_IN_HEAD:]
            last_start = max(pages, default=moved[0].first_ms)
            last_page = (*pages.get(last_start, ()), *moved)
            if len(last_page) > _MOST_IN_PAGE:
                pages[moved[0].first_ms] = moved
            else:
                pages[last_start] = last_page

        # Only one page is halved at a time: the transaction has other actions, too.
        start, longest_page = max(pages.items(), key=lambda entry: len(entry[1]))
        if len(longest_page) > _MOST_IN_PAGE:
            half = len(longest_page) // 2
            pages[start] = longest_page[:half]
            pages[longest_page[half].first_ms] = longest_page[half:]
        return self._make_pages_and_head(pages, head)

    def stored_after(self, before: Visits) -> VisitWrites:
        """Return the writes that store these visits: the head, and changed or removed pages.

        The head has the latest arrivals, a page a run of older ones. `before` are the visits as
        they are stored. If they were read without their pages, only the head can have changed.
        """
        if not before.is_whole:
            return VisitWrites(head=self, changed_pages={}, deleted_pages=())
        old_pages, _ = before.split_as_stored()
        if self.arrivals == before.arrivals:  # the promotion changed, say: leave all pages
            new_pages, head = self.split_as_stored()
        else:
            new_pages, head = self.lay_out_pages()
        changed_pages = {
            start: page for start, page in new_pages.items() if page != old_pages.get(start)
        }
        return VisitWrites(head, changed_pages, old_pages.keys() - new_pages.keys())

    def _make_pages_and_head(self, pages: Pages, tail: tuple[Arrival, ...]) -> tuple[Pages, Visits]:
        """Return the pages, and the visits whose arrivals are the `tail` alone and that count those
        of the pages."""
        paged = [arrival for page in pages.values() for arrival in page]
        unread = (len(paged), sum(arrival.sightings for arrival in paged))
        arrivals = replace(self.arrivals, recent=tail).count_folded(*unread)
        return pages, replace(self, arrivals=arrivals, pages=tuple(sorted(pages)), unread=unread)

    def needs_pages(self, group_id: str, at_ms: int, rule: PromotionRule) -> bool:
        """Return whether the older arrivals must be read, too, to plan a sighting at `at_ms`.

        The latest arrivals stand in the head, which is always read, and the older ones in pages.
        `group_id` is the face's group. `rule` says how many arrivals in which period make a
        stranger a regular.

        A sighting of the last arrival, or after it, cannot move a promotion, which is at the start
        of an earlier one. So the head is enough for it, with three exceptions. The head gets full
        by it. A stranger's rule counts arrivals from before the head. An earlier change of groups
        was cut off (`is_regrouped`).
        """
        if self.is_whole:
            return False
        head_arrivals = self.arrivals.recent
        if self.is_regrouped or not head_arrivals or at_ms < head_arrivals[-1].first_ms:
            return True
        if at_ms < head_arrivals[-1].until_ms:  # it belongs to the last arrival
            return False
        if len(head_arrivals) >= MOST_IN_HEAD:
            return True
        return group_id == STRANGER and head_arrivals[0].first_ms >= at_ms - rule.period_ms

    def promotion_of_stranger(
        self, rule: PromotionRule, joined: Arrival | None = None
    ) -> Promotion | None:
        """Return the promotion that the arrivals cause; None if there is none yet.

        `joined`: that which just got a sighting.
        """
        at_ms = rule.find_promotion_ms(self.arrivals.recent, joined)
        return None if at_ms is None else Promotion(at_ms, rule)

    def promotion_of_promoted(self, now_ms: int) -> Promotion | None:
        """Return the promotion of a regular by its present arrivals; None: they are too few by now.

        A late sighting can join two arrivals into one, or make an earlier one. Then the promotion
        goes, or moves, by the rule by which the face was promoted. A promotion that is too old for
        late sightings stays, since the arrivals that led to it may be folded (only counted).
        """
        promotion = self.promotion
        if promotion is None or not self.is_whole:
            return promotion
        folded_ms = max(now_ms - KEPT_MS - DAY_MS, self.arrivals.folded_until_ms)
        if promotion.at_ms < folded_ms:
            return promotion
        at_ms = promotion.rule.find_promotion_ms(self.arrivals.recent)
        return None if at_ms is None else Promotion(at_ms, promotion.rule)


class VisitWrites(NamedTuple):
    """The parts of a face's visits that are written: the head, and pages if they change or go.

    `deleted_pages`: when each begins.
    """

    head: Visits
    changed_pages: Pages
    deleted_pages: Iterable[int]


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
    ended_records: EndedRecords = EndedRecords(0, 0)

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

    @property
    def promoted_ms(self) -> int:
        """Return from when on the face is a regular by its visits; _NEVER_MS: it is not."""
        return _NEVER_MS if self.visits.promotion is None else self.visits.promotion.at_ms


def plan_with_sighting(
    group_id: str, visits: Visits, at_ms: int, gap_ms: int, now_ms: int, groups: DefaultGroups
) -> VisitPlan:
    """Return a face's visits after one more sighting at `at_ms`, and the group that it is in then.

    `gap_ms` is how long after a sighting a next one still belongs to the same visit (arrival). A
    stranger with enough arrivals becomes a regular. A regular that was promoted becomes a stranger
    again if its arrivals are too few by now, since a late sighting joined two.
    """
    arrivals = visits.arrivals.add_sighting(at_ms, gap_ms)
    visits_after = replace(visits, arrivals=arrivals, is_regrouped=False)

    # Rules only ask when arrivals begin, so a sighting within an arrival promotes nobody.
    starts_before = [arrival.first_ms for arrival in visits.arrivals.recent]
    starts_after = [arrival.first_ms for arrival in arrivals.recent]
    changed_arrival = None
    if starts_before != starts_after:
        changed_arrival = arrivals.find_around(at_ms)
    plan = plan_group(group_id, visits_after, now_ms, groups, changed_arrival)

    # At last fold the arrivals that are too old for any rule: from now on they are only counted.
    if not visits_after.is_whole:
        return plan  # the old ones stand in pages that were not read
    promotion = plan.visits.promotion
    period_ms = groups.rule.period_ms
    if promotion:
        period_ms = max(period_ms, promotion.rule.period_ms)
    folded_arrivals = arrivals.fold_before(now_ms, period_ms)
    return replace(plan, visits=replace(plan.visits, arrivals=folded_arrivals))


def plan_group(
    group_id: str,
    visits: Visits,
    now_ms: int,
    groups: DefaultGroups,
    changed_arrival: Arrival | None = None,
) -> VisitPlan:
    """Return the group that a face's visits put it in: strangers, or regulars since a promotion.

    `group_id` is where it is now. In any group but these two a person put it, and there it stays.
    `changed_arrival` is the visit (arrival) that is new or changed; only with one is a stranger
    promoted. If the group where the face should go is full, it stays, and `refused` names that
    group. A stranger is tried again at its next arrival.
    """
    if group_id == STRANGER:
        promotion = None
        if changed_arrival is not None and groups.promotes:
            promotion = visits.promotion_of_stranger(groups.rule, changed_arrival)
        if promotion and groups.regular.is_full:
            unpromoted_visits = replace(visits, promotion=None)
            return VisitPlan(unpromoted_visits, STRANGER, refused=groups.regular)
    elif group_id == REGULAR and visits.promotion:  # the visits alone put it there
        promotion = visits.promotion_of_promoted(now_ms)
        if promotion is None and groups.stranger.is_full:
            return VisitPlan(visits, REGULAR, refused=groups.stranger)
    else:  # a person put it there
        return VisitPlan(replace(visits, promotion=None), group_id)
    group_after = REGULAR if promotion else STRANGER
    return VisitPlan(replace(visits, promotion=promotion), group_after)


def plan_without_sighting(
    face_visits: FaceVisits, arrival: Arrival, remaining: Iterable[tuple[int, int]], now_ms: int
) -> VisitPlan:
    """Return a face's visits after one sighting was taken from it, and the group it is in then.

    `arrival` is the visit that the sighting was part of. `remaining` are its other sightings,
    (at_ms, gap_ms) each.

    A promoted regular with too few arrivals is a stranger again. A stranger may even be promoted by
    it. It came at 10:00, 10:20 and 10:40, the gap is 30 minutes, and 10:20 goes: then one arrival
    becomes two.
    """
    group_id, groups = face_visits.face.group_id, face_visits.groups
    arrivals_before = face_visits.visits.arrivals
    arrivals = arrivals_before.recount_arrival(arrival, remaining)
    visits = replace(face_visits.visits, arrivals=arrivals, is_regrouped=False)
    unpromoting_plan = plan_group(group_id, visits, now_ms, groups)  # no arrival is new
    if group_id != STRANGER:
        return unpromoting_plan

    # A stranger is promoted only by an arrival that is new or changed: one that `arrival` fell
    # into. Each is tried, and the earliest promotion counts.
    plans = [
        plan_group(STRANGER, visits, now_ms, groups, changed_arrival=new_arrival)
        for new_arrival in arrivals.recent
        if new_arrival not in arrivals_before.recent
    ]
    return min([unpromoting_plan, *plans], key=lambda plan: plan.promoted_ms)


def list_touched_arrivals(before: Visits, after: Visits) -> tuple[Arrival, ...]:
    """Return the visits (arrivals) with sightings whose group name may have to change.

    A sighting has the name of the group that the face was in then. Before the promotion that is the
    group of strangers, then that of regulars. If the promotion moves from 9 to 5 May, the arrivals
    from 5 to 9 May are touched. If the face is promoted on 5 May, or is not any more, those from
    5 May on are. If the promotion stays, none is.
    """
    if before.is_regrouped:  # an earlier change of names was cut off: any may be left
        return before.arrivals.recent
    promoted_before_ms = None if before.promotion is None else before.promotion.at_ms
    promoted_after_ms = None if after.promotion is None else after.promotion.at_ms
    if promoted_before_ms == promoted_after_ms:
        return ()
    begin_ms, *later_ms = sorted(
        at_ms for at_ms in (promoted_before_ms, promoted_after_ms) if at_ms is not None
    )
    end_ms = later_ms[0] if later_ms else _NEVER_MS
    return tuple(
        arrival
        for arrival in before.arrivals.recent
        if arrival.last_ms >= begin_ms and arrival.first_ms < end_ms
    )


def rename_sightings(
    groups: DefaultGroups, visits: Visits, sightings: Iterable[Observation]
) -> list[ChangedObservation]:
    """Return the sightings of a face with a wrong group name, each with the right one.

    The right group is that of the face when it was seen: regulars since its promotion, which stands
    in `visits`, else strangers.
    """
    promotion_ms = None if visits.promotion is None else visits.promotion.at_ms
    changes = []
    for observation in sightings:
        renamed = name_by_promotion(groups, promotion_ms, observation)
        if renamed != observation:
            changes.append(ChangedObservation(before=observation, after=renamed))
    return changes


def name_by_promotion(
    groups: DefaultGroups, promotion_ms: int | None, observation: Observation
) -> Observation:
    """Return a sighting with the name of the group that its face was in then.

    The face is a stranger before `promotion_ms`, and a regular from then on; None: it was never
    promoted. Other observations, as of enrolments, stay as they are. So do sightings with the name
    of a group that a person made.
    """
    if observation.kind is not ObservationKind.SIGHTING:
        return observation
    if observation.group_name not in (groups.stranger.name, groups.regular.name):
        return observation
    return replace(observation, group_name=groups.name_at(promotion_ms, observation.at_ms))


def apply_plan(face: Face, plan: VisitPlan) -> Face:
    """Return the face updated by its new visits: group, number of visits, and start of the last
    one.

    If it changes its group, it leaves its face set.
    """
    arrivals = plan.visits.arrivals
    last_ms = arrivals.last_arrival_ms
    return replace(
        face,
        group_id=plan.group_id,
        face_set=face.face_set if plan.group_id == face.group_id else "",
        arrive_count=arrivals.count,
        last_arrival_at=None if last_ms is None else moment(last_ms),
    )
