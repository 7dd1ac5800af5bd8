"""How are a face's visits read and stored, and how do its observations get another group's name?

When is a face a regular, and what follows from that: domain/rules/visits. A tenant's numbers for
it: book/groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chalicelib.book.commit import make_rise_conditions
from chalicelib.book.tenants import FACES_LEFT, NUMBERED
from chalicelib.domain.effects import describe_face_change
from chalicelib.domain.errors import TenantNotFound
from chalicelib.domain.grounds import has_ground, require_ground
from chalicelib.domain.local_time import DAY_MS
from chalicelib.domain.model import REGULAR, STRANGER, Face, Tenant, is_faceid
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
from chalicelib.storage.formats import PAGED
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


class FaceVisitsStore(Service["Book"]):
    def read_face(
        self,
        tenant: Tenant,
        faceid: str,
        at_ms: int | None = None,
        groups: DefaultGroups | None = None,
    ) -> FaceVisits | None:
        """Read a face; None if there is none, or its group is just being deleted.

        Raises TenantNotFound.

        `at_ms`: the time of a sighting for which it is read; None: its visits are read whole.
        `groups`: if the caller has just read them.
        """
        if not is_faceid(faceid):
            return None
        wait_for_defaults = (
            self.services.storage.begin_call(partial(self.read_default_groups, tenant))
            if groups is None
            else lambda: groups
        )
        # The visits come first, so that the face is never older than the version of its visits.
        stored_item = self.services.items.get(keys.ARRIVALS, (tenant.name, faceid))
        item = self.services.items.get(keys.FACES, (tenant.name, faceid))
        if item is None:
            return None
        face, groups_of_all = face_from(item), wait_for_defaults()
        default_groups = (
            replace(groups_of_all, promotes=True) if has_ground(face.consent) else groups_of_all
        )
        group = default_groups.of_id(face.group_id) or self.services.groups.find_by_id(
            tenant, face.group_id
        )
        if group is None:
            return None
        head = replace(visits_from(stored_item), must_fit_one_item=tenant.format < PAGED)
        needs_pages = at_ms is None or head.needs_pages(face.group_id, at_ms, default_groups.rule)
        visits = (
            read_missing_pages(self.services.items, tenant.name, faceid, head)
            if needs_pages
            else head
        )
        return FaceVisits(face, visits, default_groups, group)

    def read_default_groups(self, tenant: Tenant) -> DefaultGroups:
        """Return the two default groups.

        Raises TenantNotFound: every tenant has them and cannot delete them.
        """
        names = [*map(keys.group_item, (STRANGER, REGULAR)), keys.TENANT_ITEM]
        stranger, regular, directory = self.services.items.get_many(
            keys.DIRECTORY, [(tenant.name, name) for name in names]
        )
        if stranger is None or regular is None or directory is None:
            raise TenantNotFound(f"there is no tenant {tenant.name!r}")
        rule = make_rule(promotion_settings_from(directory))
        faces_left, seq, numbered = (
            int(directory.get(name, 0)) for name in (FACES_LEFT, "seq", NUMBERED)
        )
        stranger_and_regular = group_from(stranger), group_from(regular)
        return DefaultGroups(
            *stranger_and_regular,
            rule,
            faces_left,
            seq,
            directory["model"],
            numbered,
            promotes=not tenant.consent_required,
            ended_records=read_ended_records(directory),
        )

    def list_touched_sightings(
        self, tenant: str, face_visits: FaceVisits, plan: VisitPlan
    ) -> Iterator[Observation]:
        """Yield the face's sightings that may have another group's name by the plan."""
        for arrival in list_touched_arrivals(face_visits.visits, plan.visits):
            yield from sightings_of_arrival(self.services.items, tenant, face_visits.face, arrival)

    def store_in_one_item(self, tenant: Tenant, face_visits: FaceVisits) -> FaceVisits:
        """Store a face's visits in one item, for a transaction that has no room for pages; return
        the face then.

        The next visit makes pages again. Raises ConditionFailed if the visits changed meanwhile.
        """
        visits = replace(face_visits.visits, pages=(), must_fit_one_item=True)
        if face_visits.visits.pages:
            write(
                self.services.items,
                visits_puts(tenant.name, face_visits.face.faceid, face_visits.visits, visits),
            )
            visits = replace(visits, version=visits.version + 1)
        return replace(face_visits, visits=visits)

    def write_surplus_changes(
        self,
        tenant: str,
        face_visits: FaceVisits,
        changed_observations: Sequence[ChangedObservation],
    ) -> tuple[FaceVisits, Sequence[ChangedObservation]]:
        """Store changes of a face's observations until the rest fit a transaction; return the face
        and that rest.

        Its visits are marked as regrouped meanwhile, so that the next writer after a crash looks at
        all sightings. Raises ConditionFailed if the face's visits changed meanwhile.
        """
        faceid = face_visits.face.faceid
        while len(changed_observations) > _A_TRANSACTION:
            visits = replace(
                face_visits.visits, is_regrouped=True, version=face_visits.visits.version + 1
            )
            batch, changed_observations = (
                changed_observations[:_A_TRANSACTION],
                changed_observations[_A_TRANSACTION:],
            )
            write(
                self.services.items,
                [
                    *visits_puts(tenant, faceid, face_visits.visits, visits),
                    *self.services.statistics.make_actions(tenant, [], batch),
                ],
            )
            face_visits = replace(face_visits, visits=visits)
        return face_visits, changed_observations


def sightings_of_arrival(
    items: ItemStore, tenant: str, face: Face, arrival: Arrival, below: str | None = None
) -> Iterator[Observation]:
    """Yield the sightings of one arrival, newest first; with `below`, those whose `time_id` is
    less.

    All faces' observations of that time are read: few.
    """
    for day in range(arrival.last_ms // DAY_MS, arrival.first_ms // DAY_MS - 1, -1):
        for item in observed_on(
            items, tenant, day, arrival.first_ms, arrival.last_ms, behind=below, reverse=True
        ):
            if item["faceid"] == face.faceid and item["kind"] == ObservationKind.SIGHTING:
                observation = observation_from(item)
                if is_of(face, observation):  # else it is of somebody before, who was deleted
                    yield observation


def make_visit_update(tenant: Tenant, before: Face, after: Face) -> Update:
    """Return the update of a face's arrivals, group and pictures, if others have left these alone
    (FACE_SAME).

    Always: nobody moved it to another group. If it is moved now: nobody holds it, and it has the
    same user, which it then leaves. If its pictures change: nobody changed anything of it. Raises
    FaceHeld, ConsentMissing.
    """
    require_no_loss(before, after)
    require_ground(tenant, before, after)
    item = face_item(tenant.name, after)
    names = ["group", "enrolment_key", "arrival_key", "arrive_count", "last_arrival_at"]
    conditions = [
        equals("group", before.group_id, FACE_SAME),
        *make_rise_conditions(before, after),
    ]
    removed_fields: tuple[str, ...] = ()
    if after.group_id != before.group_id:
        removed_fields = ("user",)
        conditions += [
            equals("user", before.user or None, FACE_SAME),
            equals("hold", None, FACE_SAME),
        ]
    if after.pictures != before.pictures:
        names += picture_fields(after)
        conditions.append(equals("version", before.version, FACE_SAME))
    fields = {name: item.get(name) for name in names}
    return face_update(tenant.name, after.faceid, *conditions, set=fields, remove=removed_fields)


def face_put(tenant: Tenant, before: Face, after: Face) -> Put:
    """Return the write of a whole face that a caller changed, if it is still as it was read
    (condition FACE_SAME).

    If another name is set, the same transaction needs `rename_actions` of book/faces. Raises
    FaceHeld, ConsentMissing.
    """
    require_no_loss(before, after)
    require_ground(tenant, before, after)
    revision = before.revision + (after != before)
    item = face_item(tenant.name, replace(after, revision=revision, version=before.version + 1))
    if_same = equals("version", before.version, FACE_SAME)
    when = (if_same, *make_rise_conditions(before, after))
    return Put(keys.FACES, item, when, describe_face_change(before, after))


def visits_puts(tenant: str, faceid: str, before: Visits, after: Visits) -> list[Action]:
    """Return the writes of a face's visits, if they are still `before` (condition VISITS_SAME).

    These are the head, and those of the pages that change or go.
    """
    if_same = (
        equals("version", before.version, VISITS_SAME) if before.version else absent(VISITS_SAME)
    )
    head, pages, deleted_pages = replace(after, version=before.version + 1).stored_after(before)
    return [
        Put(keys.ARRIVALS, visits_item(tenant, faceid, head), (if_same,)),
        *(Put(keys.ARRIVALS, page_item(tenant, faceid, *page)) for page in pages.items()),
        *(
            Delete(keys.ARRIVALS, (tenant, keys.visits_page(faceid, start)))
            for start in deleted_pages
        ),
    ]


def visits_deletes(
    tenant: str, faceid: str, visits: Visits, when: Sequence[Condition] = ()
) -> list[Action]:
    """Return the deletions of the head, on a condition, and of the pages of a face's visits."""
    pages = (
        Delete(keys.ARRIVALS, (tenant, keys.visits_page(faceid, start))) for start in visits.pages
    )
    return [Delete(keys.ARRIVALS, (tenant, faceid), tuple(when)), *pages]
