"""Classification of visitors as staff, known, new or returning, for every figure of visits.

- staff: people in a group that is marked as staff now, for all visits; and visits under its name
- known: people in any other group but `stranger`; a regular is one of them, in the group `regular`
- new: a visit that is the first of its face
- returning: a later visit of a stranger

The group of a visit is that of its time. Of a stranger who has a name since, it is that of now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence, Set
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.model import (
    NO_LABELS,
    NOBODY,
    RESTRICTED,
    STRANGER,
    Tenant,
    is_faceid,
    make_name_of_visit,
)
from chalicelib.domain.names import LONGEST_GROUP_NAME, normalise_name
from chalicelib.domain.observations import ObservationFilter, VisitKind, leave_counted
from chalicelib.domain.pictures import NO_ESTIMATES
from chalicelib.service import Service
from chalicelib.storage import keys
from chalicelib.storage.items import faces_in, list_restricted_faceids
from chalicelib.storage.records.faces import face_from
from chalicelib.storage.records.observations import read_visits_reaching

if TYPE_CHECKING:
    from chalicelib.book.book import Book
    from chalicelib.domain.model import Face, Group
    from chalicelib.domain.observations import Observation
    from chalicelib.domain.rules.visits import Visits
    from chalicelib.storage.ports import ItemStore


MOST_READ = 500
"""Most faces that are read one by one. Of more, the keys of whole groups are walked."""


class Staff(Struct, frozen=True):
    """The people who work in the shop, and so do not count as visitors.

    `groups`: names of the groups that are marked so; `faces`: ids of those in them.
    """

    groups: tuple[str, ...] = ()
    faces: frozenset[str] = frozenset()

    def has(self, group_name: str, faceid: str) -> bool:
        return group_name in self.groups or faceid in self.faces

    def leave_out(self, observation_filter: ObservationFilter) -> ObservationFilter:
        """Return the filter of observations changed so that it takes none of staff.

        A filter for one face, or for a group of staff, asks for them, and is returned as it is.
        """
        if observation_filter.faceid is not None or observation_filter.group_name in self.groups:
            return observation_filter
        return replace(
            observation_filter,
            without=self.groups,
            without_faces=self.faces,
            without_staff=True,  # of those who were erased since
        )


def kind_of_visit(group_name: str, *, is_first: bool, is_staff: bool) -> VisitKind:
    """Return the kind of a visit: STAFF, NEW, RETURNING or KNOWN.

    NEW is a face's first visit. A later one is RETURNING in the group of strangers, and KNOWN in
    any other.
    """
    if is_staff:
        return VisitKind.STAFF
    if is_first:
        return VisitKind.NEW
    return VisitKind.RETURNING if group_name == STRANGER else VisitKind.KNOWN


def list_in_groups(items: ItemStore, tenant: str, group_ids: Iterable[str]) -> set[str]:
    """Return the ids of the faces in these groups."""
    return {
        str(item["faceid"]) for group_id in group_ids for item in faces_in(items, tenant, group_id)
    }


def _hide_person(face: Face, observation: Observation, begin_ms: int) -> Observation:
    """Return an observation of a face without anything that tells whose it is.

    In place of the face's id it has a name made for one visit, which began at `begin_ms`. So the
    observations of a visit belong together, and two visits of the face have no name in common.
    """
    # The name is a hash of the face's templates (embeddings), which no answer has. So nobody can
    # make the name again who knows ids and times.
    vectors = [template.vector for picture in face.pictures for template in picture.templates]
    secret = hashlib.sha256(b"".join(vectors)).hexdigest()
    faceid = make_name_of_visit(secret, observation.faceid, begin_ms)
    token = hashlib.sha256(f"{secret}\n{observation.id}".encode()).hexdigest()[:24]
    return leave_counted(observation, faceid, token, NO_LABELS)


def _find_visit_begin(visits: Visits, observation: Observation) -> int:
    """Return when the visit began, in ms, that a face's observation is of.

    `visits` are the face's. An observation with a gap of 0 is of no visit, and one may have been
    written before visits were kept. Then its own time is returned.
    """
    visit = visits.arrivals.find_around(observation.at_ms)
    return visit.first_ms if visit and observation.gap_s else observation.at_ms


class Visitors(Service["Book"]):
    """The rule, for all lists and counts, which people are visitors, staff, restricted or
    erased."""

    def hide_restricted(
        self, tenant: Tenant, observations: Sequence[Observation], restricted: Collection[str]
    ) -> list[Observation]:
        """Return observations as lists show them, without the identity of restricted faces.

        `restricted` has the ids of such faces, which are kept and used for nothing. Their
        observations keep time, camera and group, so a list has as many as its totals count. They
        look like an erased person's, so nobody can tell the two apart.
        """
        times = [
            (observation.at_ms, observation.faceid)
            for observation in observations
            if observation.faceid in restricted
        ]
        visits = read_visits_reaching(self.services.items, tenant.name, times)
        face_keys = [(tenant.name, faceid) for faceid in {faceid for _, faceid in times}]
        items = self.services.items.get_many(keys.FACES, face_keys)
        restricted_faces = [face_from(item) for item in items if item]
        face_of_id = {face.faceid: face for face in restricted_faces}

        shown = []
        for observation in observations:
            face = face_of_id.get(observation.faceid)
            if face is not None:
                begin_ms = _find_visit_begin(visits[face.faceid], observation)
                shown.append(_hide_person(face, observation, begin_ms))
            elif observation.faceid.startswith(NOBODY):  # the person was erased
                shown.append(replace(observation, estimates=NO_ESTIMATES, labels=NO_LABELS))
            else:
                shown.append(observation)
        return shown

    def normalise_filter(
        self, tenant: Tenant, observation_filter: ObservationFilter
    ) -> ObservationFilter:
        """Return a client's filter of observations in the form that every list and count uses.

        Its group's name gets the form in which names are stored. A filter for a restricted face or
        an erased person becomes one for nobody. Else it would tell whose visits the lists hide.
        """
        faceid, group_name = observation_filter.faceid, observation_filter.group_name
        if faceid is not None and self._is_nobody(tenant, faceid):
            faceid = NOBODY
        if group_name:
            group_name = normalise_name(group_name, LONGEST_GROUP_NAME)
        return replace(observation_filter, faceid=faceid, group_name=group_name)

    def _is_nobody(self, tenant: Tenant, faceid: str) -> bool:
        if faceid.startswith(NOBODY) or not is_faceid(faceid):
            return True
        item = self.services.items.get(keys.FACES, (tenant.name, faceid))
        return item is not None and item["group"] == RESTRICTED

    def read_staff(self, tenant: Tenant) -> Staff:
        """Return the current staff: the people in groups that are marked as staff."""
        groups = [group for group in self.services.groups.list_all(tenant) if group.staff]
        group_ids = {group.id for group in groups}
        faceids = list_in_groups(self.services.items, tenant.name, group_ids)
        # A restricted face is stored in a group of such faces; its own group says if it is staff.
        restricted_faces = self._read_restricted(tenant) if groups else []
        faceids |= {face.faceid for face in restricted_faces if face.own_group_id in group_ids}
        return Staff(groups=tuple(group.name for group in groups), faces=frozenset(faceids))

    def _read_restricted(self, tenant: Tenant) -> list[Face]:
        faceids = list_restricted_faceids(self.services.items, tenant.name)
        face_keys = [(tenant.name, faceid) for faceid in faceids]
        items = self.services.items.get_many(keys.FACES, face_keys)
        return [face_from(item) for item in items if item]

    def list_existing(self, tenant: Tenant, faceids: Set[str]) -> set[str]:
        """Return which of these ids are of faces that are in the book.

        Of few, each face is read. Of many, the ids in all groups are listed, which reads keys only.
        """
        if len(faceids) > MOST_READ:
            group_ids = [group.id for group in self.services.groups.list_all(tenant)]
            in_groups = list_in_groups(self.services.items, tenant.name, [*group_ids, RESTRICTED])
            return in_groups.intersection(faceids)
        face_keys = [(tenant.name, faceid) for faceid in faceids]
        items = self.services.items.get_many(keys.FACES, face_keys)
        return {str(item["faceid"]) for item in items if item}

    def read_present_groups(self, tenant: Tenant, faceids: Collection[str]) -> dict[str, str]:
        """Return, by faceid, the name of the present group of each of these faces that has a name.

        Of many ids, faces in the group of strangers are not read, since strangers have no name. The
        ids in all other groups are listed instead, and only those of them are read.
        """
        if len(faceids) > MOST_READ:
            groups = self.services.groups.list_all(tenant)
            group_ids = [RESTRICTED, *(group.id for group in groups if group.id != STRANGER)]
            in_groups = list_in_groups(self.services.items, tenant.name, group_ids)
            faceids = in_groups.intersection(faceids)
        face_keys = [(tenant.name, faceid) for faceid in faceids]
        items = self.services.items.get_many(keys.FACES, face_keys)
        return self.find_present_groups(tenant, (face_from(item) for item in items if item))

    def find_present_groups(self, tenant: Tenant, faces: Iterable[Face]) -> dict[str, str]:
        """Return, by faceid, the name of the present group of each of these faces that has a name.

        Faces whose group was deleted are left out.
        """
        named_faces = [face for face in faces if face.name]
        name_of_id = {group.id: group.name for group in self._list_groups(tenant, named_faces)}
        return {
            face.faceid: name_of_id[face.own_group_id]
            for face in named_faces
            if face.own_group_id in name_of_id
        }

    def find_last_groups(
        self, tenant: Tenant, faces: Sequence[Face]
    ) -> dict[str, tuple[str, bool]]:
        """Return, by faceid, the name of each face's group, and whether that is a group of staff.

        A group may be deleted while its faces are still being erased (`tenant.gone`). Of such a
        group, a stored note tells both. Faces of unknown groups are left out.
        """
        gone_keys = [(tenant.name, keys.gone_item(group_id)) for group_id in sorted(tenant.gone)]
        notes = self.services.items.get_many(keys.DIRECTORY, gone_keys) if gone_keys else []
        group_of_id = {
            group.id: (group.name, group.staff) for group in self._list_groups(tenant, faces)
        }
        for note in notes:
            if note and "name" in note:
                # its key is a fixed prefix and the group's id
                group_id = str(note["item"]).removeprefix(keys.gone_item(""))
                group_of_id[group_id] = (str(note["name"]), bool(note["staff"]))
        return {
            face.faceid: group_of_id[face.own_group_id]
            for face in faces
            if face.own_group_id in group_of_id
        }

    def _list_groups(self, tenant: Tenant, faces: Collection[Face]) -> list[Group]:
        """Return all groups, if there are faces."""
        return self.services.groups.list_all(tenant) if faces else []
