"""Changes of a face: another group, another picture, other attributes. Its id and its arrivals stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed, FaceNotFound, StorageUnavailable
from chalicelib.core.items import attempts
from chalicelib.core.model import Face, Group, Tenant
from chalicelib.core.pictures import Gender, PictureRules
from chalicelib.core.ports import Action, Clock, ItemStore
from chalicelib.core.records.visits import visits_from
from chalicelib.services.commit.gallery import GROUP_ROOM, Change, GalleryWriter, edited, limited_groups
from chalicelib.services.commit.idempotency import OK, Answer, RequestId, Requests
from chalicelib.services.enrolment.enrolment import attribute_values, require_age, require_room
from chalicelib.services.faces.faces import Faces
from chalicelib.services.faces.portraits import Portraits
from chalicelib.services.groups.groups import Groups
from chalicelib.services.visits import face_put, visits_put


@dataclass(frozen=True)
class FaceChanges:
    """The values to set; None leaves one as it is. `values`: attribute values by name or `itemN`; "" clears one."""

    new_group_name: str | None = None
    picture: bytes | None = None
    age: int | None = None
    gender: Gender | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass
class FaceUpdate:
    items: ItemStore
    groups: Groups
    faces: Faces
    portraits: Portraits
    writer: GalleryWriter
    requests: Requests
    clock: Clock

    def of_face(
        self,
        tenant: Tenant,
        group_name: str,
        faceid: str,
        changes: FaceChanges,
        rules: PictureRules,
        request: RequestId | None = None,
    ) -> None:
        """Apply all changes or none. A new picture replaces all pictures, with their templates and estimates.

        Attribute values follow their names into the new group; those that it lacks are dropped. Raises, in this order,
        InvalidInput, GroupNotFound (either), FaceNotFound (also if it is in another group), Unusable, GroupFull, Busy.
        """
        require_age(changes.age)
        self._current(tenant, group_name, faceid, changes)
        portrait = None if changes.picture is None else self.portraits.of_largest(tenant, changes.picture, rules)
        for _ in attempts():
            group, target, face = self._current(tenant, group_name, faceid, changes)
            if target.id != group.id:
                require_room(target)
            changed = _changed(face, group, target, changes)
            if portrait is not None:
                picture = self.portraits.stored(tenant.name, faceid, portrait, self.clock.now())
                changed = replace(changed, pictures=(picture,))
            if self._committed(tenant, face, changed, (group, target), request):
                if portrait is not None:
                    self.portraits.discard(face.picture_keys)
                return
        raise Busy("this face is changed by others all the time: send the request again in a moment")

    def _current(self, tenant: Tenant, group_name: str, faceid: str, changes: FaceChanges) -> tuple[Group, Group, Face]:
        """Read the face's group, its target group (may be the same), and the face."""
        group = self.groups.named(tenant, group_name)
        target = group if changes.new_group_name is None else self.groups.named(tenant, changes.new_group_name)
        attribute_values(target, changes.values)
        face = self.faces.find(tenant, faceid)
        if face is None or face.group_id != group.id:
            raise FaceNotFound(f"group {group.name!r} has no face {faceid[:70]!r}")
        return group, target, face

    def _committed(
        self, tenant: Tenant, old: Face, new: Face, groups: tuple[Group, Group], request: RequestId | None
    ) -> bool:
        """Commit. Return False if the face or a group was changed meanwhile: read again."""
        put = face_put(tenant.name, old, new)
        added = [new.picture_key] if new.picture_key != old.picture_key else []
        try:
            with self.portraits.discarded_if_refused(added):
                if new.templates == old.templates and new.group_id == old.group_id:
                    self.requests.write(tenant.name, [put], request)
                else:
                    actions: list[Action] = [put, *self._placed_by_hand(tenant, old, new)]
                    if request is not None:
                        actions.append(self.requests.record(tenant.name, request, Answer(OK, {})))
                    self.writer.commit(tenant.name, _change(actions, new, old, groups))
        except ConditionFailed as error:
            self.requests.raise_if_answered(tenant.name, request)
            if f"{GROUP_ROOM}:{new.group_id}" in error.names:
                require_room(self.groups.of_id(tenant, new.group_id))
            return False
        except StorageUnavailable:
            self.requests.raise_if_answered(tenant.name, request)
            raise
        return True

    def _placed_by_hand(self, tenant: Tenant, old: Face, new: Face) -> list[Action]:
        """Return the action that ends the promotion of a face that a user moves.

        Without it a late sighting could undo the move, or change the group that earlier sightings name.
        """
        if new.group_id == old.group_id:
            return []
        visits = visits_from(self.items.get(keys.ARRIVALS, (tenant.name, old.faceid)))
        if visits.promotion is None:
            return []
        return [visits_put(tenant.name, old.faceid, visits, replace(visits, promotion=None))]


def _changed(face: Face, group: Group, target: Group, changes: FaceChanges) -> Face:
    """Return the face with all changes but the picture. Attribute values follow their names into the target group."""
    names = {attribute.id: attribute.name for attribute in group.attributes}
    carried = {names[id_]: value for id_, value in face.attributes.items() if id_ in names}
    ids = {attribute.name: attribute.id for attribute in target.attributes}
    values = {ids[name]: value for name, value in carried.items() if name in ids}
    values |= attribute_values(target, changes.values)
    return replace(
        face,
        group_id=target.id,
        age=face.age if changes.age is None else changes.age,
        gender=face.gender if changes.gender is None else changes.gender,
        attributes={id_: value for id_, value in values.items() if value},
    )


def _change(actions: Sequence[Action], new: Face, old: Face, groups: tuple[Group, Group]) -> Change:
    group, target = groups
    if group.id == target.id:
        return Change(tuple(actions), edited(old, new))
    limited = limited_groups(group) | limited_groups(target)
    return Change(tuple(actions), edited(old, new), {group.id: -1, target.id: 1}, limited)
