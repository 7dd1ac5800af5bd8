"""Changes of a face: another name, group or picture, other attributes or labels. Its id and its arrivals stay.

A change of many faces changes each by itself, so that one that cannot be changed stops no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from chalicelib.core import keys
from chalicelib.core.errors import (
    Busy,
    ConditionFailed,
    FaceNotFound,
    InvalidInput,
    RegularsError,
    StorageUnavailable,
    require_revision,
)
from chalicelib.core.items import retried, write
from chalicelib.core.model import Face, Group, Tenant
from chalicelib.core.names import face_name, face_note
from chalicelib.core.pictures import PictureRules
from chalicelib.core.ports import Action, Put
from chalicelib.core.records.faces import face_from
from chalicelib.core.records.observations import visits_from
from chalicelib.services.commit import GROUP_ROOM, Change, edited, limited_groups
from chalicelib.services.enrolment.enrolment import (
    AGE,
    GENDER,
    FaceChanges,
    attribute_values,
    require_age,
    require_attributes,
    require_room,
)
from chalicelib.services.faces import renamed
from chalicelib.services.idempotency import OK, PARTIAL, RECORDED, Answer, RequestId, WentOn
from chalicelib.services.portraits import Portrait, unpictured
from chalicelib.services.rooms import UseCase
from chalicelib.services.visits import face_put, visits_puts

_Value = TypeVar("_Value")

"""Values that can be taken back, so that the estimates hold again."""


@dataclass(frozen=True)
class _Read:
    """A face as it was read, with its group and the group that it is to be in, which may be the same."""

    face: Face
    group: Group
    target: Group


class FaceUpdate(UseCase):
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
        InvalidInput, GroupNotFound (either), FaceNotFound (also if it is in another group), Unusable, GroupFull,
        FaceHeld, Busy.
        """
        changes = _legal(changes)

        def read() -> _Read:
            return self._in_group(tenant, group_name, faceid, changes)

        read()
        portrait = None if changes.picture is None else self.book.portraits.of_largest(tenant, changes.picture, rules)
        self._apply(tenant, read, changes, portrait, request=request)

    def of_id(
        self,
        tenant: Tenant,
        faceid: str,
        changes: FaceChanges,
        *,
        revision: int | None = None,
        request: RequestId | None = None,
        record: Put | None = None,
    ) -> Face:
        """Apply all changes but a picture, or none, to a face of any group; return the face.

        `revision`: the one that the caller read; None: whatever it is. `record`: what is stored of the request, if this
        is not the whole of it. Raises, in this order, InvalidInput, FaceNotFound, GroupNotFound, AttributeNotFound (its
        group then has no such attribute), Changed, GroupFull, FaceHeld, Busy; WentOn if `record` comes too late.
        """
        changes = _legal(changes)

        def read() -> _Read:
            found = self._anywhere(tenant, faceid, changes)
            require_revision("the face", found.face, found.face.revision, revision)
            return found

        return self._apply(tenant, read, changes, None, request=request, record=record)

    @retried("this face is changed by others all the time: send the request again in a moment")
    def _apply(
        self,
        tenant: Tenant,
        read: Callable[[], _Read],
        changes: FaceChanges,
        portrait: Portrait | None,
        *,
        request: RequestId | None,
        record: Put | None = None,
    ) -> Face:
        held = read()
        old = held.face
        if held.target.id != held.group.id:
            require_room(held.target)
        new = _changed(held, changes)
        if portrait is not None:
            picture = self.book.portraits.stored(tenant, new, portrait, self.book.clock.now())
            new = replace(new, pictures=(picture,))
        new = unpictured(tenant, new)
        if new != old:
            new = replace(new, changed_at=self.book.clock.now())
        stored = self._committed(tenant, held, new, request, record)
        self.book.portraits.discard([key for key in old.picture_keys if key not in stored.picture_keys])
        return stored

    def _in_group(self, tenant: Tenant, group_name: str, faceid: str, changes: FaceChanges) -> _Read:
        group = self.book.groups.named(tenant, group_name)
        target = group if changes.new_group_name is None else self.book.groups.named(tenant, changes.new_group_name)
        attribute_values(target, changes.values)
        face = self.book.faces.find(tenant, faceid)
        if face is None or face.group_id != group.id:
            raise FaceNotFound(f"group {group.name!r} has no face {faceid[:70]!r}")
        return _Read(face, group, target)

    def _anywhere(self, tenant: Tenant, faceid: str, changes: FaceChanges) -> _Read:
        face = self.book.faces.get(tenant, faceid)
        group = self.book.groups.of_id(tenant, face.group_id)
        if group is None:
            raise FaceNotFound(f"there is no face {faceid!r} any more: its group is just being deleted")
        target = group if changes.new_group_name is None else self.book.groups.named(tenant, changes.new_group_name)
        require_attributes(target, changes.values)
        attribute_values(target, changes.values)
        return _Read(face, group, target)

    def _committed(self, tenant: Tenant, held: _Read, new: Face, request: RequestId | None, record: Put | None) -> Face:
        """Commit; return the face as it is stored. Raises ConditionFailed if the face or a group was changed."""
        old = held.face
        added = [new.picture_key] if new.picture_key != old.picture_key else []
        try:
            with self.book.requests.answering(tenant.name, request), self.book.portraits.discarded_if_refused(added):
                put = face_put(tenant.name, old, new)
                actions: list[Action] = [
                    put,
                    *renamed(tenant.name, old, new),
                    *self._placed_by_hand(tenant, old, new),
                    *([record] if record else self.book.requests.recorded(tenant.name, request)),
                ]
                if new.templates == old.templates and new.group_id == old.group_id:
                    write(self.book.items, actions)
                else:
                    self.book.writer.commit(tenant.name, _change(actions, new, held))
        except ConditionFailed as error:
            if RECORDED in error.names:
                raise WentOn from error
            if f"{GROUP_ROOM}:{new.group_id}" in error.names:
                require_room(self.book.groups.of_id(tenant, new.group_id))
            raise
        return face_from(put.item)

    def _placed_by_hand(self, tenant: Tenant, old: Face, new: Face) -> list[Action]:
        """Return the action that ends the promotion of a face that a user moves.

        Without it a late sighting could undo the move, or change the group that earlier sightings name.
        """
        if new.group_id == old.group_id:
            return []
        visits = visits_from(self.book.items.get(keys.ARRIVALS, (tenant.name, old.faceid)))
        if visits.promotion is None:
            return []
        return visits_puts(tenant.name, old.faceid, visits, replace(visits, promotion=None))


