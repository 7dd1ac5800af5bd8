"""Changes of a face: another group, another picture, other attributes. Its id and its arrivals stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.core import keys
from chalicelib.core.errors import Busy, ConditionFailed, FaceNotFound, RegularsError, StorageUnavailable
from chalicelib.core.model import Edit, Face, Group, JournalEntry, Tenant
from chalicelib.core.pictures import Gender, PictureRules
from chalicelib.core.ports import Action, Clock, ItemStore, Put, equals
from chalicelib.core.records.faces import face_item
from chalicelib.core.records.visits import visits_from
from chalicelib.services.commit.gallery import GROUP_ROOM, Change, GalleryWriter, limited_groups
from chalicelib.services.commit.idempotency import OK, Answer, RequestId, Requests
from chalicelib.services.commit.transaction import attempts
from chalicelib.services.enrolment.enrolment import attribute_values, require_age, require_room
from chalicelib.services.faces.faces import Faces
from chalicelib.services.faces.portraits import Portraits
from chalicelib.services.groups.groups import Groups
from chalicelib.services.visits.face_visits import visits_put


@dataclass(frozen=True)
class FaceChanges:
    """The values to set; None leaves one as it is. `values`: attribute values by name or `itemN`; "" clears one."""

    new_group_name: str | None = None
    picture: bytes | None = None
    age: int | None = None
    gender: Gender | None = None
    values: Mapping[str, str] = field(default_factory=dict)


class FaceUpdate:
    def __init__(
        self,
        items: ItemStore,
        groups: Groups,
        faces: Faces,
        portraits: Portraits,
        writer: GalleryWriter,
        requests: Requests,
        clock: Clock,
    ) -> None:
        self._items = items
        self._groups = groups
        self._faces = faces
        self._portraits = portraits
        self._writer = writer
        self._requests = requests
        self._clock = clock

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
        portrait = None if changes.picture is None else self._portraits.of_largest(tenant, changes.picture, rules)
        for _ in attempts():
            group, target, face = self._current(tenant, group_name, faceid, changes)
            if target.id != group.id:
                require_room(target)
            changed = _changed(face, group, target, changes)
            if portrait is not None:
                picture = self._portraits.stored(tenant.name, faceid, portrait, self._clock.now())
                changed = replace(changed, pictures=(picture,))
            if self._committed(tenant, face, changed, (group, target), request):
                if portrait is not None:
                    self._portraits.discard(face.picture_keys)
                return
        raise Busy("this face is changed by others all the time: send the request again in a moment")

    def _current(self, tenant: Tenant, group_name: str, faceid: str, changes: FaceChanges) -> tuple[Group, Group, Face]:
        """Read the face's group, its target group (may be the same), and the face."""
        group = self._groups.named(tenant, group_name)
        target = group if changes.new_group_name is None else self._groups.named(tenant, changes.new_group_name)
        attribute_values(target, changes.values)
        face = self._faces.find(tenant, faceid)
        if face is None or face.group_id != group.id:
            raise FaceNotFound(f"group {group.name!r} has no face {faceid[:70]!r}")
        return group, target, face

    def _committed(
        self, tenant: Tenant, old: Face, new: Face, groups: tuple[Group, Group], request: RequestId | None
    ) -> bool:
        """Commit. Return False if the face or a group was changed meanwhile: read again."""
        put = Put(keys.FACES, face_item(tenant.name, new), (equals("version", old.version, "face-same"),))
        try:
            if new.templates == old.templates and new.group_id == old.group_id:
                self._requests.write(tenant.name, [put], request)
            else:
                actions: list[Action] = [put, *self._placed_by_hand(tenant, old, new)]
                if request is not None:
                    actions.append(self._requests.record(tenant.name, request, Answer(OK, {})))
                self._writer.commit(tenant.name, _change(actions, new, old, groups))
        except ConditionFailed as error:
            self._discard_new(old, new)
            self._requests.raise_if_answered(tenant.name, request)
            if f"{GROUP_ROOM}:{new.group_id}" in error.names:
                self._require_room_now(tenant, new.group_id)
            return False
        except StorageUnavailable:
            self._requests.raise_if_answered(tenant.name, request)
            raise
        except RegularsError:
            self._discard_new(old, new)
            raise
        return True

    def _placed_by_hand(self, tenant: Tenant, old: Face, new: Face) -> list[Action]:
        """Return the action that ends the promotion of a face that a user moves.

        Without it a late sighting could undo the move, or change the group that earlier sightings name.
        """
        if new.group_id == old.group_id:
            return []
        visits = visits_from(self._items.get(keys.ARRIVALS, (tenant.name, old.faceid)))
        if visits.promotion is None:
            return []
        return [visits_put(tenant.name, old.faceid, visits, replace(visits, promotion=None))]

    def _discard_new(self, old: Face, new: Face) -> None:
        if new.picture_key != old.picture_key:
            self._portraits.discard([new.picture_key])

    def _require_room_now(self, tenant: Tenant, group_id: str) -> None:
        group = self._groups.of_id(tenant, group_id)
        if group is not None:
            require_room(group)


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
        version=face.version + 1,
    )


def _change(actions: Sequence[Action], new: Face, old: Face, groups: tuple[Group, Group]) -> Change:
    group, target = groups
    is_move = new.templates == old.templates
    entry = JournalEntry(
        Edit.MOVE if is_move else Edit.REPLACE, new.faceid, target.id, () if is_move else new.templates
    )
    if group.id == target.id:
        return Change(tuple(actions), (entry,))
    return Change(
        tuple(actions),
        (entry,),
        counts={group.id: -1, target.id: 1},
        limited_groups=limited_groups(group) | limited_groups(target),
    )
