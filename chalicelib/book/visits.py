"""Storage of a face's visits, and changes of the group that its observations name.

The rules for when a face is a regular, and what follows, are in domain/rules/visits; a tenant's
numbers for them in book/groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from chalicelib.book.commit import make_rise_conditions
from chalicelib.book.tenants import FACES_LEFT, NUMBERED
from chalicelib.domain.effects import describe_face_change
from chalicelib.domain.errors import TenantNotFound
from chalicelib.domain.grounds import has_ground, require_ground
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import REGULAR, STRANGER, Face, Group, Tenant, is_faceid
from chalicelib.domain.observations import ChangedObservation, Observation, ObservationKind, is_of
from chalicelib.domain.rules.hold import require_no_loss
from chalicelib.domain.rules.promotion import make_rule
from chalicelib.domain.rules.visits import (
    Arrival,
    DefaultGroups,
    FaceVisits,
    VisitPlan,
    Visits,
    list_touched_arrivals,
)
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import observed_on, read_ended_records, write
from chalicelib.storage.ports import (
    Action,
    Condition,
    Delete,
    ItemStore,
    Put,
    Update,
    absent,
    equals,
)
from chalicelib.storage.records.faces import (
    face_from,
    face_item,
    face_update,
    group_from,
    picture_fields,
    promotion_settings_from,
)
from chalicelib.storage.records.observations import (
    observation_from,
    page_item,
    read_missing_pages,
    visits_from,
    visits_item,
)

if TYPE_CHECKING:
    from chalicelib.book.book import Book

VISITS_SAME = "visits-same"
FACE_SAME = "face-same"

_A_TRANSACTION = 20
"""Observations that are renamed in one transaction; more take several."""


class RemainingChanges(NamedTuple):
    """A face with its visits as stored, and its observations that are still to be changed."""

    face_visits: FaceVisits
    observations: Sequence[ChangedObservation]


class FaceVisitsStore(Service["Book"]):
    """The stored faces with their visits: times before a camera, some minutes apart or more."""

    def read_face(
        self,
        tenant: Tenant,
        faceid: str,
        at_ms: int | None = None,
        groups: DefaultGroups | None = None,
    ) -> FaceVisits | None:
        """Return a face with its visits; None if it is not there, or its group is being deleted.

        Many visits are in several items, a head with the latest and pages. `at_ms` is the time that
        the caller asks about, so that only pages for it are read; None reads all. `groups` are the
        default groups, if the caller has just read them. Raises TenantNotFound.
        """
        if not is_faceid(faceid):
            return None
        if groups is None:  # `begin_call` reads them beside what follows, until they are waited for
            read_groups = partial(self.read_default_groups, tenant)
            wait_for_groups = self.services.storage.begin_call(read_groups)
        # The visits come first, so that the face is never older than the version of its visits.
        stored_visits = self.services.items.get(keys.ARRIVALS, (tenant.name, faceid))
        item = self.services.items.get(keys.FACES, (tenant.name, faceid))
        if item is None:
            return None
        if groups is None:
            groups = wait_for_groups()
        face = face_from(item)
        default_groups = _grant_promotion(face, groups)
        group = self._find_group(tenant, face, default_groups)
        if group is None:
            return None

        visits = visits_from(stored_visits)
        # The head has the latest visits: enough, unless `at_ms` is before them, for example.
        if at_ms is None or visits.needs_pages(face.group_id, at_ms, default_groups.rule):
            visits = read_missing_pages(self.services.items, tenant.name, faceid, visits)
        return FaceVisits(face, visits, default_groups, group)

    def _find_group(self, tenant: Tenant, face: Face, groups: DefaultGroups) -> Group | None:
        """Return the group that a face is in; None: it is being deleted, with its faces."""
        return groups.of_id(face.group_id) or self.services.groups.find_by_id(tenant, face.group_id)

    def read_default_groups(self, tenant: Tenant) -> DefaultGroups:
        """Return each tenant's default groups, strangers and regulars, and the settings that belong
        to them.

        That is the rule by which a stranger becomes a regular, and what the tenant's directory
        counts. Raises TenantNotFound: every tenant has these groups and cannot delete them.
        """
        names = [keys.group_item(STRANGER), keys.group_item(REGULAR), keys.TENANT_ITEM]
        stranger, regular, directory = self.services.items.get_many(
            keys.DIRECTORY, [(tenant.name, name) for name in names]
        )
        if stranger is None or regular is None or directory is None:
            raise TenantNotFound(f"there is no tenant {tenant.name!r}")
        return DefaultGroups(
            group_from(stranger),
            group_from(regular),
            rule=make_rule(promotion_settings_from(directory)),
            faces_left=int(directory.get(FACES_LEFT, 0)),
            seq=int(directory.get("seq", 0)),
            model=directory["model"],
            numbered=int(directory.get(NUMBERED, 0)),
            promotes=not tenant.consent_required,
            ended_records=read_ended_records(directory),
        )

    def list_touched_sightings(
        self, tenant: str, face_visits: FaceVisits, plan: VisitPlan
    ) -> Iterator[Observation]:
        """Yield the face's sightings that a plan may put under another group's name.

        The plan says what a new sighting changes. It may make a stranger a regular from an earlier
        arrival on. Then the sightings since that get the name of the regulars' group.
        """
        for arrival in list_touched_arrivals(face_visits.visits, plan.visits):
            yield from sightings_of_arrival(self.services.items, tenant, face_visits.face, arrival)

    def store_in_one_item(self, tenant: Tenant, face_visits: FaceVisits) -> FaceVisits:
        """Store a face's visits in one item, without further ones (pages); return the face then.

        It is for a transaction that has no room for pages; the next visit makes pages again.
        Without pages nothing is written. Raises ConditionFailed if the visits changed meanwhile.
        """
        before = face_visits.visits
        visits = replace(before, pages=(), must_fit_one_item=True)
        if before.pages:
            puts = visits_puts(tenant.name, face_visits.face.faceid, before, visits)
            write(self.services.items, puts)
            visits = _number_as_stored(before, visits)
        return replace(face_visits, visits=visits)

    def write_surplus_changes(
        self,
        tenant: str,
        face_visits: FaceVisits,
        changed_observations: Sequence[ChangedObservation],
    ) -> RemainingChanges:
        """Store changes of a face's observations until the rest fit one transaction.

        Return the face as it is then, and that rest; the caller stores both together. Until then
        the visits are marked (`is_regrouped`), since some sightings have the old group's name. So
        the next writer after a crash looks at all sightings. Raises ConditionFailed if the face's
        visits changed meanwhile.
        """
        faceid, rest = face_visits.face.faceid, changed_observations
        while len(rest) > _A_TRANSACTION:
            batch, rest = rest[:_A_TRANSACTION], rest[_A_TRANSACTION:]
            before = face_visits.visits
            marked_visits = replace(before, is_regrouped=True)
            puts = visits_puts(tenant, faceid, before, marked_visits)  # if still `before`
            observation_actions = self.services.statistics.make_actions(tenant, [], batch)
            write(self.services.items, [*puts, *observation_actions])
            # the next batch, or the caller, changes the visits that are stored now
            face_visits = replace(face_visits, visits=_number_as_stored(before, marked_visits))
        return RemainingChanges(face_visits, rest)


def _grant_promotion(face: Face, groups: DefaultGroups) -> DefaultGroups:
    """Return the default groups, by which a face with a record of consent may become a regular.

    For other faces `promotes` stays: it is False if the tenant asks for consent.
    """
    return replace(groups, promotes=True) if has_ground(face.consent) else groups


def _number_as_stored(before: Visits, after: Visits) -> Visits:
    """Return the visits `after` with the version that they are stored with in place of `before`."""
    return replace(after, version=before.version + 1)


def sightings_of_arrival(
    items: ItemStore, tenant: str, face: Face, arrival: Arrival, below: str | None = None
) -> Iterator[Observation]:
    """Yield a face's sightings of one arrival, newest first.

    A sighting is the face on a camera's picture; an arrival has those close in time. With `below`,
    only those before this `time_id` come. The index has observations (sightings and other records)
    by time, not by face. So those of all faces in that time are read, which are few.
    """
    first_day, last_day = arrival.first_ms // DAY_MS, arrival.last_ms // DAY_MS
    for day in range(last_day, first_day - 1, -1):
        observed_items = observed_on(
            items, tenant, day, arrival.first_ms, arrival.last_ms, behind=below, reverse=True
        )
        for item in observed_items:
            if item["faceid"] != face.faceid or item["kind"] != ObservationKind.SIGHTING:
                continue
            observation = observation_from(item)
            if is_of(face, observation):  # else it is of somebody before, who was deleted
                yield observation


def make_visit_update(tenant: Tenant, before: Face, after: Face) -> Update:
    """Return the write of a face's arrivals, group and pictures after a visit.

    It is refused (condition FACE_SAME, and the caller reads and tries again) if others changed what
    it depends on since `before` was read. That is as little as can be, since visits come often.
    Raises FaceHeld (something under legal hold would be lost), ConsentMissing.
    """
    require_no_loss(before, after)
    require_ground(tenant, before, after)
    # Any visit may change these fields. Keys are those by which lists are sorted.
    names = ["group", "enrolment_key", "arrival_key", "arrive_count", "last_arrival_at"]
    removed_fields: tuple[str, ...] = ()
    # Whatever is written, nobody may have moved the face to another group.
    conditions = [equals("group", before.group_id, FACE_SAME)]
    # If this makes more of a stranger (a regular, say), a condition says so to the writer, which
    # then compares the stranger with people who withdrew consent.
    conditions += make_rise_conditions(before, after)
    if after.group_id != before.group_id:
        # It leaves its face set, which is of one group. Nobody may have put it into another one,
        # nor under legal hold.
        removed_fields = ("face_set",)
        conditions.append(equals("face_set", before.face_set or None, FACE_SAME))
        conditions.append(equals("hold", None, FACE_SAME))
    if after.pictures != before.pictures:
        # Nobody may have changed anything of the face: the version counts all such changes.
        names += picture_fields(after)
        conditions.append(equals("version", before.version, FACE_SAME))
    item = face_item(tenant.name, after)
    fields = {name: item.get(name) for name in names}
    return face_update(tenant.name, after.faceid, *conditions, set=fields, remove=removed_fields)


def face_put(tenant: Tenant, before: Face, after: Face) -> Put:
    """Return the write of a whole face that a caller changed.

    It is refused (condition FACE_SAME) unless the face is as it was read. If another name is set,
    the same transaction needs `rename_actions` of book/faces, so that it is found by it. Raises
    FaceHeld (it would lose something under legal hold), ConsentMissing.
    """
    require_no_loss(before, after)
    require_ground(tenant, before, after)
    # The version counts all writes, the revision those that change something for users.
    revision = before.revision + (after != before)
    item = face_item(tenant.name, replace(after, revision=revision, version=before.version + 1))
    if_same = equals("version", before.version, FACE_SAME)
    # If this makes more of a stranger (a name, say), a condition says so to the writer, which then
    # compares the stranger with people who withdrew consent.
    conditions = (if_same, *make_rise_conditions(before, after))
    return Put(keys.FACES, item, conditions, describe_face_change(before, after))


def visits_puts(tenant: str, faceid: str, before: Visits, after: Visits) -> list[Action]:
    """Return the writes of a face's visits, of the head and of the pages that change or go.

    The head is an item with the latest visits, and a page one with a run of older ones. All is
    refused (condition VISITS_SAME) unless the stored visits are still `before`. The version that is
    stored is one more than that of `before`, whatever `after` has.
    """
    if_same = absent(VISITS_SAME)  # version 0: none were stored when they were read
    if before.version:
        if_same = equals("version", before.version, VISITS_SAME)
    # `stored_after` lays the visits out as head and pages, and leaves out what is stored already.
    head, pages, deleted_pages = _number_as_stored(before, after).stored_after(before)
    actions: list[Action] = [
        Put(keys.ARRIVALS, visits_item(tenant, faceid, head), (if_same,)),
    ]
    for start, page in pages.items():
        actions.append(Put(keys.ARRIVALS, page_item(tenant, faceid, start, page)))
    for start in deleted_pages:
        actions.append(Delete(keys.ARRIVALS, (tenant, keys.visits_page(faceid, start))))
    return actions


def visits_deletes(
    tenant: str, faceid: str, visits: Visits, when: Sequence[Condition] = ()
) -> list[Action]:
    """Return the writes that delete a face's visits, the head with the latest and the pages.

    `when` are conditions of the head's write, without which none is done. `visits` are as read,
    since the head tells which pages there are.
    """
    pages = (
        Delete(keys.ARRIVALS, (tenant, keys.visits_page(faceid, start))) for start in visits.pages
    )
    return [Delete(keys.ARRIVALS, (tenant, faceid), tuple(when)), *pages]