def _legal(changes: FaceChanges) -> FaceChanges:
    """Return the changes with texts in their stored form. Raises InvalidInput."""
    require_age(changes.age)
    return replace(
        changes,
        name=None if changes.name is None else face_name(changes.name),
        note=None if changes.note is None else face_note(changes.note),
    )


def _changed(held: _Read, changes: FaceChanges) -> Face:
    """Return the face with all changes but the picture. Attribute values follow their names into the target group."""
    face = held.face
    names = {attribute.id: attribute.name for attribute in held.group.attributes}
    carried = {names[id_]: value for id_, value in face.attributes.items() if id_ in names}
    ids = {attribute.name: attribute.id for attribute in held.target.attributes}
    values = {ids[name]: value for name, value in carried.items() if name in ids}
    values |= attribute_values(held.target, changes.values)
    return replace(
        face,
        group_id=held.target.id,
        user=face.user if held.target.id == face.group_id else "",
        age=_set(AGE, face.age, changes.age, changes),
        gender=_set(GENDER, face.gender, changes.gender, changes),
        attributes={id_: value for id_, value in values.items() if value},
        name=face.name if changes.name is None else changes.name,
        note=face.note if changes.note is None else changes.note,
        labels=face.labels._replace(**changes.labels),
    )


def _set(name: str, old: _Value | None, new: _Value | None, changes: FaceChanges) -> _Value | None:
    if name in changes.taken_back:
        return None
    return old if new is None else new


def _change(actions: Sequence[Action], new: Face, held: _Read) -> Change:
    group, target = held.group, held.target
    if group.id == target.id:
        return Change(tuple(actions), edited(held.face, new))
    limited = limited_groups(group) | limited_groups(target)
    return Change(tuple(actions), edited(held.face, new), {group.id: -1, target.id: 1}, limited)


MAX_CHANGED = 100


@dataclass(frozen=True)
class FailedFace:
    """A face that was not changed. `code`: the name of the error; `message`: its sentence."""

    id: str
    code: str
    message: str


@dataclass(frozen=True)
class ManyChanged:
    """The outcome of a change of many faces: each id is in one of the lists."""

    done: list[str] = field(default_factory=list)
    failed: list[FailedFace] = field(default_factory=list)


class ManyFaces(UseCase):
    def change(
        self, tenant: Tenant, faceids: Sequence[str], changes: FaceChanges, request: RequestId | None = None
    ) -> ManyChanged:
        """Change up to 100 faces of any groups. A repeated id counts once.

        Each transaction records which faces are done. So a repeat after a crash continues where it stopped, and changes
        no face twice. Raises InvalidInput if there are no ids or over 100, Busy or StorageUnavailable at the first face
        that storage refuses: then those before it are changed; AnsweredAlready.
        """
        if not 0 < len(faceids) <= MAX_CHANGED:
            raise InvalidInput(f"1 to {MAX_CHANGED} faces are changed at once, not {len(faceids)}")
        run = _Run(self, tenant, request, self.done_before(tenant, request))
        for faceid in dict.fromkeys(faceids):
            run.change(faceid, changes)
        return run.finished()

    def done_before(self, tenant: Tenant, request: RequestId | None) -> list[str] | None:
        """Return what is done of the request; None if nothing is recorded of it."""
        progress = self.book.requests.progress(tenant.name, request)
        return None if progress is None else list(progress["done"])


@dataclass
class _Run:
    """One run of a request. `recorded`: the faces that its record says are done; None: there is no record."""

    many: ManyFaces
    tenant: Tenant
    request: RequestId | None
    recorded: list[str] | None
    failed: list[FailedFace] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.done = list(self.recorded or [])

    def change(self, faceid: str, changes: FaceChanges) -> None:
        while faceid not in self.done:
            done = [*self.done, faceid]
            try:
                record = self._record(PARTIAL, {"done": done})
                self.many.book.enrolment.update.of_id(self.tenant, faceid, changes, request=self.request, record=record)
            except WentOn:
                self._read_again()
            except (Busy, StorageUnavailable):
                raise
            except RegularsError as error:
                self.failed.append(_failed(faceid, error))
                return
            else:
                self.done = done
                self.recorded = None if self.request is None else done

    def finished(self) -> ManyChanged:
        """Record the answer and return it."""
        while True:
            changed = ManyChanged(self.done, self.failed)
            record = self._record(OK, asdict(changed))
            try:
                if record is not None:
                    write(self.many.book.items, [record])
            except ConditionFailed:
                self.many.book.requests.raise_if_answered(self.tenant.name, self.request)
                self._read_again()
            else:
                return changed

    def _record(self, code: str, body: Mapping[str, Any]) -> Put | None:
        if self.request is None:
            return None
        after = None if self.recorded is None else {"done": self.recorded}
        return self.many.book.requests.record(self.tenant.name, self.request, Answer(code, body), after=after)

    def _read_again(self) -> None:
        self.recorded = self.many.done_before(self.tenant, self.request)
        self.done = list(self.recorded or [])


def _failed(faceid: str, error: RegularsError) -> FailedFace:
    return FailedFace(faceid, type(error).__name__, str(error))
